import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, describe, expect, test } from "vitest";

import { formatResults } from "../../../components/verification/results-table.ts";
import { runCheck } from "../../../components/verification/run-check.ts";
import type { Check } from "../../../stacks/plan/checks.ts";

const MASTER_KEY = "sk-master-key-of-this-test";

let server: Server | undefined;

afterEach(() => {
  server?.close();
});

/** Result of a check against a proxy that gives one answer to everything. */
async function check(
  check: Check,
  status: number,
  body: unknown,
  seen: (request: IncomingMessage) => void = () => undefined,
) {
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    seen(request);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return runCheck(check, { proxyUrl: `http://127.0.0.1:${port}`, masterKey: MASTER_KEY });
}

const CHAT: Check = { kind: "chat", model: "hello", stream: false };
const failure = (message: string) => ({ error: { message } });

describe("a check that passes", () => {
  test.each<[Check, number, unknown, string]>([
    [{ kind: "live" }, 200, '"I\'m alive!"', "200"],
    [
      { kind: "ready", database: "connected" },
      200,
      { db: "connected" },
      '200, database "connected"',
    ],
    [
      { kind: "models", names: ["a", "b"], exact: true },
      200,
      { data: [{ id: "b" }, { id: "a" }] },
      "a, b",
    ],
    [CHAT, 200, { id: "1", choices: [{ message: { content: "Hi" } }] }, '"Hi"'],
    [
      { kind: "chat", model: "hello", stream: true },
      200,
      "data: {}\n\ndata: {}\n\ndata: [DONE]\n",
      "2 events",
    ],
    [{ kind: "embedding", model: "e" }, 200, { data: [[0.1]] }, "1 vector"],
    [{ kind: "wrong-key", status: 401 }, 401, failure("no"), "401"],
    [{ kind: "unknown-model" }, 400, failure("no"), "400"],
    [{ kind: "admin" }, 200, { keys: [] }, "may manage keys"],
    [{ kind: "redis" }, 200, { cache_type: "redis" }, "200, redis answers"],
    [
      { kind: "cache-hit", model: "hello", mode: "default_on" },
      200,
      { id: "1", choices: [{ message: { content: "Hi" } }] },
      "answer 2 to the same question is from the cache",
    ],
  ])("%j tells what it saw", async (planned, status, body, detail) => {
    expect(await check(planned, status, body)).toMatchObject({ passed: true, detail });
  });

  test("sends no key to the health endpoints, and never a key in the URL", async () => {
    const requests: IncomingMessage[] = [];
    await check({ kind: "live" }, 200, "{}", (request) => requests.push(request));
    await check(CHAT, 200, {}, (request) => requests.push(request));
    const [live, chat] = requests;
    expect(live?.headers.authorization).toBeUndefined();
    expect(live?.url).toBe("/health/liveliness");
    expect(chat?.headers.authorization).toBe(`Bearer ${MASTER_KEY}`);
    expect(chat?.url).not.toContain(MASTER_KEY);
  });
});

