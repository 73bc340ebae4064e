import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { anthropic } from "./anthropic.ts";
import { type Api, type Reply, type RequestBody } from "./api.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";

const APIS: readonly Api[] = [openai, ollama, anthropic];

export interface UpstreamOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Address to listen on. Default: this machine only. */
  readonly host?: string;
  /** The only API key that is let in; others get 401, but from Ollama's API. Default: all are let in. */
  readonly apiKey?: string;
}

/** How often the same was asked. */
export interface RequestCount {
  readonly path: string;
  /** Empty where the request names none. */
  readonly model: string;
  /** The first 12 digits of the API key's SHA-256; empty without a key. */
  readonly keyHash: string;
  readonly count: number;
}

export interface Upstream {
  readonly url: string;
  /** What `GET /control/requests` answers. */
  countRequests(): RequestCount[];
  resetRequests(): void;
  /** Ends it at once, with the connections that are open. */
  close(): Promise<void>;
}

/** What is wished for by the model's name, such as `gpt-delay-500` or `fail-429`. */
interface Behaviour {
  /** Status of an error to answer with. */
  readonly fail: number | undefined;
  /** Milliseconds before the answer. */
  readonly delay: number;
  /** Milliseconds between two pieces of a stream. */
  readonly pause: number;
  /** How many pieces of a stream are sent before the connection breaks. */
  readonly cut: number | undefined;
}

/**
 * Starts a double of a model provider: it answers by OpenAI's, Ollama's and Anthropic's
 * APIs with an echo of the last message, and counts what it was asked.
 *
 * The model's name tells what it shall do: `…fail-429…` answers with that status,
 * `…delay-500…` waits so many milliseconds first, `…pause-100…` waits between the pieces
 * of a stream, `…cut-2…` breaks the connection after so many of them.
 *
 * `GET /control/requests` tells what it was asked, `DELETE /control/requests` forgets it.
 */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    handle(request, response, counts, options.apiKey).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  // Longer than a client keeps an idle connection, or it may use one that is just being closed.
  server.keepAliveTimeout = 75_000;
  const { port = 0, host = "127.0.0.1" } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    countRequests: () => listCounts(counts),
    resetRequests: () => {
      counts.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  counts: Map<string, number>,
  apiKey: string | undefined,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://upstream");
  const route = `${request.method ?? "GET"} ${pathname}`;
  if (route === "GET /control/requests") {
    sendDocument(response, 200, listCounts(counts));
    return;
  }
  if (route === "DELETE /control/requests") {
    counts.clear();
    sendDocument(response, 200, []);
    return;
  }
  const api = APIS.find(({ routes }) => routes[route] !== undefined);
  const answer = api?.routes[route];
  if (api === undefined || answer === undefined) {
    sendDocument(response, 404, openai.describeError(404, `there is no ${route}`));
    return;
  }
  const body = await readBody(request);
  if (body === undefined) {
    sendDocument(response, 400, api.describeError(400, "the body is not JSON"));
    return;
  }
  const key = readKey(request);
  const entry = JSON.stringify([pathname, body.model ?? "", hashKey(key)]);
  counts.set(entry, (counts.get(entry) ?? 0) + 1);
  if (apiKey !== undefined && api.hasKeys && key !== apiKey) {
    sendDocument(response, 401, api.describeError(401, "the API key is wrong"));
    return;
  }
  const behaviour = readBehaviour(body.model ?? "");
  await sleep(behaviour.delay);
  if (behaviour.fail !== undefined) {
    const message = `failed as the model's name wishes: ${behaviour.fail}`;
    sendDocument(response, behaviour.fail, api.describeError(behaviour.fail, message));
    return;
  }
  await send(response, answer(body), behaviour);
}

async function send(
  response: ServerResponse,
  reply: Reply,
  { pause, cut }: Behaviour,
): Promise<void> {
  if ("document" in reply) {
    sendDocument(response, 200, reply.document);
    return;
  }
  response.writeHead(200, { "content-type": reply.contentType, "cache-control": "no-cache" });
  for (const [index, piece] of reply.pieces.entries()) {
    if (index === cut) {
      response.destroy();
      return;
    }
    response.write(piece);
    await sleep(pause);
  }
  response.end();
}

function sendDocument(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

async function readBody(request: IncomingMessage): Promise<RequestBody | undefined> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk as string;
  }
  try {
    return JSON.parse(text === "" ? "{}" : text) as RequestBody;
  } catch {
    return undefined;
  }
}

function readKey({ headers }: IncomingMessage): string {
  return headers.authorization?.replace(/^Bearer /i, "") ?? String(headers["x-api-key"] ?? "");
}

function hashKey(key: string): string {
  return key === "" ? "" : createHash("sha256").update(key).digest("hex").slice(0, 12);
}

function readBehaviour(model: string): Behaviour {
  const read = (name: string) => {
    const [, digits] = new RegExp(`\\b${name}-(\\d+)`).exec(model) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  return {
    fail: read("fail"),
    delay: read("delay") ?? 0,
    pause: read("pause") ?? 0,
    cut: read("cut"),
  };
}

function listCounts(counts: ReadonlyMap<string, number>): RequestCount[] {
  return [...counts].map(([entry, count]) => {
    const [path, model, keyHash] = JSON.parse(entry) as [string, string, string];
    return { path, model, keyHash, count };
  });
}
