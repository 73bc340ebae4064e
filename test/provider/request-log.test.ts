import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { listRequestLogFiles } from "../../stacks/plan/request-log-files.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { GatewayClient, type Answer } from "../support/gateway-client.ts";
import { findFreePort } from "../support/ports.ts";
import { querySql, startPostgres, type PostgresServer } from "../support/postgres-server.ts";
import { provideRequestLogEnvironment } from "../support/request-log-environment.ts";
import { openSwitchablePort, type SwitchablePort } from "../support/switchable-port.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "request log "));
const LOG_FILE = join(folder, "litellm.log");
const SPILL_FILE = join(folder, "state/request-log.jsonl");

const MASTER_KEY = "sk-master-0123456789abcdef";
const ANY_MODEL = "sk-any-model-0123456789";
const ONE_MODEL = "sk-one-model-0123456789";
/** LiteLLM does not hash it, and it looks like a hash. */
const LIKE_A_DIGEST = "0123456789abcdef".repeat(4);
const PLAIN = "POC_VALIDATION_KEY";
const EXPIRED = "sk-expired-0123456789";
const UNKNOWN = "INVALID_KEY_0123456789";
const KEYS = [MASTER_KEY, ANY_MODEL, ONE_MODEL, LIKE_A_DIGEST, PLAIN, EXPIRED, UNKNOWN];

const STATIC_KEYS = {
  [sha256(ANY_MODEL)]: { alias: "any", models: [], expires: null, userId: "alice" },
  [sha256(ONE_MODEL)]: {
    alias: "one",
    models: ["chat"],
    expires: "2999-01-01T00:00:00Z",
    userId: null,
  },
  [sha256(LIKE_A_DIGEST)]: { alias: "digest", models: ["chat"], expires: null, userId: null },
  [sha256(PLAIN)]: { alias: "plain", models: [], expires: null, userId: null },
  [sha256(EXPIRED)]: { alias: "old", models: [], expires: "2020-01-01T00:00:00Z", userId: null },
};

const CONFIG = `
model_list:
  - {model_name: chat, litellm_params: {model: openai/chat, api_key: x, mock_response: "hello there"}}
  - {model_name: other, litellm_params: {model: openai/other, api_key: x, mock_response: "hello"}}
  - {model_name: broken, litellm_params: {model: openai/broken, api_key: x, mock_response: "litellm.InternalServerError"}}
  - {model_name: busy, litellm_params: {model: openai/busy, api_key: x, mock_response: "litellm.RateLimitError"}}
  - {model_name: fragile, litellm_params: {model: openai/fragile, api_key: x, mock_response: "litellm.InternalServerError"}}
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  custom_auth: litellm_request_log.authentication.authenticate
  custom_auth_run_common_checks: true
litellm_settings:
  callbacks: [litellm_request_log.callback.request_log]
  enable_post_custom_auth_checks: true
router_settings:
  num_retries: 0
  disable_cooldowns: true
  fallbacks: [{fragile: [chat]}]
`;

let python: string;
let postgres: PostgresServer;
/** Past the port that the tests cut. */
let databaseUrl: string;
let database: SwitchablePort;
let environment: NodeJS.ProcessEnv;
let proxy: ChildProcess;
let client: GatewayClient;

beforeAll(async () => {
  [python, postgres] = await Promise.all([provideRequestLogEnvironment(), startPostgres()]);
  databaseUrl = await postgres.createDatabase("litellm db");
  const url = new URL(databaseUrl);
  database = await openSwitchablePort(Number(url.port));
  url.port = String(database.port);
  // Outside of the checkout, as on the machine: Python leaves what it has compiled beside it.
  for (const file of listRequestLogFiles()) {
    cpSync(file, join(folder, "package", relative("templates/request-log", file)));
  }
  mkdirSync(dirname(SPILL_FILE));
  writeFileSync(join(folder, "config.yaml"), CONFIG);
  writeFileSync(join(folder, "static-keys.json"), JSON.stringify(STATIC_KEYS));
  environment = {
    PATH: process.env["PATH"],
    HOME: folder,
    PYTHONPATH: join(folder, "package"),
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
    LITELLM_MODE: "PRODUCTION",
    LITELLM_MASTER_KEY: MASTER_KEY,
    STATIC_KEYS_FILE: join(folder, "static-keys.json"),
    REQUEST_LOG_DATABASE_URL: url.href,
    REQUEST_LOG_SPILL_FILE: SPILL_FILE,
    REQUEST_LOG_RETENTION_DAYS: "30",
  };
  // Two runs at once, as two machines would: one of them waits for the other.
  await Promise.all([manage("migrate"), manage("migrate")]);
  await startProxy();
});

