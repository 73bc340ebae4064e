import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { databaseMigration } from "../../components/provider/litellm/database-migration.ts";
import { findSitePackages } from "../../components/provider/host/python-environment.ts";
import {
  provideLitellmEnvironment,
  type LitellmEnvironment,
} from "../support/litellm-environment.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";
import { querySql, startPostgres, type PostgresServer } from "../support/postgres-server.ts";

const { context } = operationContext();
const folder = mkdtempSync(join(tmpdir(), "migration "));

let environment: LitellmEnvironment;
let postgres: PostgresServer;

beforeAll(async () => {
  [environment, postgres] = await Promise.all([provideLitellmEnvironment(), startPostgres()]);
});

afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

const inputsFor = (databaseUrl: string, changes: object = {}) =>
  databaseMigration.inputs.parse({ ...environment, databaseUrl, engine: "wasm", ...changes });

/** An environment whose LiteLLM has these migrations; it has no Python. */
function pretendEnvironment(name: string, migrations: Record<string, string>): string {
  const packages = join(folder, name, "lib/python3.12/site-packages/litellm_proxy_extras");
  for (const [migration, script] of Object.entries(migrations)) {
    mkdirSync(join(packages, "migrations", migration), { recursive: true });
    writeFileSync(join(packages, "migrations", migration, "migration.sql"), script);
  }
  return join(folder, name, "bin/python");
}

interface RecordRow {
  migration_name: string;
  checksum: string;
  state: string;
  logs: string | null;
  applied_steps_count: number;
}

const readRecords = (url: string) =>
  querySql<RecordRow>(
    url,
    `SELECT migration_name, checksum, logs, applied_steps_count,
       CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back'
            WHEN finished_at IS NULL THEN 'failed' ELSE 'applied' END AS state
     FROM _prisma_migrations ORDER BY started_at`,
  );

async function observe(inputs: ReturnType<typeof inputsFor>, outputs: object = {}) {
  const state = { inputs, outputs: { ...inputs, ...outputs } };
  const observed = await databaseMigration.read(context, "id", state);
  return (
    observed && { ...observed.outputs, drift: databaseMigration.drift(observed.outputs as never) }
  );
}

test("applies every migration of LiteLLM and records it as Prisma does", async () => {
  const url = await postgres.createDatabase("all of it");
  const inputs = inputsFor(url);
  const migrations = join(
    await findSitePackages(environment.python),
    "litellm_proxy_extras/migrations",
  );
  const names = readdirSync(migrations)
    .filter((name) => name !== "migration_lock.toml")
    .sort();

  expect(await observe(inputs)).toEqual({
    applied: 0,
    latest: "",
    pending: names.length,
    drift: ["pending"],
  });
  const { id, outputs } = await databaseMigration.create(context, inputs);
  expect(id).toMatch(/^127\.0\.0\.1:\d+\/all of it$/);
  expect(outputs).toEqual({ applied: names.length, latest: names.at(-1), pending: 0 });
  expect(names.filter((name) => name.includes(" "))).not.toEqual([]);
  expect(await readRecords(url)).toEqual(
    names.map((migration_name) => ({
      migration_name,
      checksum: createHash("sha256")
        .update(readFileSync(join(migrations, migration_name, "migration.sql")))
        .digest("hex"),
      state: "applied",
      logs: null,
      applied_steps_count: 1,
    })),
  );
  const indexes = await querySql<{ indexname: string }>(
    url,
    `SELECT indexname FROM pg_indexes WHERE indexname IN
       ('LiteLLM_SpendLogs_api_key_startTime_idx', 'LiteLLM_SpendLogs_litellm_call_id_idx')`,
  );
  expect(indexes).toHaveLength(2);
  expect(await observe(inputs)).toEqual({ ...outputs, drift: [] });

  const again = await databaseMigration.update(context, id, {
    inputs,
    previousInputs: inputs,
    outputs: { ...inputs, ...outputs },
  });
  expect(again).toEqual(outputs);
  await querySql(url, "DELETE FROM _prisma_migrations WHERE migration_name LIKE '2026%'");
  expect(await observe(inputs)).toMatchObject({ drift: ["pending"] });
});

test("uses the schema that the URL names", async () => {
  const url = `${await postgres.createDatabase("schema")}?schema=My%20schema`;
  const python = pretendEnvironment("schema", { "1_first": "CREATE TABLE thing (id int)" });
  await expect(databaseMigration.create(context, inputsFor(url, { python }))).rejects.toThrow(
    // There is no Python that could build the indexes.
    "could not be run",
  );
  const tables = await querySql<{ name: string }>(
    url,
    "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables WHERE table_name = 'thing'",
  );
  expect(tables).toEqual([{ name: "My schema.thing" }]);
});

