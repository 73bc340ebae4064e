/** What a gateway with keys and a log of its own answers, and what it has written down of that. */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import type { MachineCheck } from "../../stacks/plan/machine-checks.ts";
import { chatBody } from "./chat-request.ts";
import { explainAnswer, explainUnreachable } from "./diagnosis.ts";
import { queryMachine, quoteLiteral } from "./machine-sql.ts";
import type { MachineTarget } from "./machine-target.ts";
import type { Answer, RequestOptions } from "../proxy-client.ts";

type Kind<Name extends MachineCheck["kind"]> = Extract<MachineCheck, { readonly kind: Name }>;
type TrafficCheck = Kind<
  "metrics" | "static-key" | "static-key-restricted" | "request-log" | "load"
>;

const CHAT = "/v1/chat/completions";
const POLL_MILLISECONDS = 250;
/** The log writes a batch every quarter of a second; a row too many comes with the next. */
const SETTLE_MILLISECONDS = 600;
const LOG_SECONDS = 15;

/** What was seen, or an error that says what came instead. */
export async function observeTraffic(check: TrafficCheck, target: MachineTarget): Promise<string> {
  switch (check.kind) {
    case "metrics":
      return observeMetrics(target, check);
    case "static-key":
      return observeKey(target, check);
    case "static-key-restricted":
      return observeRestriction(target, check);
    case "request-log":
      return observeLog(target, check);
    case "load":
      return observeLoad(target, check);
    default:
      return check satisfies never;
  }
}

async function send(
  { client }: MachineTarget,
  path: string,
  options: RequestOptions,
): Promise<Answer> {
  try {
    return await client.request(path, options);
  } catch (error) {
    const { url, connectAddress } = client.endpoint;
    throw new Error(explainUnreachable(url, error, connectAddress), { cause: error });
  }
}

async function expectStatus(
  target: MachineTarget,
  path: string,
  status: number,
  options: RequestOptions,
): Promise<Answer> {
  const answer = await send(target, path, options);
  if (answer.status !== status) {
    throw new Error(
      status === 200
        ? explainAnswer(path, answer.status, answer.text)
        : `status ${answer.status} came, ${status} was expected`,
    );
  }
  return answer;
}