afterAll(async () => {
  await stopProxy();
  await database.cut();
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

const manage = async (command: string, changes: NodeJS.ProcessEnv = {}): Promise<string> => {
  const env = { ...environment, ...changes };
  const { stdout } = await run(python, ["-m", "litellm_request_log", command], {
    cwd: folder,
    env,
  });
  return stdout.trim();
};

const isRunning = (): boolean => proxy.exitCode === null && proxy.signalCode === null;

async function startProxy(): Promise<void> {
  const port = await findFreePort();
  const log = openSync(LOG_FILE, "a", 0o600);
  const arguments_ = [
    resolve("templates/start-litellm.py"),
    ...["--config", join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port)],
    ...["--run_gunicorn", "--num_workers", "2"],
  ];
  proxy = spawn(python, arguments_, { cwd: folder, env: environment, stdio: ["ignore", log, log] });
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  client = new GatewayClient(url, ANY_MODEL);
  const deadline = Date.now() + 180_000;
  while ((await fetch(`${url}/health/readiness`).catch(() => undefined))?.status !== 200) {
    if (!isRunning() || Date.now() > deadline) {
      throw new Error(`LiteLLM did not start:\n${readFileSync(LOG_FILE, "utf8").slice(-3000)}`);
    }
    await sleep(200);
  }
}

async function stopProxy(): Promise<void> {
  if (!isRunning()) return;
  const exited = once(proxy, "exit");
  proxy.kill("SIGTERM");
  await exited;
}

interface Row {
  status: number;
  model: string | null;
  key: string | null;
  alias: string | null;
  user_id: string | null;
  route: string;
  latency_ms: number;
  total_tokens: string;
}

const readRows = () =>
  querySql<Row>(
    databaseUrl,
    `SELECT status_code AS status, model, api_key AS key, key_alias AS alias, user_id, route, latency_ms, total_tokens
     FROM requests JOIN responses ON request_id_fk = requests.id ORDER BY requests.created_at`,
  );

/** The rows, as soon as there are so many; or those that there are after a while. */
async function awaitRows(count: number): Promise<Row[]> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const rows = await readRows();
    if (rows.length >= count || Date.now() > deadline) return rows;
    await sleep(100);
  }
}

/** Proxy and database as a test needs them, whatever the one before has left. */
async function beginAnew(): Promise<void> {
  await database.mend();
  if (!isRunning()) await startProxy();
  for (const file of spillFiles()) rmSync(file, { force: true });
  await querySql(databaseUrl, "TRUNCATE requests, responses");
}

const chatMany = (count: number): Promise<Answer[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      index % 10 === 9 ? client.as(UNKNOWN).chat("chat", "hi") : client.chat("chat", "hi"),
    ),
  );

/** Rows that a process has begun to bring to the database are in the second one. */
const spillFiles = (): string[] =>
  [SPILL_FILE, `${SPILL_FILE}.taken`].filter((path) => existsSync(path));

const spilledLines = (): string[] =>
  spillFiles()
    .flatMap((path) => readFileSync(path, "utf8").trim().split("\n"))
    .filter((line) => line !== "");

const describeRow = (status: number, model: string, key: string) =>
  `${String(status)} ${model} ${key === "" ? "-" : sha256(key).slice(0, 8)}`;