test("no question is asked twice but for the cache, and there it is wanted", async () => {
  const questions: string[] = [];
  let answers = 0;
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.setEncoding("utf8");
    request.on("data", (body: string) => questions.push(body));
    request.on("end", () => {
      const message = { content: "Hi" };
      response.end(JSON.stringify({ id: String(answers++), choices: [{ message }] }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = { proxyUrl: `http://127.0.0.1:${port}`, masterKey: MASTER_KEY };
  await runCheck(CHAT, target);
  await runCheck(CHAT, target);
  expect(questions[0]).not.toBe(questions[1]);
  const result = await runCheck({ kind: "cache-hit", model: "h", mode: "default_off" }, target);
  expect(result).toMatchObject({
    passed: false,
    detail: expect.stringMatching(
      /^10 equal questions were answered anew each time; .*`pulumi up`$/,
    ) as string,
  });
  expect(new Set(questions.slice(2)).size).toBe(1);
  expect(JSON.parse(questions[2] ?? "")).toMatchObject({ cache: { "use-cache": true } });
});

describe("a check that fails", () => {
  test.each<[string, Check, number, unknown, string]>([
    [
      "a database that is not connected",
      { kind: "ready", database: "connected" },
      200,
      { db: "Not connected" },
      'readiness says database "Not connected", not "connected"',
    ],
    [
      "models that differ",
      { kind: "models", names: ["a", "b"], exact: true },
      200,
      { data: [{ id: "b" }, { id: "c" }] },
      "missing: a; not planned: c",
    ],
    [
      "a stream that breaks off",
      { kind: "chat", model: "hello", stream: true },
      200,
      "data: {}\n",
      "the stream broke off before its end",
    ],
    [
      "a wrong key that is accepted",
      { kind: "wrong-key", status: 401 },
      200,
      {},
      "status 200 came, 401 was expected",
    ],
    [
      "no database behind the key",
      CHAT,
      400,
      failure("No connected db."),
      "/v1/chat/completions answered 400: No connected db. — LiteLLM has no database to look the key up in: it was given another key than the master key in a deployment with `database: {kind: none}`, or it started without DATABASE_URL; use the master key, or set a database and run `pulumi up`",
    ],
    [
      "a model without a provider",
      CHAT,
      400,
      failure("litellm.BadRequestError: LLM Provider NOT provided."),
      "/v1/chat/completions answered 400: litellm.BadRequestError: LLM Provider NOT provided. — the model has no provider that LiteLLM knows; an OpenAI-compatible server, another LiteLLM included, is provider `openai-compatible` with its baseUrl. If the model is stored in the database, its salt key has changed",
    ],
    [
      "a key that is not an admin's",
      { kind: "admin" },
      403,
      failure("Only proxy admin can list keys"),
      "/key/list answered 403: Only proxy admin can list keys — this key may not manage keys; use the master key: `pulumi stack output masterKey --show-secrets`",
    ],
    [
      "an upstream that is down",
      CHAT,
      500,
      failure("litellm.InternalServerError: Connection error."),
      "/v1/chat/completions answered 500: litellm.InternalServerError: Connection error. — the upstream of this model cannot be reached: check that it runs, its baseUrl, and network, VPN and firewall from where the proxy runs",
    ],
    [
      "a model that has just failed",
      CHAT,
      429,
      failure("All deployments for selected model are in cooldown."),
      "/v1/chat/completions answered 429: All deployments for selected model are in cooldown. — the last requests to this model failed, and LiteLLM lets it rest for some seconds; ask again after them: that answer names the cause",
    ],
  ])("names %s and the next step", async (_name, planned, status, body, detail) => {
    expect(await check(planned, status, body)).toMatchObject({ passed: false, detail });
  });

  test("says when nobody answers", async () => {
    const result = await runCheck(CHAT, { proxyUrl: "http://127.0.0.1:9", masterKey: MASTER_KEY });
    expect(result.passed).toBe(false);
    expect(result.detail).toMatch(
      /^no answer from http:\/\/127\.0\.0\.1:9 \(.+\) — the proxy is not running there, or the URL is wrong; see its log and run `pulumi up`$/,
    );
    expect(JSON.stringify(result)).not.toContain(MASTER_KEY);
  });
});

test("results are a table", () => {
  const table = formatResults([
    { title: "proxy is live", passed: true, detail: "200", milliseconds: 12 },
    { title: "chat with hello", passed: false, detail: "no", milliseconds: 61_234 },
    { title: "name", passed: true, warning: true, detail: "set it", milliseconds: 0 },
  ]);
  expect(`\n${table}\n`).toMatchInlineSnapshot(`
    "
    ✓ proxy is live     0.0 s  200
    ✗ chat with hello  61.2 s  no
    ⚠ name              0.0 s  set it
    "
  `);
});
