import { setTimeout as sleep } from "node:timers/promises";

import type { Check } from "../../stacks/checks.ts";
import { explainAnswer, explainUnreachable } from "./diagnosis.ts";

/** The deployment that checks are run against. */
export interface CheckTarget {
  /** Base URL of the proxy, without a path. */
  readonly proxyUrl: string;
  readonly masterKey: string;
  /** Connection string of the proxy's own role; only with a database. */
  readonly databaseUrl?: string | undefined;
}

/** What came of one check. */
export interface CheckResult {
  readonly title: string;
  readonly passed: boolean;
  /** What was seen; for a failure also its likely cause and the next step. Never a secret. */
  readonly detail: string;
  readonly milliseconds: number;
}

/** Runs one check. A failure is a result, not an exception. */
export async function runCheck(check: Check, target: CheckTarget): Promise<CheckResult> {
  const started = performance.now();
  const finish = (passed: boolean, detail: string): CheckResult => ({
    title: describeCheck(check),
    passed,
    detail,
    milliseconds: Math.round(performance.now() - started),
  });
  try {
    return finish(true, await observe(check, target));
  } catch (error) {
    return finish(false, error instanceof Error ? error.message : String(error));
  }
}

/** Runs all checks at once; results in the order of the checks. */
export function runChecks(checks: readonly Check[], target: CheckTarget): Promise<CheckResult[]> {
  return Promise.all(checks.map((check) => runCheck(check, target)));
}

function describeCheck(check: Check): string {
  switch (check.kind) {
    case "live":
      return "proxy is live";
    case "ready":
      return check.database === "connected"
        ? "proxy is ready, database connected"
        : "proxy is ready, without a database";
    case "database":
      return "database accepts the proxy's credentials";
    case "schema":
      return "database schema is complete";
    case "connections":
      return "database allows enough connections";
    case "models":
      return check.exact ? "models are those planned" : "models are offered";
    case "chat":
      return `chat with ${check.model}${check.stream ? ", streamed" : ""}`;
    case "embedding":
      return `embedding by ${check.model}`;
    case "wrong-key":
      return "wrong key is refused";
    case "unknown-model":
      return "unknown model is refused";
    case "admin":
      return "master key is proxy admin";
    case "spend-log":
      return "request is in the spend log";
    default:
      return check satisfies never;
  }
}

/** What was seen, or an error that says what came instead. */
async function observe(check: Check, target: CheckTarget): Promise<string> {
  switch (check.kind) {
    case "live":
      await call(target, "/health/liveliness", { key: null });
      return "200";
    case "ready":
      return observeReadiness(target, check.database);
    case "database":
      return query(target, "SELECT current_user || ' in ' || current_database() AS seen");
    case "schema":
      return observeSchema(target);
    case "connections":
      return observeConnections(target, check.needed);
    case "models":
      return observeModels(target, check);
    case "chat":
      return check.stream
        ? streamChat(target, check.model)
        : (await chat(target, check.model)).text;
    case "embedding":
      return embed(target, check.model);
    case "wrong-key":
      await expectRefusal(target, check.status, { key: "sk-not-a-key-of-this-gateway" });
      return check.status === 401
        ? "401"
        : '400 "No connected db.": without a database LiteLLM cannot look keys up';
    case "unknown-model":
      await expectRefusal(target, 400, { body: chatBody("no-such-model-is-configured") });
      return "400";
    case "admin":
      await call(target, "/key/list?size=1");
      return "may manage keys";
    case "spend-log":
      return observeSpendLog(target, check);
    default:
      return check satisfies never;
  }
}

interface Request {
  /** Null sends none; default: the master key. */
  readonly key?: string | null;
  readonly body?: object;
  readonly stream?: boolean;
}

