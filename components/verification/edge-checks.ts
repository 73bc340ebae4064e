import { randomBytes } from "node:crypto";

import type { EdgeCheck } from "../../stacks/plan/checks.ts";
import { explainAnswer, explainUnreachable } from "./diagnosis.ts";
import { awaitCertificate, type Observation, observeNames } from "./edge-connection.ts";
import { type Answer, type Endpoint, ProxyClient } from "../proxy-client.ts";

/** A name that no gateway has. */
const UNKNOWN_HOST = "unknown-host.invalid";
/** Without a key, and LiteLLM answers it to everybody. */
const OPEN_PATH = "/health/liveliness";
const NO_MODEL = "no-such-model-is-configured";

/**
 * What was seen of the reverse proxy in front of the gateway.
 *
 * @throws Error that says what came instead, and what to do
 */
export async function observeEdge(
  check: EdgeCheck,
  endpoint: Endpoint,
  masterKey: string,
): Promise<string | Observation> {
  const client = new ProxyClient(endpoint);
  try {
    switch (check.kind) {
      case "dns":
        return await observeNames(endpoint, check.hosts);
      case "certificate":
        return (await awaitCertificate(endpoint, check)).observation;
      case "redirect":
        return await observeRedirect(endpoint, check.port);
      case "hsts":
        return await observeHsts(client, check.seconds);
      case "unknown-host":
        return await observeUnknownHost(endpoint, check.isShared === true);
      case "admin-refused":
        return await observeRefusal(client, check);
      case "stream-chunks":
        return await observeStream(client, check.model, masterKey);
      case "websocket":
        return await observeWebSocket(client, masterKey);
      default:
        return check satisfies never;
    }
  } catch (error) {
    // Only what a connection fails with has a code.
    throw typeof (error as { code?: unknown }).code === "undefined"
      ? error
      : new Error(explainUnreachable(endpoint.url, error, endpoint.connectAddress), {
          cause: error,
        });
  }
}

/** LiteLLM sends JSON, or names itself in a header; Traefik sends plain text. */
export function isFromLitellm({ headers, json }: Pick<Answer, "headers" | "json">): boolean {
  return json !== undefined || Object.keys(headers).some((name) => name.startsWith("x-litellm-"));
}

async function observeRedirect(endpoint: Endpoint, port: number): Promise<string> {
  const path = `${OPEN_PATH}?redirect=1`;
  const secure = new URL(path, endpoint.url);
  const plain = new URL(secure);
  plain.protocol = "http:";
  plain.port = String(port);
  const client = new ProxyClient({ url: plain.origin, connectAddress: endpoint.connectAddress });
  const { status, headers } = await client.request(path).catch((error: unknown) => {
    const reason = error instanceof Error && error.message !== "" ? error.message : "no answer";
    throw new Error(
      `${plain.origin} does not answer (${reason}) — Traefik does not publish port ${port}, or a firewall blocks it; see \`docker ps --all\` and run \`pulumi up\``,
    );
  });
  const { location } = headers;
  const isPermanent = status === 301 || status === 308;
  if (!isPermanent || location === undefined || new URL(location, plain).href !== secure.href) {
    throw new Error(
      `${plain.href} answered ${status}${location === undefined ? "" : ` to ${location}`}; 301 or 308 to ${secure.href} was expected`,
    );
  }
  return `${status} to ${secure.origin}`;
}

async function observeHsts(client: ProxyClient, seconds: number): Promise<string> {
  const { headers } = await client.request(OPEN_PATH);
  const header = headers["strict-transport-security"];
  const age = /\bmax-age=(\d+)/.exec(header ?? "")?.[1];
  if (age === undefined || Number(age) < seconds) {
    throw new Error(
      `Strict-Transport-Security is ${header === undefined ? "missing" : `"${header}"`}; max-age=${seconds} was expected: run \`pulumi up\`, or set \`hstsSeconds\``,
    );
  }
  return `max-age=${age}`;
}

