import { RETIRED } from "../../../components/provider/access/key-rotation.ts";
import type { AccessPlan } from "../../../stacks/plan/access-plan.ts";
import type { GatewayClient } from "../../support/gateway-client.ts";

type Raw = Readonly<Record<string, unknown>>;
type ById = Readonly<Record<string, Raw>>;

/** What a gateway has, by LiteLLM's names, each kind by its id. */
export interface RawAccess {
  readonly budgets: ById;
  readonly users: ById;
  readonly teams: ById;
  /** By team and user. */
  readonly members: ById;
  /** By alias. */
  readonly keys: ById;
  /** Hashes of the keys that were rotated, and work on. */
  readonly retired: readonly string[];
}

interface RawTeam {
  readonly team_info: Raw & { readonly members_with_roles: readonly { user_id: string }[] };
  readonly team_memberships: readonly { user_id: string; litellm_budget_table: Raw | null }[];
}

const PAGE_SIZE = 100;
const HOUR_MILLISECONDS = 3_600_000;
/** LiteLLM makes itself the admin of every team. */
const ADMIN = "default_user_id";

/** Asks LiteLLM for all that has an id with this beginning. */
export async function readRawAccess(client: GatewayClient, prefix: string): Promise<RawAccess> {
  const [budgets, users, teams, keys] = await Promise.all([
    client.succeed("/budget/list") as Promise<Raw[]>,
    listPages(client, `/user/list?page_size=${PAGE_SIZE}`, "users"),
    client.succeed("/team/list") as Promise<Raw[]>,
    listPages(client, `/key/list?return_full_object=true&size=${PAGE_SIZE}`, "keys"),
  ]);
  const own = (things: readonly Raw[], id: string) =>
    things.filter((thing) => String(thing[id]).startsWith(prefix));
  const infos = (await Promise.all(
    own(teams, "team_id").map(({ team_id: id }) =>
      client.succeed(`/team/info?team_id=${encodeURIComponent(String(id))}`),
    ),
  )) as RawTeam[];
  const [retired, current] = [true, false].map((isRetired) =>
    own(keys, "key_alias").filter((key) => RETIRED.test(String(key["key_alias"])) === isRetired),
  ) as [Raw[], Raw[]];
  return {
    budgets: indexBy(own(budgets, "budget_id"), "budget_id", describeBudget),
    users: indexBy(own(users, "user_id"), "user_id", describeUser),
    teams: indexBy(
      infos.map((info) => info.team_info),
      "team_id",
      describeTeam,
    ),
    members: Object.fromEntries(infos.flatMap(listMembers)),
    keys: indexBy(current, "key_alias", describeKey),
    retired: retired.map(({ token }) => String(token)).sort(),
  };
}

/** What a plan wants, as LiteLLM has to have it; `retired` is not the plan's to say. */
export function expectRawAccess(plan: AccessPlan | undefined): Omit<RawAccess, "retired"> {
  const { budgets = [], users = [], teams = [], members = [], keys = [] } = plan ?? {};
  return {
    budgets: Object.fromEntries(
      budgets.map(({ args: { budgetId, ...args } }) => [budgetId, describeBudget(rename(args))]),
    ),
    users: Object.fromEntries(
      users.map(({ name, args: { userId, ...args } }) => [
        userId,
        describeUser({
          ...own(`user-${name}`, args),
          user_alias: args.alias,
          user_role: args.role,
          teams: members.filter(({ user }) => user === name).map(({ args }) => args.teamId),
        }),
      ]),
    ),
    teams: Object.fromEntries(
      teams.map(({ name, args: { teamId, ...args } }) => [
        teamId,
        describeTeam({ ...own(`team-${name}`, args), team_alias: args.alias }),
      ]),
    ),
    members: Object.fromEntries(
      members.map(({ args: { teamId, userId, ...args } }) => [
        `${teamId}/${userId}`,
        describeLimits(rename(args)),
      ]),
    ),
    keys: Object.fromEntries(
      keys.map(({ name, args: { alias, ...args } }) => [
        alias,
        describeKey({
          ...own(`key-${name}`, args),
          team_id: args.teamId,
          user_id: args.userId,
          budget_id: args.budgetId,
        }),
      ]),
    ),
  };
}

/** Our names as LiteLLM writes them. */
function rename(args: object): Raw {
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** With the metadata that LiteLLM has to keep: the user's, the limits of models, and whose it is. */
function own(name: string, args: { readonly metadata: Raw }): Raw {
  const { model_rpm_limit, model_tpm_limit, ...fields } = rename(args);
  return {
    ...fields,
    metadata: {
      ...args.metadata,
      ...(isFilled(model_rpm_limit) && { model_rpm_limit }),
      ...(isFilled(model_tpm_limit) && { model_tpm_limit }),
      managed_by: `pulumi:gateway/test:${name}`,
    },
  };
}

function isFilled(value: unknown): boolean {
  return Object.keys(value ?? {}).length > 0;
}

function describeLimits(raw: Raw): Raw {
  const { max_budget = null, budget_duration = null, rpm_limit = null, tpm_limit = null } = raw;
  return { max_budget, budget_duration, rpm_limit, tpm_limit };
}

function describeBudget(raw: Raw): Raw {
  const { max_parallel_requests = null } = raw;
  return { ...describeLimits(raw), max_parallel_requests };
}

function describeUser(raw: Raw): Raw {
  const { user_alias, user_role, models, teams, metadata } = raw;
  return {
    ...describeLimits(raw),
    // LiteLLM unsets by the empty text, and has two ways to say all models.
    user_alias: user_alias ?? "",
    user_role,
    models: sort(models).filter((name) => name !== "all-proxy-models"),
    teams: sort(teams),
    metadata,
  };
}

function describeTeam(raw: Raw): Raw {
  const { team_alias, models, blocked, metadata } = raw;
  return { ...describeLimits(raw), team_alias, models: sort(models), blocked, metadata };
}

function describeKey(raw: Raw): Raw {
  const { team_id = null, user_id = null, budget_id = null, metadata, models, expires } = raw;
  return {
    ...describeBudget(raw),
    ...{ team_id, user_id, budget_id, metadata },
    models: sort(models),
    blocked: raw["blocked"] ?? false,
    // LiteLLM counts it from the request. What is wanted ends with an hour.
    hours: typeof expires === "string" ? Math.round(Date.parse(expires) / HOUR_MILLISECONDS) : null,
  };
}

function listMembers({ team_info, team_memberships }: RawTeam): [string, Raw][] {
  return team_info.members_with_roles
    .filter(({ user_id: id }) => id !== ADMIN)
    .map(({ user_id: id }) => {
      const membership = team_memberships.find(({ user_id: other }) => other === id);
      const limits = describeLimits(membership?.litellm_budget_table ?? {});
      return [`${String(team_info["team_id"])}/${id}`, limits];
    });
}

const sort = (names: unknown): string[] => ((names ?? []) as string[]).toSorted();

function indexBy(things: readonly Raw[], id: string, describe: (raw: Raw) => Raw): ById {
  return Object.fromEntries(things.map((thing) => [String(thing[id]), describe(thing)]));
}

async function listPages(client: GatewayClient, path: string, name: string): Promise<Raw[]> {
  const things: Raw[] = [];
  for (let page = 1; ; page++) {
    const answer = (await client.succeed(`${path}&page=${page}`)) as Raw;
    things.push(...(answer[name] as Raw[]));
    if (page >= (answer["total_pages"] as number)) return things;
  }
}