test("each request is one row, with the status that its client was given", async () => {
  await beginAnew();
  const cases: readonly (readonly [status: number, model: string, key: string])[] = [
    [200, "chat", ANY_MODEL],
    [200, "other", ANY_MODEL],
    [200, "chat", ONE_MODEL],
    [200, "chat", PLAIN],
    [200, "chat", LIKE_A_DIGEST],
    [200, "chat", MASTER_KEY],
    [403, "other", ONE_MODEL],
    [403, "other", LIKE_A_DIGEST],
    [403, "no-such-model", ONE_MODEL],
    [400, "no-such-model", ANY_MODEL],
    [400, "no-such-model", MASTER_KEY],
    [401, "chat", UNKNOWN],
    [401, "chat", "sk-unknown"],
    [401, "chat", EXPIRED],
    [401, "chat", ""],
    [500, "broken", ANY_MODEL],
    [429, "busy", ANY_MODEL],
  ];
  const answers = await Promise.all(
    cases.map(([, model, key]) => client.as(key).chat(model, "How are you?")),
  );
  expect(answers.map(({ status }, index) => [status, ...(cases[index] ?? []).slice(1)])).toEqual(
    cases,
  );
  expect((await client.as(ONE_MODEL).streamChat("chat", "hi")).join("")).toBe("hello there");
  // By another model, after a failure that the client does not see.
  expect((await client.chat("fragile", "hi")).status).toBe(200);
  const unusual = await client.chat("x\u0000y".repeat(400), "hi");
  expect(unusual.status).toBe(400);
  expect((await client.request("/v1/models")).status).toBe(200);

  const rows = await awaitRows(cases.length + 3);
  expect(rows.filter(({ model }) => model?.startsWith("xyxy"))).toHaveLength(1);
  expect(
    rows
      .filter(({ model }) => !model?.startsWith("xyxy"))
      .map(
        ({ status, model, key }) => `${String(status)} ${model ?? ""} ${key?.slice(0, 8) ?? "-"}`,
      )
      .sort(),
  ).toEqual(
    [...cases, [200, "chat", ONE_MODEL] as const, [200, "chat", ANY_MODEL] as const]
      .map((case_) => describeRow(...case_))
      .sort(),
  );
  const answered = rows.filter(({ status }) => status === 200);
  for (const { alias, route, latency_ms, total_tokens } of answered) {
    expect(alias === null || ["any", "one", "plain", "digest"].includes(alias)).toBe(true);
    expect(route).toBe("/v1/chat/completions");
    expect(latency_ms).toBeGreaterThan(0);
    expect(latency_ms).toBeLessThan(60_000);
    expect(Number(total_tokens)).toBeGreaterThan(0);
  }
  expect(answered.find(({ key }) => key === sha256(ANY_MODEL))).toMatchObject({
    alias: "any",
    user_id: "alice",
  });
});

test("a key may use its models only, and nothing but models", async () => {
  const { json } = await client.as(ONE_MODEL).request("/v1/models");
  expect((json as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(["chat"]);
  expect((await client.as(ONE_MODEL).request("/health")).status).toBe(403);
  expect((await client.as(ONE_MODEL).request("/key/generate", {})).status).toBe(403);
  expect((await client.as(MASTER_KEY).request("/model/info")).status).toBe(200);
});

test("no request fails while the database is away, and every one of them is a row afterwards", async () => {
  await beginAnew();
  await database.cut();
  const during = await chatMany(40);
  expect(during.map(({ status }) => status).sort()).toEqual([
    ...Array<number>(36).fill(200),
    ...Array<number>(4).fill(401),
  ]);
  expect(await readRows()).toEqual([]);
  await expect.poll(() => spilledLines().length, { timeout: 15_000 }).toBe(40);
  for (const file of spillFiles()) expect(statSync(file).mode & 0o777).toBe(0o600);
  await database.mend();
  const rows = await awaitRows(40);
  expect(rows).toHaveLength(40);
  expect(rows.filter(({ status }) => status === 401)).toHaveLength(4);
  await expect.poll(spilledLines, { timeout: 5000 }).toEqual([]);
});

test("a stop without the database loses nothing: the next start brings the rows", async () => {
  await beginAnew();
  await database.cut();
  await chatMany(30);
  await stopProxy();
  expect(spilledLines()).toHaveLength(30);
  const kept = spilledLines().join("\n");
  expect(KEYS.filter((key) => kept.includes(key))).toEqual([]);
  await database.mend();
  await startProxy();
  expect(await awaitRows(30)).toHaveLength(30);
  expect(spilledLines()).toEqual([]);
});

test("a stop right after the answers loses nothing either", async () => {
  await beginAnew();
  const [answers] = await Promise.all([chatMany(60), client.streamChat("chat", "hi")]);
  await stopProxy();
  expect(answers).toHaveLength(60);
  expect(await readRows()).toHaveLength(61);
});

test("no key is readable in the tables, in what the proxy logs, or beside the spill file", async () => {
  const tables = await querySql<{ text: string }>(
    databaseUrl,
    "SELECT string_agg(requests::text, '') AS text FROM requests",
  );
  const state = dirname(SPILL_FILE);
  const texts = [
    tables[0]?.text ?? "",
    readFileSync(LOG_FILE, "utf8"),
    ...readdirSync(state).map((name) => readFileSync(join(state, name), "utf8")),
  ];
  expect(texts[0]).toContain(sha256(ANY_MODEL));
  for (const text of texts) {
    expect([...KEYS, "p@ss"].filter((secret) => text.includes(secret))).toEqual([]);
  }
});
