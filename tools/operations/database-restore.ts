import type { Connection } from "../../components/provider/ssh/connection.ts";
import type { Session } from "../../components/provider/ssh/session.ts";
import { MachineCommandError } from "../../components/provider/ssh/ssh-failure.ts";
import type { DatabaseLocation } from "./database-dump.ts";
import { streamScript } from "./stream.ts";

/**
 * Tables that only use fills, and how many rows of them a deployment makes by itself: its checks
 * chat, and are logged.
 */
const MADE_BY_USE: Readonly<Record<string, number>> = {
  LiteLLM_VerificationToken: 0,
  LiteLLM_TeamTable: 0,
  LiteLLM_ProxyModelTable: 0,
  LiteLLM_CredentialsTable: 0,
  LiteLLM_SpendLogs: 200,
  requests: 200,
};

const COUNT_USED = `
set -eu
PGCLUSTER="$1" psql -X -q -A -t -F "$(printf '\\t')" -v ON_ERROR_STOP=1 -v names="$3" -d "$2" -f - <<'SQL'
SELECT format('SELECT %L, count(*) FROM public.%I', relname, relname) FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
   AND relname = ANY (string_to_array(:'names', ',')) \\gexec
SQL
`;

/** Rows in a database that its use has made, by table: those that a restore would take away. */
export async function listUsed(
  session: Session,
  { version, cluster, name }: DatabaseLocation,
): Promise<Record<string, number>> {
  const output = await session.run(COUNT_USED, {
    arguments: [`${version}/${cluster}`, name, Object.keys(MADE_BY_USE).join(",")],
    user: "postgres",
  });
  return Object.fromEntries(
    output.split("\n").flatMap((line) => {
      const [table = "", count] = line.split("\t");
      const rows = Number(count);
      return rows > (MADE_BY_USE[table] ?? Infinity) ? [[table, rows]] : [];
    }),
  );
}

const DONE = "litellm-restore-done";

/**
 * Replaces all that a database holds by a dump on standard input, in one transaction that ends well
 * only when every table has the rows it should have. Arguments: cluster; database; role that owns
 * what is restored; rows by table, as JSON.
 *
 * What was granted, and default privileges, stay as the deployment made them. Where pg_restore fails
 * nothing says COMMIT.
 */
const RESTORE = `
set -eu
export PGCLUSTER="$1"
{
  cat <<'SQL'
\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '30s';
SET LOCAL client_min_messages = warning;
SELECT set_config('restore.expected', :'restore_expected', true) \\g /dev/null
DO $restore$
DECLARE
  commands text[];
  command text;
BEGIN
  SELECT array_agg(line) INTO commands FROM (
    SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) AS line FROM pg_namespace AS object
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = object.oid AND deptype = 'e')
    UNION ALL
    SELECT format('DROP %s IF EXISTS public.%I CASCADE',
             CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
               WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, relname)
      FROM pg_class AS object
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = object.oid AND deptype IN ('e', 'a', 'i'))
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', object.oid::regprocedure)
      FROM pg_proc AS object
     WHERE pronamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = object.oid AND deptype = 'e')
    UNION ALL
    SELECT format('DROP TYPE IF EXISTS public.%I CASCADE', typname) FROM pg_type AS object
     WHERE typnamespace = 'public'::regnamespace
       AND (typtype IN ('e', 'd') OR typtype = 'c' AND EXISTS (
         SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = object.oid AND deptype = 'e')
  ) AS lines;
  FOREACH command IN ARRAY coalesce(commands, '{}') LOOP
    EXECUTE command;
  END LOOP;
END
$restore$;
SET LOCAL ROLE :"restore_role";
SQL
  pg_restore --no-owner --no-privileges --file=- && cat <<'SQL'
RESET ROLE;
DO $restore$
DECLARE
  expected jsonb := current_setting('restore.expected');
  found jsonb := '{}';
  relation record;
  total bigint;
  differences text;
BEGIN
  FOR relation IN
    SELECT nspname, relname FROM pg_catalog.pg_class
      JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relkind IN ('r', 'p') AND NOT relispartition
       AND nspname <> 'information_schema' AND nspname !~ '^pg_'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
                        WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = pg_class.oid
                          AND deptype = 'e')
  LOOP
    EXECUTE format('SELECT count(*) FROM %I.%I', relation.nspname, relation.relname) INTO total;
    found := found || jsonb_build_object(relation.nspname || '.' || relation.relname, total);
  END LOOP;
  SELECT string_agg(format('%s has %s rows instead of %s', key, coalesce(found ->> key, 'no'),
                           coalesce(expected ->> key, 'none')), ', ')
    INTO differences
    FROM (SELECT jsonb_object_keys(found || expected) AS key) AS keys
   WHERE found -> key IS DISTINCT FROM expected -> key;
  IF differences IS NOT NULL THEN
    RAISE EXCEPTION 'what was restored is not what was dumped: %', differences;
  END IF;
END
$restore$;
COMMIT;
ANALYZE;
\\echo ${DONE}
SQL
} | psql -X -q -A -t -v restore_expected="$4" -v restore_role="$3" -d "$2" -f -
`;

export interface RestoreTarget extends DatabaseLocation {
  /** Owner of all that is restored. */
  readonly role: string;
}

/**
 * Replaces all that a database holds by a dump. After an error it holds what it held.
 *
 * @param tables rows that each table must have in the end
 * @throws Error with what PostgreSQL says
 */
export async function restoreDump(
  connection: Connection,
  target: RestoreTarget,
  {
    tables,
    content,
  }: {
    readonly tables: Readonly<Record<string, number>>;
    readonly content: AsyncIterable<Uint8Array>;
  },
  signal: AbortSignal,
): Promise<void> {
  const { version, cluster, name, role } = target;
  let output = "";
  try {
    for await (const chunk of streamScript(connection, `exec 2>&1\n${RESTORE}`, {
      arguments: [`${version}/${cluster}`, name, role, JSON.stringify(tables)],
      input: content,
      user: "postgres",
      signal,
    })) {
      output += chunk.toString("utf8");
    }
  } catch (error) {
    if (!(error instanceof MachineCommandError)) throw error;
    throw new Error(explain(name, output || error.lastLines()), { cause: error });
  }
  if (!output.split("\n").includes(DONE)) throw new Error(explain(name, output));
}

function explain(name: string, output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return `database ${name} could not be restored and is as it was:\n${lines.slice(-6).join("\n")}`;
}
