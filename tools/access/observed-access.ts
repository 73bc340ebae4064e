import { budget, type BudgetInputs } from "../../components/provider/access/budget.ts";
import { credential, type CredentialInputs } from "../../components/provider/access/credential.ts";
import {
  type LiveBudget,
  type LiveCredential,
  type LiveKey,
  type LiveModel,
  type LiveTeam,
  type LiveUser,
  openGateway,
} from "../../components/provider/access/gateway.ts";
import { formatMemberId } from "../../components/provider/access/member-id.ts";
import { model, type ModelInputs } from "../../components/provider/access/model.ts";
import { ADMIN_USER } from "../../components/provider/access/survey.ts";
import { teamMember, type TeamMemberInputs } from "../../components/provider/access/team-member.ts";
import { team, type TeamInputs } from "../../components/provider/access/team.ts";
import { user, type UserInputs } from "../../components/provider/access/user.ts";
import { virtualKey, type VirtualKeyInputs } from "../../components/provider/access/virtual-key.ts";
import type { OperationContext, ResourceDefinition } from "../../components/provider/resource.ts";

/** One thing in a gateway. */
export interface Observed<Inputs, Live> {
  /** Of the resource, as `pulumi import` takes it. */
  readonly id: string;
  /** As the resource reads them on import; undefined where no program could say what is there. */
  readonly inputs: Inputs | undefined;
  /** Why not. */
  readonly problem?: string;
  readonly live: Live;
}

/** A user's place in a team. */
interface LiveMember {
  readonly teamId: string;
  readonly userId: string;
  readonly role: string;
}

/** What is in a gateway, each thing as its resource sees it: so what is written of it is what is imported. */
export interface ObservedAccess {
  readonly budgets: readonly Observed<BudgetInputs, LiveBudget>[];
  readonly users: readonly Observed<UserInputs, LiveUser>[];
  readonly teams: readonly Observed<TeamInputs, LiveTeam>[];
  readonly members: readonly Observed<TeamMemberInputs, LiveMember>[];
  readonly keys: readonly Observed<VirtualKeyInputs, LiveKey>[];
  readonly credentials: readonly Observed<CredentialInputs, LiveCredential>[];
  readonly models: readonly Observed<ModelInputs, LiveModel>[];
}

/** Looks at everything in the gateway that the context is configured for. Changes nothing. */
export async function observeAccess(context: OperationContext): Promise<ObservedAccess> {
  const gateway = openGateway(context);
  const { signal } = context;
  const [budgets, users, teams, keys, credentials, models] = await Promise.all([
    gateway.listBudgets(signal),
    gateway.listUsers(signal),
    gateway.listTeams(signal),
    gateway.listKeys(signal),
    gateway.listCredentials(signal),
    gateway.listModels(signal),
  ]);
  const observe = <Inputs extends object, Outputs extends object, Live>(
    definition: ResourceDefinition<Inputs, Outputs>,
    lives: readonly Live[],
    idOf: (live: Live) => string,
  ) => Promise.all(lives.map((live) => observeOne(context, definition, idOf(live), live)));
  const members = teams.flatMap(({ team_id: teamId, members_with_roles: entries }) =>
    entries.flatMap(({ user_id: userId, role }) =>
      userId === null || userId === ADMIN_USER ? [] : [{ teamId, userId, role }],
    ),
  );
  return {
    budgets: await observe(budget, budgets, ({ budget_id: id }) => id),
    users: await observe(
      user,
      users.filter(({ user_id: id }) => id !== ADMIN_USER),
      ({ user_id: id }) => id,
    ),
    teams: await observe(team, teams, ({ team_id: id }) => id),
    members: await observe(teamMember, members, formatMemberId),
    keys: await observe(virtualKey, keys, ({ token }) => token),
    credentials: await observe(credential, credentials, ({ credential_name: name }) => name),
    models: await observe(model, models, ({ model_info: { id } }) => id),
  };
}

async function observeOne<Inputs extends object, Outputs extends object, Live>(
  context: OperationContext,
  definition: ResourceDefinition<Inputs, Outputs>,
  id: string,
  live: Live,
): Promise<Observed<Inputs, Live>> {
  const found = await definition.read(context, id, { inputs: {}, outputs: {} });
  if (found === undefined) return { id, inputs: undefined, live };
  const { data: inputs, error } = definition.inputs.safeParse(found.inputs);
  const [issue] = error?.issues ?? [];
  return issue === undefined
    ? { id, inputs, live }
    : { id, inputs: undefined, problem: `${issue.path.join(".")} ${issue.message}`, live };
}
