import { setTimeout as sleep } from "node:timers/promises";

import type { CacheMode, Check } from "../../stacks/plan/checks.ts";
import type { MachineCheck, MachineRole } from "../../stacks/plan/machine-checks.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { Connection } from "../provider/ssh/connection.ts";
import { chatBody } from "./chat-request.ts";
import { explainAnswer, explainDatabase, explainUnreachable } from "./diagnosis.ts";
import { isFromLitellm, observeEdge } from "./edge-checks.ts";
import { awaitCertificate, type Observation } from "./edge-connection.ts";
import { describeMachineCheck, isMachineCheck } from "./machine-titles.ts";
import { type Answer, ProxyClient } from "../proxy-client.ts";

/** The deployment that checks are run against. */
export interface CheckTarget {
  /** Base URL of the proxy; a path is that of SERVER_ROOT_PATH. */
  readonly proxyUrl: string;
  readonly masterKey: string;
  /** Address to connect to, whatever the URL's name resolves to. Default: what it resolves to. */
  readonly connectAddress?: string | undefined;
  /** PEM of the authorities that certificates are to be of. Default: the public ones. */
  readonly certificateAuthority?: string | undefined;
  /** What the gateway is reached through by SSH. Default: this machine sees it. */
  readonly machine?: Connection | undefined;
  /** Connection string of the proxy's own role; only with a database. */
  readonly databaseUrl?: string | undefined;
  /** How the machines are reached; only where the gateway is a service of one. */
  readonly machines?: Readonly<Partial<Record<MachineRole, Connection>>> | undefined;
  /** Likewise. */
  readonly operations?: OperationsPlan | undefined;
  /** Keys that are in no database of LiteLLM's, by alias. Default: none. */
  readonly staticKeys?: Readonly<Record<string, string>> | undefined;
}

/** What came of one check. */
export interface CheckResult {
  readonly title: string;
  readonly passed: boolean;
  /** It passed, but something is to be done. Default: false. */
  readonly warning?: boolean;
  /** What was seen; for a failure also its likely cause and the next step. Never a secret. */
  readonly detail: string;
  readonly milliseconds: number;
}

/** Runs one check. A failure is a result, not an exception. */
export async function runCheck(check: Check, target: CheckTarget): Promise<CheckResult> {
  const started = performance.now();
  const finish = (passed: boolean, { detail, isWarning }: Observation): CheckResult => ({
    title: describeCheck(check),
    passed,
    ...(isWarning && { warning: true }),
    detail,
    milliseconds: Math.round(performance.now() - started),
  });
  try {
    const seen = await observe(check, target);
    return finish(true, typeof seen === "string" ? { detail: seen, isWarning: false } : seen);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return finish(false, { detail, isWarning: false });
  }
}

/**
 * Runs all checks at once, those that need TLS after the one of the certificate, and those that put
 * a load on the gateway, or tell of it, one by one at the end; results in the order of the checks.
 *
 * @param report - is told when it takes long, and why
 */
export async function runChecks(
  checks: readonly Check[],
  target: CheckTarget,
  report?: (waiting: string) => void,
): Promise<CheckResult[]> {
  const { machine, ...direct } = target;
  if (machine !== undefined) return runThrough(machine, checks, direct, report);
  const early = checks.filter((check) => !isLate(check));
  const results = await runTogether(early, target, report);
  const resultOf = new Map(early.map((check, index) => [check, results[index]]));
  for (const check of checks.filter(isLate)) resultOf.set(check, await runCheck(check, target));
  return checks.flatMap((check) => resultOf.get(check) ?? []);
}

