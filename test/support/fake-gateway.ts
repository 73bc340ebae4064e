import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface FakeRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
  /** How many came before, without the one by which a client makes sure that it is an admin. */
  readonly index: number;
}

/** `hang` never answers; `reset` ends the connection without an answer. */
export type FakeAnswer =
  | "hang"
  | "reset"
  | {
      readonly status?: number;
      readonly json?: unknown;
      readonly text?: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

export interface FakeGateway {
  readonly url: string;
  /** What came, without what a client makes sure by that it is an admin. */
  readonly requests: readonly FakeRequest[];
  /** How many connections there were. */
  readonly connections: number;
  /** Nobody listens any more. */
  stop(): Promise<void>;
  /** At the same port again. */
  start(): Promise<void>;
}

export interface FakeGatewayOptions {
  /** PEM; by them it speaks TLS. Default: it does not. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** How long a connection stays open that nobody uses. Default: 5000, as uvicorn's. */
  readonly keepAliveMilliseconds?: number;
  /** What whoever asks is told first, one after the other; the last again and again. Default: an admin. */
  readonly admissions?: readonly FakeAnswer[];
}

/** A server that answers as LiteLLM's admin API might, on 127.0.0.1. */
export async function startFakeGateway(
  answer: (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>,
  { tls, keepAliveMilliseconds = 5000, admissions = [{ json: {} }] }: FakeGatewayOptions = {},
): Promise<FakeGateway> {
  const requests: FakeRequest[] = [];
  let connections = 0;
  let admitted = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const { method = "", url: path = "", headers } = request;
    const isAdmission = path.includes("/budget/settings");
    const asked: FakeRequest = {
      method,
      path,
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
      authorization: headers.authorization,
      index: requests.length,
    };
    if (isAdmission) {
      send(response, admissions[Math.min(admitted++, admissions.length - 1)] ?? {});
    } else {
      requests.push(asked);
      send(response, await answer(asked));
    }
  };
  const listen = async (port: number): Promise<Server> => {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      handle(request, response).catch(() => response.destroy());
    };
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    server.keepAliveTimeout = keepAliveMilliseconds;
    server.on(tls === undefined ? "connection" : "secureConnection", () => connections++);
    await once(server.listen(port, "127.0.0.1"), "listening");
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    requests,
    get connections() {
      return connections;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async start() {
      server = await listen(port);
    },
  };
}

function send(response: ServerResponse, answer: FakeAnswer): void {
  if (answer === "hang") return;
  if (answer === "reset") {
    response.destroy();
    return;
  }
  const { status = 200, json, text = JSON.stringify(json), headers } = answer;
  response.writeHead(status, {
    "content-type": json === undefined ? "text/html" : "application/json",
    ...headers,
  });
  response.end(text);
}