async function send(target: CheckTarget, path: string, request: Request = {}): Promise<Response> {
  const key = request.key === undefined ? target.masterKey : request.key;
  try {
    return await fetch(new URL(path, target.proxyUrl), {
      method: request.body === undefined ? "GET" : "POST",
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(request.body !== undefined && { "content-type": "application/json" }),
      },
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    throw new Error(explainUnreachable(target.proxyUrl, error), { cause: error });
  }
}

/** JSON answer of a request that must succeed. */
async function call(target: CheckTarget, path: string, request: Request = {}): Promise<unknown> {
  const response = await send(target, path, request);
  const text = await response.text();
  if (!response.ok) {
    throw new Error(explainAnswer(path, response.status, text));
  }
  return JSON.parse(text) as unknown;
}

async function observeReadiness(target: CheckTarget, wanted: string): Promise<string> {
  const { db } = (await call(target, "/health/readiness", { key: null })) as { db?: string };
  if (db !== wanted) {
    throw new Error(`readiness says database "${db ?? "unknown"}", not "${wanted}"`);
  }
  return `200, database "${db}"`;
}

async function observeSchema(target: CheckTarget): Promise<string> {
  const unfinished = await query(
    target,
    `SELECT coalesce(string_agg(migration_name, ', '), '') AS seen FROM _prisma_migrations
     WHERE finished_at IS NULL AND rolled_back_at IS NULL`,
  );
  if (unfinished !== "") {
    throw new Error(`migrations that did not finish: ${unfinished}; run \`pulumi up\` again`);
  }
  return query(target, "SELECT count(*) || ' migrations' AS seen FROM _prisma_migrations");
}

async function observeConnections(target: CheckTarget, needed: number): Promise<string> {
  const seen = await query(target, "SELECT current_setting('max_connections') AS seen");
  if (Number(seen) < needed) {
    throw new Error(
      `the server allows ${seen}, the proxy may open ${needed}; allow more there, or have it open fewer: pulumi config set --path database.connectionLimit <number>`,
    );
  }
  return `${seen}, of which ${needed} may be needed`;
}

async function observeModels(
  target: CheckTarget,
  { names, exact }: { readonly names: readonly string[]; readonly exact: boolean },
): Promise<string> {
  const { data } = (await call(target, "/v1/models")) as { data: { id: string }[] };
  const offered = [...new Set(data.map((model) => model.id))].sort();
  const missing = names.filter((name) => !offered.includes(name));
  const extra = exact ? offered.filter((name) => !names.includes(name)) : [];
  if (missing.length > 0 || extra.length > 0) {
    throw new Error(
      [
        missing.length > 0 ? `missing: ${missing.join(", ")}` : "",
        extra.length > 0 ? `not planned: ${extra.join(", ")}` : "",
      ]
        .filter((part) => part !== "")
        .join("; "),
    );
  }
  return exact ? offered.join(", ") : `${names.join(", ")} and any other`;
}

const chatBody = (model: string): object => ({
  model,
  messages: [{ role: "user", content: "Say hello." }],
  max_tokens: 16,
});

interface ChatAnswer {
  readonly id: string;
  readonly choices: { readonly message: { readonly content: string } }[];
}

async function chat(target: CheckTarget, model: string): Promise<{ id: string; text: string }> {
  const path = "/v1/chat/completions";
  const answer = (await call(target, path, { body: chatBody(model) })) as ChatAnswer;
  const text = answer.choices[0]?.message.content;
  if (text === undefined || text === "") {
    throw new Error("the answer holds no text");
  }
  return { id: answer.id, text: quote(text) };
}

async function streamChat(target: CheckTarget, model: string): Promise<string> {
  const path = "/v1/chat/completions";
  const response = await send(target, path, { body: { ...chatBody(model), stream: true } });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(explainAnswer(path, response.status, text));
  }
  const events = text.split("\n").filter((line) => line.startsWith("data: "));
  if (events.at(-1) !== "data: [DONE]") {
    throw new Error("the stream broke off before its end");
  }
  return `${events.length - 1} events`;
}

async function embed(target: CheckTarget, model: string): Promise<string> {
  const body = { model, input: ["hello"] };
  const answer = (await call(target, "/v1/embeddings", { body })) as { data: unknown[] };
  if (answer.data.length !== 1) {
    throw new Error(`one vector was asked for, ${answer.data.length} came`);
  }
  return "1 vector";
}

async function expectRefusal(
  target: CheckTarget,
  status: number,
  { key, body = chatBody("any") }: Request,
): Promise<void> {
  const response = await send(target, "/v1/chat/completions", {
    ...(key !== undefined && { key }),
    body,
  });
  await response.body?.cancel();
  if (response.status !== status) {
    throw new Error(`status ${response.status} came, ${status} was expected`);
  }
}

async function observeSpendLog(
  target: CheckTarget,
  { model, deadlineSeconds }: { readonly model: string; readonly deadlineSeconds: number },
): Promise<string> {
  const POLL_MILLISECONDS = 500;
  const { id } = await chat(target, model);
  const path = `/spend/logs?request_id=${encodeURIComponent(id)}`;
  const deadline = Date.now() + deadlineSeconds * 1000;
  while (Date.now() < deadline) {
    const rows = (await call(target, path)) as unknown[];
    if (rows.length > 0) {
      return "found";
    }
    await sleep(POLL_MILLISECONDS);
  }
  throw new Error(
    `the request did not appear within ${deadlineSeconds} seconds; look for "update_spend" in the proxy's log`,
  );
}

/** Value of column `seen` of the only row. */
async function query(target: CheckTarget, sql: string): Promise<string> {
  const { Client } = (await import("pg")).default;
  const client = new Client({
    connectionString: withLibpqModes(target.databaseUrl ?? ""),
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  // A connection that breaks after it was made must not end the program.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ seen: string }>(sql);
    return rows[0]?.seen ?? "";
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `sslmode=require` means what it means to PostgreSQL: encrypted, whatever the certificate. */
function withLibpqModes(url: string): string {
  return url.includes("sslmode=") ? `${url}&uselibpqcompat=true` : url;
}

const quote = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