test("records a migration that fails, undoes it, and refuses to go on until it is settled", async () => {
  const url = await postgres.createDatabase("failing");
  const python = pretendEnvironment("failing", {
    "1_first": "CREATE TABLE first (id int)",
    "2_it's broken": "CREATE TABLE half (id int);\nCREATE TABLE first (id int);",
    "3_third": "CREATE TABLE third (id int)",
  });
  const inputs = inputsFor(url, { python });
  const settle = `psql 'postgresql://postgres@127.0.0.1:${new URL(url).port}/failing' -c "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '2_it''s broken' AND finished_at IS NULL"`;
  const report = 'Database error code: 42P07\nDatabase error: relation "first" already exists';
  const advice = `remove the cause, undo what the migration left behind, and let the next \`pulumi up\` apply it again: ${settle}`;

  await expect(databaseMigration.create(context, inputs)).rejects.toThrow(
    new Error(
      `migration "2_it's broken" could not be applied to database failing (P3018):\n${report}\n${advice}`,
    ),
  );
  const records = await readRecords(url);
  expect(records.map(({ migration_name, state, logs }) => [migration_name, state, logs])).toEqual([
    ["1_first", "applied", null],
    ["2_it's broken", "failed", report],
  ]);
  const half = await querySql(url, "SELECT FROM pg_tables WHERE tablename IN ('half', 'third')");
  expect(half).toEqual([]);

  await expect(databaseMigration.create(context, inputs)).rejects.toThrow(
    new Error(
      `migration "2_it's broken" failed earlier in database failing (P3009), and no other is applied before that is settled:\n${report}\n${advice}`,
    ),
  );
  // The other engine is not even asked.
  await expect(
    databaseMigration.create(context, inputsFor(url, { python, engine: "native" })),
  ).rejects.toThrow("(P3009)");
});

test("stops within a migration when cancelled, and starts it again next time", async () => {
  const url = await postgres.createDatabase("cancelled");
  const python = pretendEnvironment("cancelled", {
    "1_slow":
      "CREATE TABLE slow (id int); SELECT pg_sleep(CASE WHEN current_setting('my.fast', true) = 'yes' THEN 0 ELSE 60 END);",
  });
  const cancelled = operationContext(AbortSignal.timeout(1000)).context;
  const started = performance.now();
  await expect(databaseMigration.create(cancelled, inputsFor(url, { python }))).rejects.toThrow(
    "timeout",
  );
  expect(performance.now() - started).toBeLessThan(10_000);
  expect((await readRecords(url)).map(({ state }) => state)).toEqual(["rolled back"]);
  expect(await querySql(url, "SELECT FROM pg_tables WHERE tablename = 'slow'")).toEqual([]);

  await expect(
    databaseMigration.create(context, inputsFor(url, { python, deadlineSeconds: 1 })),
  ).rejects.toThrow(
    /^LiteLLM's migrations were not applied to 127\.0\.0\.1:\d+\/cancelled within 1 seconds; what was applied is recorded, so run again: pulumi up$/,
  );
  const fast = `${url}?options=-c%20my.fast%3Dyes`;
  await expect(databaseMigration.create(context, inputsFor(fast, { python }))).rejects.toThrow(
    "could not be run",
  );
  expect((await readRecords(url)).map(({ state }) => state)).toEqual([
    "rolled back",
    "rolled back",
    "applied",
  ]);
});

test("waits for another run that holds Prisma's lock", async () => {
  const url = await postgres.createDatabase(`locked ${Date.now()}`);
  const python = pretendEnvironment("locked", { "1_first": "SELECT 1" });
  const inputs = inputsFor(url, { python, deadlineSeconds: 2 });
  const held = querySql(url, "SELECT pg_advisory_lock(72707369), pg_sleep(4)");
  const locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted";
  await expect.poll(() => querySql(url, locks)).toHaveLength(1);
  const error = await databaseMigration.create(context, inputs).catch((reason: unknown) => reason);
  await held;
  expect(error).toMatchObject({ message: expect.stringContaining("within 2 seconds") as string });
});

test("refuses a database with tables of unknown origin", async () => {
  const url = await postgres.createDatabase("foreign");
  await querySql(url, "CREATE TABLE customers (id int)");
  await expect(databaseMigration.create(context, inputsFor(url))).rejects.toThrow(
    "the database has 1 tables and no record of LiteLLM's migrations (P3005)",
  );
});

