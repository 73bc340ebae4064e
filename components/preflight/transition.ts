import type { Plan } from "../../stacks/plan/plan.ts";
import type { RecordedStack } from "./recorded-stack.ts";

/** What stands between the stack as it is and as it is planned; each in a sentence that ends in what to do. */
export async function findTransitionObstacles(
  plan: Plan,
  recorded: RecordedStack,
  /** The database cannot be asked from here. */
  isTargetAbsent: boolean,
): Promise<string[]> {
  if (recorded.topology !== undefined && recorded.topology !== plan.topology) {
    // The rest follows from this one.
    return [describeSwitch(plan, recorded.topology)];
  }
  if (recorded.database === undefined || plan.topology === "existing") return [];
  const { majorVersion, url, engine } = recorded.database;
  if ("server" in plan.database) {
    const planned = String(plan.database.server.majorVersion);
    return [
      ...(majorVersion === undefined || majorVersion === planned
        ? []
        : [describeMajorChange(plan, majorVersion, planned)]),
      ...findEngineObstacles(plan, engine),
    ];
  }
  return plan.discardsDatabase || isTargetAbsent ? [] : describeLoss(url);
}

function describeSwitch({ stack, topology }: Plan, from: string): string {
  if (topology === "existing" || from === "existing") {
    return (
      `it is a stack with topology "${from}", which does not become one with "${topology}": what is there would be ` +
      `deleted; keep this one as it is (pulumi config set --path deployment.topology ${from}), and make another: ` +
      `pulumi stack init ${stack}-${topology}, and set it up there`
    );
  }
  return (
    `it is deployed with topology "${from}", and its data would not follow it to "${topology}"; keep this one ` +
    `as it is (pulumi config set --path deployment.topology ${from}), and move to a stack of its own: ` +
    `pulumi stack init ${stack}-${topology} --copy-config-from ${stack}, set the topology there, \`pulumi up\`, ` +
    "load a dump of the old database (pg_dump --no-owner --data-only), and give it the old saltKey and masterKey: " +
    `pulumi stack output recovery --show-secrets --stack ${stack}`
  );
}

/** Prisma makes its tables in an empty database only, and there are those of the request log. */
function findEngineObstacles(plan: Plan, recorded: string | undefined): string[] {
  if (plan.topology !== "two-vm" || recorded !== "sqlalchemy") return [];
  const { engine } = plan.operations;
  if (engine !== "prisma" && engine !== "both") return [];
  return [
    `its database holds the request log alone, and LiteLLM makes its own tables in an empty database only; keep database.engine "sqlalchemy" ` +
      `(pulumi config set --path database.engine sqlalchemy), or make another database and copy the tables requests and responses: ` +
      `pulumi config set --path database.name ${plan.database.kind === "machine" ? plan.database.name : "litellm"}2`,
  ];
}

function describeMajorChange({ stack, logs }: Plan, from: string, to: string): string {
  const isChosen = /^(docker|npm) /.test(logs["database"] ?? "");
  const version = isChosen ? "database.version" : "";
  return (
    `its data is of PostgreSQL ${from}, which PostgreSQL ${to} does not read; go on with ${from}` +
    (version === "" ? "" : `: pulumi config set --path ${version} ${from}`) +
    `, or dump it (pg_dump --format=custom "$(pulumi stack output databaseUrl --show-secrets --stack ${stack})"), ` +
    "deploy the new version as a stack of its own and restore the dump there (pg_restore)"
  );
}

/** Dropping a database loses what is in it. */
async function describeLoss(url: string | undefined): Promise<string[]> {
  const told =
    "tell it to go: pulumi config set --path database.discardExisting true, after a backup (pg_dump)";
  if (url === undefined) {
    return [`its database was not completed, and what is in it is not known; ${told}`];
  }
  try {
    const { keys, teams } = await countAccess(url);
    return keys + teams === 0
      ? []
      : [
          `its database holds ${keys} ${keys === 1 ? "key" : "keys"} and ${teams} ${teams === 1 ? "team" : "teams"}, which would stop working; ${told}`,
        ];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [`its database cannot be asked for keys and teams (${reason}); ${told}`];
  }
}

async function countAccess(url: string): Promise<{ keys: number; teams: number }> {
  const { Client } = (await import("pg")).default;
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows: tables } = await client.query<{ exists: boolean }>(
      // Without LiteLLM's own storage there is none.
      `SELECT to_regclass('"LiteLLM_VerificationToken"') IS NOT NULL AS exists`,
    );
    if (tables[0]?.exists !== true) return { keys: 0, teams: 0 };
    const { rows } = await client.query<{ keys: string; teams: string }>(
      // LiteLLM keeps sessions of its user interface among the keys.
      `SELECT (SELECT count(*) FROM "LiteLLM_VerificationToken"
               WHERE coalesce(team_id, '') <> 'litellm-dashboard') AS keys,
              (SELECT count(*) FROM "LiteLLM_TeamTable") AS teams`,
    );
    return { keys: Number(rows[0]?.keys), teams: Number(rows[0]?.teams) };
  } finally {
    await client.end().catch(() => undefined);
  }
}
