import { openSession } from "../../components/provider/ssh/session.ts";
import { type MachinesStack, requireDatabase } from "./machines-stack.ts";
import { formatMaintenance, parseMaintenance } from "./maintenance-page.ts";

/** A large table takes its time. */
const VACUUM_SECONDS = 4 * 3600;
const QUESTION_SECONDS = 120;

const VACUUM = `
set -eu
PGCLUSTER="$1" psql -X -q -v ON_ERROR_STOP=1 -d "$2" -c 'SET lock_timeout = 0' -c 'VACUUM (ANALYZE)'
`;

/** One JSON value. Of a query that runs, literals are left out: they are somebody's data. */
const QUESTION = `
set -eu
PGCLUSTER="$1" psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$2" -f - <<'SQL'
SELECT json_build_object(
  'databaseBytes', pg_database_size(current_database()),
  'statisticsSince', (SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))
                        FROM pg_stat_database WHERE datname = current_database()),
  'tables', (SELECT coalesce(json_agg(t), '[]') FROM (
    SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead,
           pg_relation_size(relid) AS "tableBytes", pg_indexes_size(relid) AS "indexBytes",
           pg_total_relation_size(relid) AS "totalBytes"
      FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC, relname LIMIT 12) AS t),
  'tableCount', (SELECT count(*) FROM pg_stat_user_tables),
  'queries', (SELECT coalesce(json_agg(q), '[]') FROM (
    SELECT pid, usename AS user, state, extract(epoch FROM now() - xact_start) AS seconds,
           wait_event_type AS waits,
           left(regexp_replace(regexp_replace(query, '''([^'']|'''')*''?', '''…''', 'g'), '\\s+', ' ', 'g'), 200) AS query
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
       AND now() - xact_start > interval '5 minutes'
     ORDER BY xact_start LIMIT 10) AS q),
  'indexes', (SELECT coalesce(json_agg(i), '[]') FROM (
    SELECT s.indexrelname AS name, s.relname AS "table", pg_relation_size(s.indexrelid) AS bytes
      FROM pg_stat_user_indexes AS s JOIN pg_index USING (indexrelid)
     WHERE idx_scan = 0 AND NOT indisunique AND NOT indisprimary
     ORDER BY pg_relation_size(s.indexrelid) DESC, s.indexrelname LIMIT 10) AS i),
  'indexCount', (SELECT count(*) FROM pg_stat_user_indexes AS s JOIN pg_index USING (indexrelid)
                  WHERE idx_scan = 0 AND NOT indisunique AND NOT indisprimary)
);
SQL
`;

/** Deletes old rows of the request log, where there is something that does. */
const RETENTION = `
set -eu
for unit; do systemctl start -- "$unit"; done
`;

/** Does the work, and returns a page on what was found. */
export async function maintain(stack: MachinesStack, signal: AbortSignal): Promise<string> {
  const { operations, machines, name } = stack;
  const { database, connection } = requireDatabase(stack);
  const session = openSession(connection, signal);
  const cluster = [`${database.version}/${database.cluster}`, database.name];
  const jobs = operations.gateway.timers
    .filter((timer) => timer.includes("retention"))
    .map((timer) => timer.replace(/\.timer$/, ".service"));
  // First, so that the room of what it deletes is found.
  if (jobs.length > 0) {
    await openSession(machines.gateway, signal).run(RETENTION, {
      arguments: jobs,
      deadlineSeconds: VACUUM_SECONDS,
    });
  }
  const startedAt = performance.now();
  await session.run(VACUUM, {
    arguments: cluster,
    user: "postgres",
    deadlineSeconds: VACUUM_SECONDS,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const answer = await session.run(QUESTION, {
    arguments: cluster,
    user: "postgres",
    deadlineSeconds: QUESTION_SECONDS,
  });
  return formatMaintenance(parseMaintenance(answer), {
    ...{ stack: name, database: database.name, seconds },
    hasRetention: jobs.length > 0,
  });
}
