import { formatBytes, formatDuration, formatTable } from "./text.ts";

/** What a database tells of its tables, queries and indexes. */
export interface Maintenance {
  readonly databaseBytes: number;
  /** Seconds for which uses of indexes have been counted. */
  readonly statisticsSince: number;
  /** The largest ones. */
  readonly tables: readonly {
    readonly name: string;
    /** Rows, about. */
    readonly live: number;
    readonly dead: number;
    readonly tableBytes: number;
    readonly indexBytes: number;
    readonly totalBytes: number;
  }[];
  readonly tableCount: number;
  /** Those that have been in one transaction for more than five minutes. */
  readonly queries: readonly {
    readonly pid: number;
    readonly user: string | null;
    readonly state: string;
    readonly seconds: number;
    /** What kind of thing it waits for. */
    readonly waits: string | null;
    readonly query: string;
  }[];
  /** The largest ones that were never used and serve no constraint. */
  readonly indexes: readonly {
    readonly name: string;
    readonly table: string;
    readonly bytes: number;
  }[];
  readonly indexCount: number;
}

/** @throws Error when it is not what the question asked for */
export function parseMaintenance(text: string): Maintenance {
  const found = JSON.parse(text) as Maintenance;
  if (!Array.isArray(found.tables)) throw new Error("the database answered something else");
  return found;
}

/** On one page. */
export function formatMaintenance(
  found: Maintenance,
  done: {
    readonly stack: string;
    readonly database: string;
    /** How long vacuuming took. */
    readonly seconds: number;
    /** Whether old rows of the request log were deleted. */
    readonly hasRetention: boolean;
  },
): string {
  const { tables, tableCount, queries, indexes, indexCount } = found;
  const more = tableCount - tables.length;
  return [
    `stack ${done.stack}, database ${done.database}: ${formatBytes(found.databaseBytes)}`,
    `  VACUUM (ANALYZE) took ${done.seconds < 1 ? "less than 1 s" : formatDuration(done.seconds)}`,
    ...(done.hasRetention ? ["  rows of the request log beyond its retention are deleted"] : []),
    "",
    `tables${more > 0 ? `, the largest of ${tableCount}` : ""}`,
    ...formatTable(
      ["table", "rows", "dead", "data", "indexes", "in all"],
      tables.map(({ name, live, dead, tableBytes, indexBytes, totalBytes }) => [
        ...[name, live, dead, formatBytes(tableBytes)],
        ...[formatBytes(indexBytes), formatBytes(totalBytes)],
      ]),
    ),
    "",
    queries.length === 0
      ? "no transaction is older than 5 minutes"
      : "transactions older than 5 minutes; end one: SELECT pg_terminate_backend(<pid>)",
    ...(queries.length === 0
      ? []
      : formatTable(
          ["pid", "user", "for", "state", "query"],
          queries.map(({ pid, user, seconds, state, waits, query }) => [
            ...[String(pid), user ?? "", formatDuration(seconds)],
            ...[waits === "Lock" ? `${state}, waits for a lock` : state, query],
          ]),
        )),
    "",
    indexCount === 0
      ? "every index was used"
      : `${indexCount} ${indexCount === 1 ? "index" : "indexes"} never used in ${formatDuration(found.statisticsSince)}`,
    ...(indexCount === 0
      ? []
      : formatTable(
          ["index", "table", "size"],
          indexes.map(({ name, table, bytes }) => [name, table, formatBytes(bytes)]),
        )),
  ].join("\n");
}
