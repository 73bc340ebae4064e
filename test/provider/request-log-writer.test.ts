import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { sha256 } from "../../stacks/sha256.ts";
import { findFreePort } from "../support/ports.ts";
import { querySql, startPostgres, type PostgresServer } from "../support/postgres-server.ts";
import { provideRequestLogEnvironment } from "../support/request-log-environment.ts";
import { openSwitchablePort } from "../support/switchable-port.ts";

const folder = mkdtempSync(join(tmpdir(), "request log "));
const SPILL_FILE = join(folder, "spill.jsonl");

let python: string;
let postgres: PostgresServer;
let databaseUrl: string;
/** Where nothing listens. */
let absentUrl: string;

beforeAll(async () => {
  [python, postgres] = await Promise.all([provideRequestLogEnvironment(), startPostgres()]);
  databaseUrl = await postgres.createDatabase("log");
  absentUrl = `postgresql://u:s3cret@127.0.0.1:${await findFreePort()}/log`;
  expect(await manage("migrate")).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const runPython = (arguments_: readonly string[], variables: NodeJS.ProcessEnv): Promise<Ended> =>
  new Promise((settle) => {
    const child = execFile(
      python,
      arguments_,
      {
        cwd: folder,
        env: {
          PATH: process.env["PATH"],
          PYTHONPATH: resolve("templates/request-log"),
          PYTHONPYCACHEPREFIX: join(folder, "cache"),
          LITELLM_LOCAL_MODEL_COST_MAP: "True",
          ...variables,
        },
      },
      (_error, stdout, stderr) => {
        settle({ code: child.exitCode, stdout: stdout.trim(), stderr: stderr.trim() });
      },
    );
  });

const manage = (command: string, variables: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  runPython(["-m", "litellm_request_log", command], {
    REQUEST_LOG_DATABASE_URL: databaseUrl,
    ...variables,
  });

/** `write(rows)` puts rows, closes the writer, and returns its counts. */
const PROGRAM = `
import json, logging, sys, time, uuid
from datetime import datetime, timezone
from litellm_request_log.settings import database_engine
from litellm_request_log.spill import Spill
from litellm_request_log.writer import Writer

def row(**changes):
    now = datetime.now(timezone.utc)
    return {
        "id": str(uuid.uuid4()), "response_id": str(uuid.uuid4()), "received_at": now, "answered_at": now,
        "latency_ms": 1.5, "request_id": "r", "status_code": 200, "api_key": None, "route": None,
        "model": None, "user_id": None, "key_alias": None,
        "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, **changes,
    }

def write(rows, spill_bytes=10**6, buffer_rows=1000, before_close=0.0, path=${JSON.stringify(SPILL_FILE)}):
    writer = Writer(database_engine(), Spill(path, spill_bytes), buffer_rows)
    for one in rows:
        writer.put(one)
    time.sleep(before_close)
    writer.close()
    return [writer.written, writer.spilled, writer.lost]
`;

async function write(expression: string, url: string): Promise<{ counts: number[]; log: string }> {
  const { code, stdout, stderr } = await runPython(
    ["-c", `${PROGRAM}\nprint(json.dumps(${expression}))`],
    { REQUEST_LOG_DATABASE_URL: url },
  );
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return { counts: JSON.parse(stdout) as number[], log: stderr };
}

async function countRows(table: "requests" | "responses" = "requests"): Promise<number> {
  const rows = await querySql<{ count: string }>(databaseUrl, `SELECT count(*) FROM ${table}`);
  return Number(rows[0]?.count);
}

async function clear(): Promise<void> {
  await querySql(databaseUrl, "TRUNCATE requests, responses");
  rmSync(SPILL_FILE, { force: true });
  rmSync(`${SPILL_FILE}.taken`, { force: true });
}

test("the newest migration leaves the tables that are written to, and a second run changes nothing", async () => {
  expect(await manage("migrate")).toMatchObject({
    code: 0,
    stdout: "the tables of the request log are up to date",
  });
  const { stdout, stderr } = await runPython(
    [
      "-c",
      `
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from litellm_request_log.schema import VERSION_TABLE, metadata
from litellm_request_log.settings import database_engine
with database_engine().connect() as connection:
    print(compare_metadata(MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}), metadata))
`,
    ],
    { REQUEST_LOG_DATABASE_URL: databaseUrl },
  );
  expect(stdout, stderr).toBe("[]");
});

test("what a file has no room for is counted as lost, and said once", async () => {
  await clear();
  const { counts, log } = await write(
    "write([row() for _ in range(30)], spill_bytes=2000)",
    absentUrl,
  );
  const lines = readFileSync(SPILL_FILE, "utf8").trim().split("\n");
  expect(lines.length).toBeGreaterThan(2);
  expect(statSync(SPILL_FILE).size).toBeLessThanOrEqual(2000);
  expect(counts).toEqual([0, lines.length, 30 - lines.length]);
  expect(log).toContain("has no room for more rows");
  expect(log).toContain(`${lines.length} put into the spill file, ${30 - lines.length} lost`);
  expect(log).not.toContain("s3cret");
});

test("memory is bounded, too", async () => {
  await clear();
  const { counts } = await write(
    "write([row() for _ in range(30)], buffer_rows=10, path=None)",
    absentUrl,
  );
  expect(counts).toEqual([0, 0, 30]);
  expect(
    (await write("write([row() for _ in range(30)], buffer_rows=10)", databaseUrl)).counts,
  ).toEqual([10, 0, 20]);
});

test("several processes share a spill file, and each row of it is there once", async () => {
  await clear();
  const many = "write([row() for _ in range(700)], before_close=0.5)";
  await Promise.all([write(many, absentUrl), write(many, absentUrl), write(many, absentUrl)]);
  expect(readFileSync(SPILL_FILE, "utf8").trim().split("\n")).toHaveLength(2100);
  const none = "write([], before_close=3)";
  await Promise.all([write(none, databaseUrl), write(none, databaseUrl)]);
  expect([await countRows(), await countRows("responses")]).toEqual([2100, 2100]);
  expect(existsSync(SPILL_FILE) || existsSync(`${SPILL_FILE}.taken`)).toBe(false);
});

test("half a line that a killed process has left costs that row only", async () => {
  await clear();
  writeFileSync(SPILL_FILE, '{"id": "5f');
  await write("write([row(), row()])", absentUrl);
  const { counts } = await write("write([row()], before_close=1.5)", databaseUrl);
  expect(counts).toEqual([3, 0, 1]);
  expect(await countRows()).toBe(3);
});

test("a row that the database refuses does not keep the others from it", async () => {
  await clear();
  const { counts, log } = await write(
    'write([row(), row(model="a\\0b"), row(model="\\ud800"), row(status_code=10**6), row()])',
    databaseUrl,
  );
  expect(counts).toEqual([2, 0, 3]);
  expect(await countRows()).toBe(2);
  expect(log).toContain("a row was refused");
});

test("a database that stops to answer holds the rows up for a while only", async () => {
  await clear();
  const url = new URL(databaseUrl);
  const port = await openSwitchablePort(Number(url.port));
  url.port = String(port.port);
  const flag = join(folder, "frozen");
  const program = `
from litellm_request_log import writer as module
import os
module.BATCH_SECONDS = 1.0
module.log.setLevel(logging.INFO)
writer = Writer(database_engine(), Spill(sys.argv[1], 10**6), 1000)
writer.put(row())
deadline = time.monotonic() + 60
while not os.path.exists(sys.argv[2]) and time.monotonic() < deadline:
    time.sleep(0.05)
for _ in range(5):
    writer.put(row())
deadline = time.monotonic() + 20
while writer.spilled < 5 and time.monotonic() < deadline:
    time.sleep(0.05)
print(writer.written, writer.spilled, writer.lost)
`;
  const ended = runPython(["-c", PROGRAM + program, SPILL_FILE, flag], {
    REQUEST_LOG_DATABASE_URL: url.href,
  });
  await expect.poll(() => countRows(), { timeout: 20_000 }).toBe(1);
  port.freeze();
  writeFileSync(flag, "");
  expect(await ended).toMatchObject({ code: 0, stdout: "1 5 0" });
  await port.cut();
});

test("without its tables the rows wait for the migration", async () => {
  await clear();
  const url = await postgres.createDatabase("without tables");
  expect((await write("write([row(), row()])", url)).counts).toEqual([0, 2, 0]);
  expect((await manage("migrate", { REQUEST_LOG_DATABASE_URL: url })).code).toBe(0);
  expect((await write("write([], before_close=1)", url)).counts).toEqual([2, 0, 0]);
});

test("prune deletes what is too old, and its responses", async () => {
  await clear();
  await write("write([row() for _ in range(5)])", databaseUrl);
  await querySql(
    databaseUrl,
    `WITH old AS (
       INSERT INTO requests (id, created_at, request_id, status_code)
       SELECT gen_random_uuid(), now() - interval '31 days', 'old', 200 FROM generate_series(1, 12000) RETURNING id
     ) INSERT INTO responses (id, request_id_fk, created_at) SELECT gen_random_uuid(), id, now() FROM old`,
  );
  expect(await manage("prune", { REQUEST_LOG_RETENTION_DAYS: "30" })).toMatchObject({
    code: 0,
    stdout: "12000 requests older than 30 days deleted",
  });
  expect([await countRows(), await countRows("responses")]).toEqual([5, 5]);
});

test.each<[string, string, () => NodeJS.ProcessEnv, RegExp]>([
  ["no address", "migrate", () => ({ REQUEST_LOG_DATABASE_URL: "" }), /^REQUEST_LOG_DATABASE_URL/],
  ["a wrong one", "migrate", () => ({ REQUEST_LOG_DATABASE_URL: "s3cret" }), /must be an address/],
  [
    "no server",
    "migrate",
    () => ({ REQUEST_LOG_DATABASE_URL: absentUrl }),
    /could not be used.*refused/,
  ],
  ["no days", "prune", () => ({}), /^REQUEST_LOG_RETENTION_DAYS must be a whole number above 0/],
  ["no such days", "prune", () => ({ REQUEST_LOG_RETENTION_DAYS: "-3" }), /not '-3'$/],
])("a command says in one line what is wrong: %s", async (_case, command, variables, message) => {
  const { code, stderr } = await manage(command, variables());
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr.split("\n")).toHaveLength(1);
  expect(stderr).not.toContain("s3cret");
});

test("a table of the same name that is somebody else's is left alone", async () => {
  const url = await postgres.createDatabase("taken");
  await querySql(url, "CREATE TABLE requests (mine text)");
  const { code, stderr } = await manage("migrate", { REQUEST_LOG_DATABASE_URL: url });
  expect(code).toBe(1);
  expect(stderr).toBe(
    'relation "requests" already exists, and no migration of the request log has made it; rename or drop it, then run again',
  );
  expect(await querySql(url, "SELECT to_regclass('responses') AS responses")).toEqual([
    { responses: null },
  ]);
});

test("static keys: who is let in, who is left to LiteLLM's database, who is refused", async () => {
  const file = join(folder, "static-keys.json");
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  writeFileSync(
    file,
    JSON.stringify({
      [sha256("sk-one")]: { alias: "one", models: ["chat"], expires: soon, userId: "alice" },
      [sha256("sk-old")]: {
        alias: "old",
        models: [],
        expires: "2020-01-01T00:00:00",
        userId: null,
      },
    }),
  );
  const program = `
import asyncio, json, sys
from litellm.proxy._types import ProxyException
from litellm_request_log import authentication

def ask(key):
    try:
        answer = asyncio.run(authentication.authenticate(None, key))
        return answer if isinstance(answer, str) else [answer.api_key, answer.models, answer.user_id, answer.allowed_routes]
    except ProxyException as error:
        return int(error.code)

def ask_all():
    return [ask(key) for key in ["sk-one", "sk-old", "sk-master", "sk-of-database", "other", "", None]]

alone = ask_all()
authentication.HAS_DATABASE = True
print(json.dumps([alone, ask_all()]))
for text in ['[]', '{"sk-clear": {"alias": "a"}}', '{"sk-clear": 1}', '{', '{"%s": {"alias": "a", "expires": "soon"}}' % ("0" * 64), '{"%s": {"alias": "a", "models": "chat"}}' % ("0" * 64)]:
    open(sys.argv[1], "w").write(text)
    try:
        authentication.read_keys(sys.argv[1])
        print("accepted", text)
    except ValueError as error:
        print(error)
`;
  const { stdout, stderr } = await runPython(["-c", program, file], {
    STATIC_KEYS_FILE: file,
    LITELLM_MASTER_KEY: "sk-master",
  });
  const [answers = "", ...errors] = stdout.split("\n");
  const one = [sha256("sk-one"), ["chat"], "alice", ["llm_api_routes"]];
  expect(JSON.parse(answers), stderr).toEqual([
    [one, 401, "sk-master", 401, 401, 401, 401],
    [one, 401, "sk-master", "sk-of-database", 401, 401, 401],
  ]);
  expect(errors).toHaveLength(6);
  for (const error of errors) {
    expect(error).toContain(file);
    expect(error).not.toContain("sk-clear");
  }
});