/** Another name in TLS and in the request, as when somebody else's name points here. */
async function observeUnknownHost(endpoint: Endpoint, isShared: boolean): Promise<string> {
  const { hostname } = new URL(endpoint.url);
  const url = new URL(endpoint.url);
  url.hostname = UNKNOWN_HOST;
  const client = new ProxyClient({
    url: url.origin,
    connectAddress: endpoint.connectAddress ?? hostname,
    acceptsAnyCertificate: true,
  });
  const answer = await client.request(OPEN_PATH).catch((error: unknown) => {
    const { code } = error as { code?: string };
    if (code?.startsWith("ERR_SSL_") === true) return code;
    throw error;
  });
  if (typeof answer === "string") return `no TLS connection (${answer})`;
  if ((answer.status < 400 && !isShared) || isFromLitellm(answer)) {
    throw new Error(
      `Host ${UNKNOWN_HOST} was answered with ${answer.status}${isFromLitellm(answer) ? " by LiteLLM" : ""}; 404 by Traefik was expected: another router of this Traefik matches every name; see its routes`,
    );
  }
  return String(answer.status);
}

async function observeRefusal(
  client: ProxyClient,
  check: Extract<EdgeCheck, { readonly kind: "admin-refused" }>,
): Promise<string> {
  const { path, status } = check;
  const mayBeAllowed = check.mayBeAllowed === true;
  // Whoever claims another origin is refused all the same.
  const answer = await client.request(path, { headers: { "x-forwarded-for": "127.0.0.1" } });
  const isAskedForPassword =
    answer.status === 401 && /^basic\b/i.test(answer.headers["www-authenticate"] ?? "");
  const isRefused =
    !isFromLitellm(answer) && (answer.status === 403 ? status === 403 : isAskedForPassword);
  if (isRefused && (answer.status === status || mayBeAllowed)) return `${path}: ${answer.status}`;
  if (mayBeAllowed && answer.status < 500 && answer.status !== 404) {
    return `${path}: this machine is among those that may`;
  }
  throw new Error(
    `${path} was answered with ${answer.status}${isFromLitellm(answer) ? " by LiteLLM" : ""} from here; ${status} by Traefik was expected: see \`admin\` in the settings, and run \`pulumi up\``,
  );
}

/** A mock model sends all its pieces at once, and a busy network may join some: several tries. */
async function observeStream(client: ProxyClient, model: string, key: string): Promise<string> {
  const ATTEMPTS = 5;
  const path = "/v1/chat/completions";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const content = `Say hello. (${randomBytes(8).toString("hex")})`;
    const body = { model, messages: [{ role: "user", content }], stream: true, max_tokens: 16 };
    const { status, headers, text, chunks } = await client.stream(path, { key, body });
    if (status !== 200) throw new Error(explainAnswer(path, status, text));
    const type = headers["content-type"] ?? "nothing";
    if (!type.startsWith("text/event-stream")) {
      throw new Error(`the stream came as ${type}; text/event-stream was expected`);
    }
    if (!text.trimEnd().endsWith("data: [DONE]")) {
      throw new Error("the stream broke off before its end; see Traefik's log and the proxy's");
    }
    const events = text.split("\n").filter((line) => line.startsWith("data: ")).length;
    // What is collected first comes in pieces too, but in few: of the size of a buffer.
    if (chunks.length * 2 > events && headers["content-length"] === undefined) {
      const span = (chunks.at(-1)?.milliseconds ?? 0) - (chunks[0]?.milliseconds ?? 0);
      return `${events - 1} events in ${chunks.length} pieces, ${Math.round(span)} ms from first to last`;
    }
  }
  throw new Error(
    "a stream does not arrive piece by piece: something in front of the proxy collects it (Traefik's `buffering` or `compress` middleware, or another proxy); take that out, and run `pulumi up`",
  );
}

/** For a model that is not there: LiteLLM accepts the WebSocket and says so in it, at no cost. */
async function observeWebSocket(client: ProxyClient, key: string): Promise<string> {
  const path = `/v1/realtime?model=${NO_MODEL}`;
  const { status, headers, text } = await client.upgrade(path, {
    key,
    timeoutMilliseconds: 15_000,
  });
  if (status !== 101 || headers["sec-websocket-accept"] === undefined) {
    throw new Error(
      `a WebSocket was answered with ${status}; 101 was expected: ${explainAnswer(path, status, text)}`,
    );
  }
  return /Invalid model name/i.test(text) ? "101, and LiteLLM answers in it" : "101";
}
