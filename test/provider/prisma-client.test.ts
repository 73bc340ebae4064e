import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, renameSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";

import { databaseMigration } from "../../components/provider/litellm/database-migration.ts";
import {
  prismaClient,
  type PrismaClientOutputs,
} from "../../components/provider/litellm/prisma-client.ts";
import { findSitePackages } from "../../components/provider/host/python-environment.ts";
import { provideLitellmEnvironment } from "../support/litellm-environment.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";
import { startPostgres, type PostgresServer } from "../support/postgres-server.ts";

const { context, messages } = operationContext();

let inputs: ReturnType<typeof prismaClient.inputs.parse>;
let outputs: PrismaClientOutputs;
let postgres: PostgresServer;
let databaseUrl: string;

async function observe() {
  const state = { inputs, outputs: { ...inputs, ...outputs } };
  const observed = await prismaClient.read(context, inputs.python, state);
  const drift = observed && prismaClient.drift({ ...observed.inputs, ...observed.outputs });
  return { outputs: observed?.outputs, drift };
}

const regenerate = (changes: Partial<typeof inputs> = {}) =>
  prismaClient.update(context, inputs.python, {
    inputs: { ...inputs, ...changes },
    previousInputs: inputs,
    outputs: { ...inputs, ...outputs },
  });

beforeAll(async () => {
  const { python, requirementsSha256 } = await provideLitellmEnvironment();
  inputs = prismaClient.inputs.parse({ python, requirementsSha256, engine: "wasm" });
  [postgres, { outputs }] = await Promise.all([
    startPostgres(),
    prismaClient.create(context, inputs),
  ]);
  databaseUrl = await postgres.createDatabase("client");
  await databaseMigration.create(
    context,
    databaseMigration.inputs.parse({
      python,
      requirementsSha256,
      databaseUrl,
      engine: "wasm",
      environment: outputs.environment,
    }),
  );
});

afterAll(async () => {
  await postgres.stop();
});

afterEach(() => {
  vi.unstubAllEnvs();
});

test("is found again as it was made", async () => {
  expect(outputs.engine).toBe("wasm");
  expect(outputs.engineVersion).toMatch(/^[0-9a-f]{40}$/);
  expect(await observe()).toEqual({ outputs, drift: [] });
});

test("serves prisma-client-py as the native engine would", async () => {
  const { stdout, stderr } = await promisify(execFile)(
    inputs.python,
    ["test/provider/prisma_client.py"],
    {
      env: {
        ...process.env,
        ...outputs.environment,
        DATABASE_URL: `${databaseUrl}?connection_limit=5`,
        SECRET: new URL(databaseUrl).password,
      },
    },
  );
  expect(stderr.split("\n").filter((line) => line.includes("postgresql://"))).toEqual([]);
  const { "group by": groups, ...seen } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Record<
    string,
    unknown
  >;
  expect(groups).toEqual([
    {
      user_role: null,
      _count: { _all: 3 },
      _sum: { spend: 1e-7, tpm_limit: "9007199254740993" },
    },
  ]);
  expect(seen).toEqual({
    values: [],
    "json filters": ["values", "values"],
    upsert: [{ n: 1 }, { n: 2 }],
    "create many": 1,
    count: 2,
    missing: [null, null],
    relation: [["k", { nested: true }]],
    batch: ["UniqueViolationError", 0],
    "batch applied": 2,
    isolation: [1, 0],
    transactions: [1, "ValueError", 0, "TransactionExpiredError"],
    raw: {
      int: 1,
      bigint: expect.anything() as unknown,
      numeric: 1.5,
      float: 1.5,
      bool: true,
      text: "x",
      nothing: null,
      jsonb: { k: [1] },
      texts: ["a", null],
      bigints: [1, 2],
      date: "2026-01-01",
      bytes: "aGk=",
      regclass: "pg_class",
      uuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
      names: ["public"],
      time: "2026-01-02T01:04:05.678+00:00",
      parameter: "2026-01-02T03:04:05+00:00",
      number: 7,
    },
    executed: 1,
    errors: ["UniqueViolationError", "RawQueryError", "RawQueryError", "FieldNotFoundError"],
    "batch error": true,
    "lost connection": "P1017",
    "after it": [{ one: 1 }],
    "password shown": false,
  });
});