/** Only where a machine stands between, what reaches it is loaded. */
async function runThrough(
  machine: Connection,
  checks: readonly Check[],
  target: CheckTarget,
  report: ((waiting: string) => void) | undefined,
): Promise<CheckResult[]> {
  const [{ openLink }, { closeSessions }] = await Promise.all([
    import("../provider/access/gateway-link.ts"),
    import("../provider/ssh/session.ts"),
  ]);
  try {
    const link = await openLink({ ...toEndpoint(target), machine });
    try {
      const { url, connectAddress } = link.client.endpoint;
      const proxyUrl = `${url}${link.prefix}`;
      return await runChecks(checks, { ...target, proxyUrl, connectAddress }, report);
    } finally {
      await link.close();
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return checks.map((check) => ({
      title: describeCheck(check),
      passed: false,
      detail,
      milliseconds: 0,
    }));
  } finally {
    await closeSessions();
  }
}

function isLate({ kind }: Check): boolean {
  return kind === "load" || kind === "database-activity";
}

async function runTogether(
  checks: readonly Check[],
  target: CheckTarget,
  report: ((waiting: string) => void) | undefined,
): Promise<CheckResult[]> {
  const certificate = checks.find((check) => check.kind === "certificate");
  if (certificate === undefined) {
    return Promise.all(checks.map((check) => runCheck(check, target)));
  }
  let trusting = target;
  const started = performance.now();
  const connection = await awaitCertificate(toEndpoint(target), certificate, report).then(
    ({ observation, certificateAuthority }) => {
      trusting = { ...target, certificateAuthority };
      return { passed: true, observation };
    },
    (error: unknown) => ({
      passed: false,
      observation: {
        detail: error instanceof Error ? error.message : String(error),
        isWarning: false,
      },
    }),
  );
  const { passed, observation } = connection;
  const result: CheckResult = {
    title: describeCheck(certificate),
    passed,
    ...(observation.isWarning && { warning: true }),
    detail: observation.detail,
    milliseconds: Math.round(performance.now() - started),
  };
  return Promise.all(
    checks.map(async (check): Promise<CheckResult> => {
      if (check === certificate) return result;
      if (passed || !needsTls(check)) return runCheck(check, trusting);
      return {
        title: describeCheck(check),
        passed: false,
        detail: "not tried: the certificate is not valid",
        milliseconds: 0,
      };
    }),
  );
}

function needsTls({ kind }: Check): boolean {
  return !["dns", "redirect", "database", "schema", "connections"].includes(kind);
}

const toEndpoint = ({ proxyUrl, connectAddress, certificateAuthority }: CheckTarget) => ({
  url: proxyUrl,
  connectAddress,
  certificateAuthority,
});

function describeCheck(check: Check): string {
  if (isMachineCheck(check)) return describeMachineCheck(check);
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
    case "redis":
      return "cache is reachable";
    case "cache-hit":
      return "cache answers an equal question";
    case "dns":
      return "name leads to the gateway";
    case "certificate":
      return "certificate is valid";
    case "redirect":
      return "HTTP is sent to HTTPS";
    case "hsts":
      return "browsers are told to use HTTPS";
    case "unknown-host":
      return "unknown host is refused";
    case "admin-refused":
      return `${check.path} is refused from here`;
    case "stream-chunks":
      return "stream arrives in pieces";
    case "websocket":
      return "WebSocket passes";
    default:
      return check satisfies never;
  }
}

/** What was seen, or an error that says what came instead. */
async function observe(check: Check, target: CheckTarget): Promise<string | Observation> {
  if (isMachineCheck(check)) return observeOnMachine(check, target);
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
      return manage(check, async () => {
        await call(target, "/key/list?size=1");
        // Who is no admin lists keys of his own.
        await call(target, "/user/list?page_size=1");
        return "may manage keys";
      });
    case "spend-log":
      return manage(check, () => observeSpendLog(target, check));
    case "redis":
      return manage(check, async () => {
        const { cache_type } = (await call(target, "/cache/ping")) as { cache_type?: string };
        return `200, ${cache_type ?? "cache"} answers`;
      });
    case "cache-hit":
      return observeCacheHit(target, check);
    case "dns":
    case "certificate":
    case "redirect":
    case "hsts":
    case "unknown-host":
    case "admin-refused":
    case "stream-chunks":
    case "websocket":
      return observeEdge(check, toEndpoint(target), target.masterKey);
    default:
      return check satisfies never;
  }
}

/** Only where there are machines, what reaches them is loaded. */
async function observeOnMachine(
  check: MachineCheck,
  target: CheckTarget,
): Promise<string | Observation> {
  const { operations, machines = {}, masterKey, staticKeys = {} } = target;
  if (operations === undefined) {
    throw new Error("the stack's outputs tell of no machines; run `pulumi up`");
  }
  const [{ observeMachine }, { openSession }] = await Promise.all([
    import("./machine-checks.ts"),
    import("../provider/ssh/session.ts"),
  ]);
  const { signal } = new AbortController();
  return observeMachine(check, {
    operations,
    masterKey,
    staticKeys,
    client: new ProxyClient(toEndpoint(target)),
    session(machine) {
      const connection = machines[machine];
      if (connection === undefined) {
        throw new Error(`the stack has no machine for its ${machine}; run \`pulumi up\``);
      }
      return openSession(connection, signal);
    },
  });
}