async function observeMetrics(
  target: MachineTarget,
  { isOpen }: { readonly isOpen: boolean },
): Promise<string> {
  const path = "/metrics/";
  const [{ text }] = await Promise.all([
    expectStatus(target, path, 200, { key: target.masterKey }),
    expectStatus(target, path, isOpen ? 200 : 401, {}),
  ]);
  const count = new Set(text.match(/^# TYPE \S+/gm)).size;
  return `${count} metrics with the master key; ${isOpen ? "open to everybody, as planned" : "401 without a key"}`;
}

function requireKey({ staticKeys }: MachineTarget, alias: string): string {
  const key = staticKeys[alias];
  if (key === undefined) {
    throw new Error(`the stack has no static key ${alias}; run \`pulumi up\``);
  }
  return key;
}

/** Whether a time, ISO 8601, is over. */
const isOver = (expires: string | undefined): boolean =>
  expires !== undefined && Date.parse(expires) <= Date.now();

async function observeKey(
  target: MachineTarget,
  { alias, model, expires }: Kind<"static-key">,
): Promise<string> {
  const key = requireKey(target, alias);
  if (isOver(expires)) {
    await expectStatus(target, "/v1/models", 401, { key });
    return `401: it expired on ${expires ?? ""}`;
  }
  if (model === undefined) {
    const { json } = await expectStatus(target, "/v1/models", 200, { key });
    const { data = [] } = json as { data?: { id: string }[] };
    return `200, may use ${data.map(({ id }) => id).join(", ") || "no model"}`;
  }
  const body = chatBody(model);
  const { json } = await expectStatus(target, CHAT, 200, { key, body });
  const { choices } = json as { choices?: { message?: { content?: string } }[] };
  const text = choices?.[0]?.message?.content;
  if (text === undefined || text === "") throw new Error("the answer holds no text");
  return `200 by ${model}`;
}

async function observeRestriction(
  target: MachineTarget,
  { alias, model, expires }: Kind<"static-key-restricted">,
): Promise<string> {
  const status = isOver(expires) ? 401 : 403;
  await expectStatus(target, CHAT, status, {
    key: requireKey(target, alias),
    body: chatBody(model),
  });
  return String(status);
}

/** A request whose row of the log can be told from any other. */
interface Probe {
  readonly status: number;
  readonly key: string;
  readonly model: string;
  /** Sent as the request's id. A request that is refused before it begins may have another in the log. */
  readonly id: string;
}

interface LogRow {
  readonly request: string;
  readonly model: string | null;
  readonly status: number;
  readonly key: string | null;
  readonly hasResponse: boolean;
  readonly tokens: number | null;
  readonly milliseconds: number | null;
}

const randomName = (): string => `no-such-model-${randomBytes(8).toString("hex")}`;

const randomKey = (): string => `sk-${randomBytes(16).toString("hex")}`;

async function observeLog(
  target: MachineTarget,
  { model, keys }: Kind<"request-log">,
): Promise<string> {
  const { masterKey } = target;
  const make = (status: number, key: string, name = randomName()): Probe => ({
    status,
    key,
    model: name,
    id: randomUUID(),
  });
  const probes = [
    make(400, masterKey),
    make(401, randomKey()),
    ...(model === undefined ? [] : [make(200, masterKey, model)]),
    ...keys.flatMap(({ alias, mayAsk, isRestricted }) => [
      ...(mayAsk && model !== undefined ? [make(200, requireKey(target, alias), model)] : []),
      ...(isRestricted ? [make(403, requireKey(target, alias))] : []),
    ]),
  ];
  await Promise.all(
    probes.map(({ status, key, model: asked, id }) =>
      expectStatus(target, CHAT, status, {
        key,
        body: chatBody(asked),
        headers: { "x-litellm-call-id": id },
      }),
    ),
  );
  const rows = await awaitRows(target, probes, LOG_SECONDS);
  const faults = probes.flatMap((probe) => judgeRows(probe, findRows(rows, probe)));
  if (faults.length > 0) {
    throw new Error(
      `${faults.join("; ")} — look for "request log" in the proxy's log: \`npm run logs\``,
    );
  }
  const succeeded = rows.filter(({ status }) => status === 200).length;
  return [
    `${probes.length} requests sent, ${rows.length} rows: ${countStatuses(rows)}`,
    `success rate ${formatShare(succeeded, rows.length)}`,
    `${sum(rows.map(({ tokens }) => tokens ?? 0))} tokens`,
  ].join("; ");
}

function findRows(rows: readonly LogRow[], { id, status, model }: Probe): LogRow[] {
  return rows.filter((row) => row.request === id || (status !== 200 && row.model === model));
}

function judgeRows({ status, key }: Probe, rows: readonly LogRow[]): string[] {
  const [row] = rows;
  if (row === undefined) return [`a request answered with ${status} is not in the log`];
  return [
    ...(rows.length === 1 ? [] : [`a request answered with ${status} has ${rows.length} rows`]),
    ...(row.status === status
      ? []
      : [`a request answered with ${status} is logged with ${row.status}`]),
    ...(row.key === key ? ["a key is stored as it is, not its hash"] : []),
    ...(row.hasResponse ? [] : [`a request answered with ${status} has no row in responses`]),
  ];
}

/** Asks until each request has a row, and once more after that: there must be no more. */
async function awaitRows(
  target: MachineTarget,
  probes: readonly Probe[],
  seconds: number,
): Promise<LogRow[]> {
  const sql = selectRows(probes);
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const rows = await ask<LogRow[]>(target, sql);
    if (probes.every((probe) => findRows(rows, probe).length > 0)) {
      await sleep(SETTLE_MILLISECONDS);
      return ask<LogRow[]>(target, sql);
    }
    if (Date.now() > deadline) return rows;
    await sleep(POLL_MILLISECONDS);
  }
}

function selectRows(probes: readonly Probe[]): string {
  const list = (values: readonly string[]) => values.map(quoteLiteral).join(", ");
  const ids = probes.map(({ id }) => id);
  const models = probes.flatMap(({ status, model }) => (status === 200 ? [] : [model]));
  return `
    SELECT coalesce(json_agg(json_build_object('request', r.request_id, 'model', model,
      'status', status_code, 'key', api_key, 'hasResponse', s.request_id_fk IS NOT NULL,
      'tokens', total_tokens, 'milliseconds', latency_ms)), '[]')
    FROM requests r LEFT JOIN responses s ON s.request_id_fk = r.id
    WHERE r.created_at > now() - interval '1 day'
      AND (r.request_id IN (${list(ids)})${models.length === 0 ? "" : ` OR model IN (${list(models)})`})`;
}

function ask<T>(target: MachineTarget, sql: string): Promise<T> {
  return queryMachine(target.session("database"), target.operations, sql);
}

async function observeLoad(target: MachineTarget, check: Kind<"load">): Promise<string> {
  const { requests, concurrency, model, storedIn, deadlineSeconds } = check;
  const { masterKey: key } = target;
  const waiting = Array.from({ length: requests }, (): Probe => ({
    status: 200,
    key,
    model,
    id: randomUUID(),
  }));
  const sent: { readonly probe: Probe; readonly answer: Answer; readonly milliseconds: number }[] =
    [];
  const work = async () => {
    for (let probe = waiting.pop(); probe !== undefined; probe = waiting.pop()) {
      const started = performance.now();
      const headers = { "x-litellm-call-id": probe.id };
      const answer = await send(target, CHAT, { key, body: chatBody(model), headers });
      sent.push({ probe, answer, milliseconds: performance.now() - started });
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, work));
  const seconds = (performance.now() - started) / 1000;
  const failed = sent.filter(({ answer }) => answer.status !== 200);
  if (failed[0] !== undefined) {
    const { status, text } = failed[0].answer;
    throw new Error(`${failed.length} of ${requests} failed; ${explainAnswer(CHAT, status, text)}`);
  }
  const answered = [
    `${requests} answered with 200 in ${seconds.toFixed(1)} s (${(requests / seconds).toFixed(0)}/s)`,
    describeTimes(sent.map(({ milliseconds }) => milliseconds)),
  ];
  switch (storedIn) {
    case undefined:
      return answered.join(", ");
    case "request-log": {
      const probes = sent.map(({ probe }) => probe);
      const rows = await awaitRows(target, probes, deadlineSeconds);
      const succeeded = rows.filter(({ status }) => status === 200).length;
      const complete = rows.filter(({ hasResponse }) => hasResponse).length;
      requireCount(rows.length, requests);
      return [
        answered.join(", "),
        `${rows.length} rows in requests, ${complete} in responses, success rate ${formatShare(succeeded, rows.length)}`,
        `measured by the gateway: ${describeTimes(rows.flatMap(({ milliseconds }) => milliseconds ?? []))}`,
      ].join("; ");
    }
    case "spend-log": {
      const ids = sent.map(({ answer }) => (answer.json as { id: string }).id);
      const count = await awaitSpend(target, ids, deadlineSeconds);
      requireCount(count, requests);
      return `${answered.join(", ")}; ${count} rows in the spend log`;
    }
    default:
      return storedIn satisfies never;
  }
}

function requireCount(rows: number, requests: number): void {
  if (rows !== requests) {
    throw new Error(
      `${requests} requests were answered, ${rows} are in the database — see why in the proxy's log: \`npm run logs\``,
    );
  }
}

async function awaitSpend(
  target: MachineTarget,
  ids: readonly string[],
  seconds: number,
): Promise<number> {
  const sql = `SELECT to_json(count(*)) FROM "LiteLLM_SpendLogs"
    WHERE request_id IN (${ids.map(quoteLiteral).join(", ")})`;
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const count = await ask<number>(target, sql);
    if (count >= ids.length || Date.now() > deadline) return count;
    await sleep(2 * POLL_MILLISECONDS);
  }
}

function describeTimes(milliseconds: readonly number[]): string {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0);
  return `median ${at(0.5)} ms, 95 % within ${at(0.95)} ms`;
}

function countStatuses(rows: readonly LogRow[]): string {
  const statuses = [...new Set(rows.map(({ status }) => status))].sort((a, b) => a - b);
  return statuses
    .map((status) => `${rows.filter((row) => row.status === status).length} × ${status}`)
    .join(", ");
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);

const formatShare = (part: number, all: number): string =>
  all === 0 ? "none" : `${((100 * part) / all).toFixed(0)} %`;