async function startEngine(url: string) {
  const port = await findFreePort();
  const engine = spawn(
    outputs.environment["PRISMA_QUERY_ENGINE_BINARY"] ?? "",
    ["-p", String(port)],
    {
      env: {
        ...process.env,
        PRISMA_DML_PATH: join(await findSitePackages(inputs.python), "prisma/schema.prisma"),
        DATABASE_URL: url,
      },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let log = "";
  engine.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(engine, "exit").then(([status]) => ({ status: status as number, log }));
  const isUp = async () => {
    while (engine.exitCode === null) {
      const answer = await fetch(`http://127.0.0.1:${String(port)}/status`).catch(() => undefined);
      if (answer?.ok === true) {
        return true;
      }
      await sleep(10);
    }
    return false;
  };
  return { engine, ended, isUp: await isUp(), port };
}

test("starts quickly, hides its connection string, and ends when asked to", async () => {
  const started = performance.now();
  const { engine, ended, isUp } = await startEngine(databaseUrl);
  expect(isUp).toBe(true);
  expect(performance.now() - started).toBeLessThan(5000);
  const { stdout } = await promisify(execFile)("ps", ["-o", "args=", "-p", String(engine.pid)]);
  expect(stdout.trim()).toBe("query-engine-wasm");
  engine.kill("SIGTERM");
  expect((await ended).status).toBe(0);
});

test("does not start without its database, and says why", async () => {
  const port = await findFreePort();
  const { ended, isUp } = await startEngine(`postgresql://u:hunter2@127.0.0.1:${String(port)}/d`);
  expect(isUp).toBe(false);
  const { status, log } = await ended;
  expect(status).toBe(1);
  expect(JSON.parse(log)).toMatchObject({ error_code: "P1001", is_panic: false });
  expect(log).not.toContain("hunter2");
});

test("ends when the process that started it is killed", async () => {
  const port = await findFreePort();
  const schema = join(await findSitePackages(inputs.python), "prisma/schema.prisma");
  const script = '"$0" -p "$1" & echo $!; wait';
  const parent = spawn(
    "sh",
    ["-c", script, outputs.environment["PRISMA_QUERY_ENGINE_BINARY"] ?? "", String(port)],
    {
      env: { ...process.env, PRISMA_DML_PATH: schema, DATABASE_URL: databaseUrl },
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(chunk.toString());
  await vi.waitFor(() => fetch(`http://127.0.0.1:${String(port)}/status`), { timeout: 10_000 });
  parent.kill("SIGKILL");
  await vi.waitFor(
    () => {
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    },
    { timeout: 5000, interval: 100 },
  );
});

test("sees that the client is gone, and makes it again with the same engine", async () => {
  const client = join(await findSitePackages(inputs.python), "prisma/client.py");
  renameSync(client, `${client}.old`);
  expect((await observe()).drift).toEqual(["schemaSha256"]);
  expect(await regenerate()).toEqual(outputs);
  expect(existsSync(client)).toBe(true);
  expect((await observe()).drift).toEqual([]);
});

/** A mirror of Prisma's download host whose engines answer to `--version` only. */
async function startMirror(version: string): Promise<Server> {
  const engine = Buffer.from(`#!/bin/sh\necho "query-engine ${version}"\n`);
  const files: Record<string, Buffer> = { "": engine, ".gz": gzipSync(engine) };
  const mirror = createServer(({ url = "" }, response) => {
    const [, kind = "", checksum] = /\/(?:query|schema)-engine(\.gz)?(\.sha256)?$/.exec(url) ?? [];
    const file = files[kind];
    response.end(
      checksum === undefined || file === undefined
        ? file
        : createHash("sha256").update(file).digest("hex"),
    );
  });
  mirror.listen(0, "127.0.0.1");
  await once(mirror, "listening");
  return mirror;
}

test("takes the native engine where its download answers, and the WASM one where it does not", async () => {
  const commit = "ac9d7041ed77bcc8a8dbd2ab6616b39013829574";
  const mirror = await startMirror(commit);
  const address = mirror.address();
  vi.stubEnv(
    "PRISMA_ENGINES_MIRROR",
    `http://127.0.0.1:${String(typeof address === "object" ? address?.port : 0)}`,
  );
  const checkoutModules = join("node_modules", "@prisma/engines");
  const before = readdirSync(checkoutModules);
  try {
    const native = await regenerate({ engine: "auto" });
    expect(native.engine).toBe("native");
    expect(native.engineVersion).toBe(commit);
    const binary = native.environment["PRISMA_QUERY_ENGINE_BINARY"] ?? "";
    expect(binary.startsWith(join(dirname(inputs.python), "../prisma/"))).toBe(true);
    expect(readdirSync(checkoutModules)).toEqual(before);
  } finally {
    mirror.close();
  }
  expect((await regenerate({ engine: "auto" })).engine).toBe("wasm");
  expect(messages.some((message) => message.includes("could not be used here"))).toBe(false);
});
