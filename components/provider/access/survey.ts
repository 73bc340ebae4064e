import type { OperationContext } from "../resource.ts";
import type {
  Gateway,
  LiveBudget,
  LiveCredential,
  LiveKey,
  LiveModel,
  LiveTeam,
  LiveUser,
} from "./gateway.ts";
import { isGeneratedId } from "./generated-id.ts";
import { RETIRED } from "./key-rotation.ts";
import { formatMemberId } from "./member-id.ts";
import { isOtherStack, readOwner } from "./owner.ts";

/** All that is in a gateway. */
export interface Survey {
  readonly keys: readonly LiveKey[];
  readonly teams: readonly LiveTeam[];
  readonly users: readonly LiveUser[];
  readonly budgets: readonly LiveBudget[];
  /** Also those of the configuration file. */
  readonly models: readonly LiveModel[];
  readonly credentials: readonly LiveCredential[];
}

/** Ids that the code has. */
export interface ManagedIds {
  readonly teams: readonly string[];
  readonly users: readonly string[];
  readonly budgets: readonly string[];
  readonly models: readonly string[];
  readonly credentials: readonly string[];
  /** Hashes and aliases. */
  readonly keys: readonly string[];
  /** `teamId/userId`, both percent-encoded; undefined where nobody looks at members. */
  readonly members?: readonly string[] | undefined;
}

/** In the order in which they can be deleted. */
export const KINDS = ["key", "member", "team", "user", "model", "credential", "budget"] as const;

export type Kind = (typeof KINDS)[number];

/** Something that the code does not have. */
export interface Unmanaged {
  readonly kind: Kind;
  /** LiteLLM's; of a member `teamId/userId`, percent-encoded. */
  readonly id: string;
  /** As a person calls it. */
  readonly name: string;
  /** Why it is never deleted; undefined where nothing is against it. */
  readonly keptBecause?: string;
}

/** The proxy's own user, whom LiteLLM also makes admin of each team. */
export const ADMIN_USER = "default_user_id";
/** Keys of this team are sessions of the admin pages. */
const ADMIN_PAGES_TEAM = "litellm-dashboard";
/** The budget that LiteLLM makes for the members of a team. */
const TEAM_BUDGET = /^team-(?:.*-)?budget-[0-9a-f]{32}$/;

const MANAGED_BY = "it is managed by";

/** Whether LiteLLM makes such a budget for members, keys, customers, tags and organisations of its own accord. */
export function isLitellmBudget(id: string): boolean {
  return isGeneratedId(id) || TEAM_BUDGET.test(id);
}

export async function survey(gateway: Gateway, signal: AbortSignal): Promise<Survey> {
  const [keys, teams, users, budgets, models, credentials] = await Promise.all([
    gateway.listKeys(signal),
    gateway.listTeams(signal),
    gateway.listUsers(signal),
    gateway.listBudgets(signal),
    gateway.listServedModels(signal),
    gateway.listCredentials(signal),
  ]);
  return { keys, teams, users, budgets, models, credentials };
}

/**
 * What is in the gateway and not in the code. Not counted: what LiteLLM makes for itself, what is in its
 * configuration file, and what this very stack has made, for that is Pulumi's to delete: a resource that
 * has just left the program may be protected.
 */
export function listUnmanaged(
  context: Pick<OperationContext, "urn">,
  live: Survey,
  managed: ManagedIds,
): Unmanaged[] {
  const isOurs = (metadata: unknown) => {
    const owner = readOwner(metadata);
    return owner !== undefined && !isOtherStack(context, owner);
  };

  const keys = live.keys
    .filter((key) => !isKeyOfTheCode(key, managed) && !isOurs(key.metadata))
    .filter(({ team_id }) => team_id !== ADMIN_PAGES_TEAM)
    .map((key) => describe("key", key.token, nameKey(key), keepForOwner(key.metadata)));
  const keysLeft = withoutDeleted(live.keys, keys, ({ token }) => token);

  const teams = live.teams
    .filter(({ team_id, metadata }) => !managed.teams.includes(team_id) && !isOurs(metadata))
    .filter(({ team_id }) => team_id !== ADMIN_PAGES_TEAM)
    .map((team) => {
      const key = keysLeft.find(({ team_id }) => team_id === team.team_id);
      const reason = keepForOwner(team.metadata) ?? keepForKey(key);
      return describe("team", team.team_id, nameTeam(team), reason);
    });
  const teamsLeft = withoutDeleted(live.teams, teams, ({ team_id }) => team_id);

  const users = live.users
    .filter(({ user_id, metadata }) => !managed.users.includes(user_id) && !isOurs(metadata))
    .filter(({ user_id }) => user_id !== ADMIN_USER)
    .map((user) => {
      const key = keysLeft.find(({ user_id }) => user_id === user.user_id);
      const team = teamsLeft.find((each) => isMemberOfTheCode(each, user.user_id, managed));
      const reason =
        keepForOwner(user.metadata) ??
        keepForKey(key) ??
        (team && `it is a member of team ${nameTeam(team)}`);
      return describe("user", user.user_id, nameUser(user), reason);
    });
  const usersLeft = withoutDeleted(live.users, users, ({ user_id }) => user_id);

  const members = listMembers(live, managed).filter(({ user }) =>
    // Who is deleted is a member no more.
    usersLeft.some(({ user_id }) => user_id === user),
  );

  const models = live.models
    .filter(({ model_info }) => model_info.db_model && !managed.models.includes(model_info.id))
    .filter(({ model_info }) => !isOurs(model_info))
    .map(({ model_name, model_info }) =>
      describe(
        "model",
        model_info.id,
        `"${model_name}" (${model_info.id})`,
        keepForOwner(model_info),
      ),
    );
  const modelsLeft = withoutDeleted(live.models, models, ({ model_info }) => model_info.id);

  const credentials = live.credentials
    .filter(({ credential_name }) => !managed.credentials.includes(credential_name))
    .filter(({ credential_info }) => !isOurs(credential_info))
    .map(({ credential_name: id, credential_info }) => {
      const model = modelsLeft.find(
        ({ litellm_params }) => litellm_params["litellm_credential_name"] === id,
      );
      const reason =
        keepForOwner(credential_info) ?? (model && `model "${model.model_name}" uses it`);
      return describe("credential", id, `"${id}"`, reason);
    });

  const found = [...keys, ...members.map(({ thing }) => thing), ...teams, ...users];
  const others = [...found, ...models, ...credentials].find(
    ({ keptBecause }) => keptBecause?.startsWith(MANAGED_BY) === true,
  );
  const budgets = live.budgets
    .filter(({ budget_id }) => !managed.budgets.includes(budget_id))
    .filter(({ budget_id }) => !isLitellmBudget(budget_id))
    .map(({ budget_id: id }) => {
      const key = keysLeft.find(({ budget_id }) => budget_id === id);
      const team = teamsLeft.find(({ team_memberships }) =>
        team_memberships.some(({ budget_id }) => budget_id === id),
      );
      const reason =
        (key && `key ${nameKey(key)} refers to it`) ??
        (team && `a member of team ${nameTeam(team)} refers to it`) ??
        // Nothing says whose a budget is.
        (others && `it may be another stack's, as ${nameUnmanaged(others)} is`);
      return describe("budget", id, `"${id}"`, reason);
    });
  return [...found, ...models, ...credentials, ...budgets];
}