/** A schema engine that speaks Prisma's protocol and answers every request with `answer`. */
function pretendSchemaEngine(name: string, answer: object): Record<string, string> {
  const engine = join(folder, `schema-engine ${name}`);
  const lines = [
    "#!/bin/sh",
    'printf "%s\\n" "$@" > "$0.arguments"',
    "read -r request",
    'printf "%s\\n" "$request" > "$0.request"',
    `echo '{"jsonrpc":"2.0","id":9,"method":"print","params":{"content":"Applying"}}'`,
    "read -r printed",
    `cat <<END\n${JSON.stringify({ jsonrpc: "2.0", id: 1, ...answer })}\nEND`,
    "read -r rest",
  ];
  writeFileSync(engine, `${lines.join("\n")}\n`, { mode: 0o755 });
  return { PRISMA_SCHEMA_ENGINE_BINARY: engine };
}

test("has the native schema engine migrate without showing it the password in its arguments", async () => {
  const url = await postgres.createDatabase("native");
  const packages = await findSitePackages(environment.python);
  const migrations = join(packages, "litellm_proxy_extras/migrations");
  const engine = pretendSchemaEngine("good", { result: { appliedMigrationNames: [] } });
  const inputs = inputsFor(url, { engine: "native", environment: engine });
  // It says that it did, but this one applies nothing.
  await expect(databaseMigration.create(context, inputs)).rejects.toThrow(
    /^\d+ of LiteLLM's migrations are still not recorded in 127/,
  );
  const program = engine["PRISMA_SCHEMA_ENGINE_BINARY"] ?? "";
  expect(readFileSync(`${program}.arguments`, "utf8")).toBe(
    `-d\n${packages}/litellm_proxy_extras/schema.prisma\n`,
  );
  expect(JSON.parse(readFileSync(`${program}.request`, "utf8"))).toMatchObject({
    id: 1,
    method: "applyMigrations",
    params: { migrationsDirectoryPath: migrations },
  });
});

test("passes on what the native schema engine says, without the password", async () => {
  const url = await postgres.createDatabase("native errors");
  const engine = pretendSchemaEngine("bad", {
    error: {
      code: 4466,
      message: "An error happened. Check the data field for details.",
      data: { is_panic: false, message: "Cannot use $DATABASE_URL", error_code: "P1001" },
    },
  });
  const create = (PRISMA_SCHEMA_ENGINE_BINARY: string) =>
    databaseMigration.create(
      context,
      inputsFor(url, { engine: "native", environment: { PRISMA_SCHEMA_ENGINE_BINARY } }),
    );
  const advice =
    "LiteLLM's migrations could not be applied; remove the cause and run again: pulumi up";
  await expect(create(engine["PRISMA_SCHEMA_ENGINE_BINARY"] ?? "")).rejects.toThrow(
    new Error(
      `${advice}\nP1001\n\nCannot use postgresql://postgres:***@127.0.0.1:${new URL(url).port}/native%20errors`,
    ),
  );
  const ending = join(folder, "schema-engine that ends");
  writeFileSync(ending, "#!/bin/sh\necho 'it cannot be started' >&2\nexit 1\n", { mode: 0o755 });
  await expect(create(ending)).rejects.toThrow(
    `${advice}\n${ending} ended with status 1\nit cannot be started`,
  );
  await expect(create("/nowhere")).rejects.toThrow(`${advice}\nspawn /nowhere ENOENT`);
});

test("keeps its state while the database cannot be reached", async () => {
  const url = `postgresql://postgres:hunter2@127.0.0.1:${String(await findFreePort())}/gone`;
  const inputs = inputsFor(url);
  const known = { applied: 213, latest: "x", pending: 0 };
  const started = performance.now();
  expect(await observe(inputs, known)).toMatchObject({ ...known, drift: [] });
  expect(performance.now() - started).toBeLessThan(5000);
  const error: unknown = await databaseMigration
    .create(context, inputs)
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    message: expect.stringMatching(
      /^database gone at 127\.0\.0\.1:\d+ cannot be used \(connect ECONNREFUSED .*\); test it: psql 'postgresql:\/\/postgres@127/,
    ) as string,
  });
  expect(String(error)).not.toContain("hunter2");
});

test("accepts only URLs that it can read", () => {
  expect(databaseMigration.check(inputsFor("mysql://u:hunter2@h/d"))).toEqual([
    {
      property: "databaseUrl",
      reason: "the database URL must have the form postgresql://user:password@host:port/database",
    },
  ]);
  expect(databaseMigration.check(inputsFor("postgresql://u:p@h/d"))).toEqual([]);
});
