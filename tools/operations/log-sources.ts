import type { Connection } from "../../components/provider/ssh/connection.ts";
import { JOURNAL_LINES, SERVER_LINES } from "./log-scripts.ts";
import type { MachinesStack } from "./machines-stack.ts";

/** One log of one machine, and the script that prints it. */
export interface LogSource {
  readonly source: string;
  readonly connection: Connection;
  readonly script: string;
  readonly arguments: readonly string[];
}

export interface LogSelection {
  /** `gateway` or `database`. Default: both. */
  readonly only: string | undefined;
  readonly follow: boolean;
  /** How far to look back. */
  readonly seconds: number;
}

/** The logs of a stack's machines. @throws Error for a database that it does not have */
export function listLogSources(
  { name, operations, machines }: MachinesStack,
  { only, follow, seconds }: LogSelection,
): LogSource[] {
  const { gateway, database } = operations;
  const mode = [String(seconds), follow ? "follow" : "once"];
  const sources: LogSource[] = [];
  if (only !== "database") {
    const jobs = gateway.timers.map((timer) => timer.replace(/\.timer$/, ".service"));
    sources.push({
      source: "gateway",
      connection: machines.gateway,
      script: JOURNAL_LINES,
      arguments: [...mode, gateway.unit, gateway.socket, ...jobs],
    });
  }
  if (only !== "gateway" && database !== undefined && machines.database !== undefined) {
    const { version, cluster, unit } = database;
    const connection = machines.database;
    const file = `/var/log/postgresql/postgresql-${version}-${cluster}.log`;
    sources.push(
      { source: "database", connection, script: SERVER_LINES, arguments: [...mode, file] },
      { source: "database", connection, script: JOURNAL_LINES, arguments: [...mode, unit] },
    );
  }
  if (sources.length === 0) {
    throw new Error(
      `stack ${name} has no PostgreSQL of its own, and so no log of it; see the gateway's: npm run logs ${name} gateway`,
    );
  }
  return sources;
}
