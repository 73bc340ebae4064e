import type { Connection } from "../../components/provider/ssh/connection.ts";
import type { DumpSource } from "./backup-content.ts";
import { streamScript } from "./stream.ts";

/** A database of one of Debian's clusters. */
export interface DatabaseLocation {
  readonly version: number;
  readonly cluster: string;
  /** Of the database. */
  readonly name: string;
}

/** Rows of every table that is somebody's, as statements; system tables and extensions' are not. */
const COUNT_STATEMENTS = `
SELECT format('SELECT %L, %L, count(*) FROM %I.%I', 'table', nspname || '.' || relname, nspname, relname)
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relkind IN ('r', 'p') AND NOT relispartition
   AND nspname <> 'information_schema' AND nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend
                    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
 ORDER BY 1
`;

const HEAD_END = "dump";
const LARGEST_HEAD = 4 * 1024 * 1024;

/**
 * Counts the rows and dumps, both of one moment. Arguments: cluster; database. psql ends itself when
 * pg_dump fails: versions before 16 do not tell how a command of \\! ended.
 */
const DUMP = `
set -eu
export PGCLUSTER="$1" DUMP_DATABASE="$2"
exec psql -X -q -A -t -F "$(printf '\\t')" -d "$2" -f - <<'SQL'
\\set ON_ERROR_STOP on
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv DUMP_SNAPSHOT :snapshot
\\o |cat
SELECT 'server', current_setting('server_version');
${COUNT_STATEMENTS} \\gexec
\\qecho ${HEAD_END}
\\o
\\! pg_dump --format=custom --lock-wait-timeout=60s --snapshot="$DUMP_SNAPSHOT" --dbname="$DUMP_DATABASE" </dev/null || kill -TERM $PPID
SQL
`;

/**
 * Begins a dump of a database: what runs on its machine writes nothing there.
 *
 * @throws MachineCommandError, while the content is read as well
 */
export async function openDump(
  connection: Connection,
  { version, cluster, name }: DatabaseLocation,
  signal: AbortSignal,
): Promise<DumpSource> {
  const output = streamScript(connection, DUMP, {
    arguments: [`${version}/${cluster}`, name],
    user: "postgres",
    signal,
  });
  let head = Buffer.alloc(0);
  for (;;) {
    const next = await output.next();
    if (next.done === true) throw new Error("the dump of the database ended before it began");
    head = Buffer.concat([head, next.value]);
    const end = head.indexOf(`\n${HEAD_END}\n`);
    if (end < 0 && head.length < LARGEST_HEAD) continue;
    if (end < 0) throw new Error("the dump of the database has no beginning");
    const { server, tables } = parseHead(head.toString("utf8", 0, end));
    const first = head.subarray(end + HEAD_END.length + 2);
    return { server, tables, content: continueFrom(first, output) };
  }
}

function parseHead(text: string): Pick<DumpSource, "server" | "tables"> {
  let server = "";
  const tables: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const [kind, name = "", rows] = line.split("\t");
    if (kind === "server") server = name.split(" ")[0] ?? "";
    if (kind === "table") tables[name] = Number(rows);
  }
  return { server, tables };
}

async function* continueFrom(
  first: Buffer,
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, void> {
  if (first.length > 0) yield first;
  yield* rest;
}