interface Request {
  /** Null sends none; default: the master key. */
  readonly key?: string | null;
  readonly body?: object;
}

async function send(target: CheckTarget, path: string, request: Request = {}): Promise<Answer> {
  const { key = target.masterKey, body } = request;
  const prefix = new URL(target.proxyUrl).pathname.replace(/\/+$/, "");
  try {
    return await new ProxyClient(toEndpoint(target)).request(`${prefix}${path}`, { key, body });
  } catch (error) {
    throw new Error(explainUnreachable(target.proxyUrl, error, target.connectAddress), {
      cause: error,
    });
  }
}

/** An answer in place of the proxy's, by what stands in front of it. */
class Refusal extends Error {}

/** JSON answer of a request that must succeed. */
async function call(target: CheckTarget, path: string, request: Request = {}): Promise<unknown> {
  return JSON.parse((await succeed(target, path, request)).text) as unknown;
}

async function succeed(target: CheckTarget, path: string, request: Request = {}): Promise<Answer> {
  const answer = await send(target, path, request);
  const { status, text } = answer;
  if (status < 200 || status > 299) {
    const explanation = explainAnswer(path, status, text);
    throw [401, 403].includes(status) && !isFromLitellm(answer)
      ? new Refusal(explanation)
      : new Error(explanation);
  }
  return answer;
}

/** Asks what only administrators may ask, which may be restricted to other machines than this one. */
async function manage(
  { isRestricted = false }: { readonly isRestricted?: boolean },
  ask: () => Promise<string>,
): Promise<string> {
  try {
    return await ask();
  } catch (error) {
    if (isRestricted && error instanceof Refusal) {
      return "not for this machine: the settings restrict administration";
    }
    throw error;
  }
}

const READINESS_ATTEMPTS = 4;
const READINESS_PAUSE_MILLISECONDS = 2000;

/** A busy LiteLLM that has no answer of its database within 2 s says that there is none. */
async function observeReadiness(target: CheckTarget, wanted: string): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await askReadiness(target, wanted);
    } catch (error) {
      if (attempt === READINESS_ATTEMPTS) throw error;
      await sleep(READINESS_PAUSE_MILLISECONDS);
    }
  }
}

async function askReadiness(target: CheckTarget, wanted: string): Promise<string> {
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

interface ChatAnswer {
  readonly id: string;
  readonly choices: { readonly message: { readonly content: string } }[];
}

async function chat(
  target: CheckTarget,
  model: string,
  body: object = chatBody(model),
): Promise<{ id: string; text: string }> {
  const answer = (await call(target, "/v1/chat/completions", { body })) as ChatAnswer;
  const text = answer.choices[0]?.message.content;
  if (text === undefined || text === "") {
    throw new Error("the answer holds no text");
  }
  return { id: answer.id, text: quote(text) };
}

async function streamChat(target: CheckTarget, model: string): Promise<string> {
  const path = "/v1/chat/completions";
  const { text } = await succeed(target, path, { body: { ...chatBody(model), stream: true } });
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
  const answer = await send(target, "/v1/chat/completions", {
    ...(key !== undefined && { key }),
    body,
  });
  if (answer.status !== status) {
    throw new Error(`status ${answer.status} came, ${status} was expected`);
  }
}

/** Asks the same until the answer is one that was given before: it is stored after it was sent. */
async function observeCacheHit(
  target: CheckTarget,
  { model, mode }: { readonly model: string; readonly mode: CacheMode },
): Promise<string> {
  const ATTEMPTS = 10;
  const POLL_MILLISECONDS = 300;
  const body = {
    ...chatBody(model),
    ...(mode === "default_off" && { cache: { "use-cache": true } }),
  };
  const seen = new Set<string>();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { id } = await chat(target, model, body);
    if (seen.has(id)) return `answer ${attempt} to the same question is from the cache`;
    seen.add(id);
    await sleep(POLL_MILLISECONDS);
  }
  throw new Error(
    `${ATTEMPTS} equal questions were answered anew each time; Redis does not keep the answers: see that it runs (\`docker ps --all\`) and look for "Redis" in the proxy's log, then run \`pulumi up\``,
  );
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
  } catch (error) {
    throw new Error(explainDatabase(error), { cause: error });
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