/** Members of the code's teams that the code does not have. */
function listMembers(
  { teams }: Survey,
  managed: ManagedIds,
): { readonly user: string; readonly thing: Unmanaged }[] {
  if (managed.members === undefined) return [];
  return teams
    .filter(({ team_id }) => managed.teams.includes(team_id))
    .flatMap((team) =>
      team.members_with_roles
        .flatMap(({ user_id }) => user_id ?? [])
        .filter((user) => user !== ADMIN_USER && !isMemberOfTheCode(team, user, managed))
        .map((user) => {
          const name = `"${user}" of team ${nameTeam(team)}`;
          return {
            user,
            thing: describe(
              "member",
              formatMemberId({ teamId: team.team_id, userId: user }),
              name,
              undefined,
            ),
          };
        }),
    );
}

function describe(
  kind: Kind,
  id: string,
  name: string,
  keptBecause: string | undefined,
): Unmanaged {
  return { kind, id, name, ...(keptBecause !== undefined && { keptBecause }) };
}

function keepForOwner(metadata: unknown): string | undefined {
  const owner = readOwner(metadata);
  return owner === undefined ? undefined : `${MANAGED_BY} ${owner}`;
}

function keepForKey(key: LiveKey | undefined): string | undefined {
  return key && `key ${nameKey(key)} would be deleted with it`;
}

/** As a line of a list. */
export function nameUnmanaged({ kind, name }: Unmanaged): string {
  return `${kind} ${name}`;
}

/** What will be there still. */
function withoutDeleted<Thing>(
  live: readonly Thing[],
  found: readonly Unmanaged[],
  idOf: (thing: Thing) => string,
): readonly Thing[] {
  const deleted = new Set(
    found.filter(({ keptBecause }) => keptBecause === undefined).map(({ id }) => id),
  );
  return live.filter((thing) => !deleted.has(idOf(thing)));
}

/** Also an old value of one that has been rotated. */
function isKeyOfTheCode({ token, key_alias: alias }: LiveKey, { keys }: ManagedIds): boolean {
  return keys.some((key) => key === token || key === alias || key === alias?.replace(RETIRED, ""));
}

/** Where nobody says who the members are, those of a team of the code are taken for it. */
function isMemberOfTheCode(team: LiveTeam, user: string, { teams, members }: ManagedIds): boolean {
  return (
    team.members_with_roles.some(({ user_id }) => user_id === user) &&
    (members === undefined
      ? teams.includes(team.team_id)
      : members.includes(formatMemberId({ teamId: team.team_id, userId: user })))
  );
}

function nameKey({ key_alias, key_name, token }: LiveKey): string {
  const shown = typeof key_name === "string" ? key_name : token.slice(0, 8);
  return key_alias === null ? `${shown} without an alias` : `"${key_alias}" (${shown})`;
}

function nameTeam({ team_id, team_alias }: LiveTeam): string {
  const hasAlias = typeof team_alias === "string" && team_alias !== "" && team_alias !== team_id;
  return hasAlias ? `"${team_alias}" (${team_id})` : `"${team_id}"`;
}

function nameUser({ user_id, user_email }: LiveUser): string {
  const hasEmail = typeof user_email === "string" && user_email !== user_id;
  return hasEmail ? `"${user_id}" (${user_email})` : `"${user_id}"`;
}
