import { randomBytes } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** Where a gateway is reached, and whom its certificate is trusted by. */
export interface Endpoint {
  /** Base URL, without a path. */
  readonly url: string;
  /** Address to connect to, whatever the URL's name resolves to. Default: what it resolves to. */
  readonly connectAddress?: string | undefined;
  /** PEM of the authorities to trust, and no others. Default: the public ones. */
  readonly certificateAuthority?: string | undefined;
  /** Whether any certificate will do: for requests without a secret only. Default: false. */
  readonly acceptsAnyCertificate?: boolean;
}

export interface ProxyClientOptions {
  /** Whether requests share connections. Default: each has its own. */
  readonly keepsAlive?: boolean;
  /** So often a request is sent that a rate limit in front of the proxy refuses. Default: 8. */
  readonly limitedAttempts?: number;
}

export interface RequestOptions {
  /** Default: GET, and POST with a body. */
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: object | undefined;
  /** Sent as bearer token; none by default. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** From the start to the end of the answer. Default: 30 s. */
  readonly timeoutMilliseconds?: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The text read as JSON; undefined where it is none. */
  readonly json: unknown;
}

export interface StreamedAnswer extends Answer {
  /** The pieces in which the body was sent. */
  readonly chunks: readonly {
    readonly text: string;
    /** Since the request. */
    readonly milliseconds: number;
  }[];
}

export interface UpgradeAnswer {
  /** 101 for a connection that became a WebSocket. */
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** First message through the WebSocket, or the body of a refusal; empty where none came. */
  readonly text: string;
}

const TIMEOUT_MILLISECONDS = 30_000;
/** Shorter than uvicorn keeps a connection that nobody uses, which is 5 s: else a request may meet its end. */
const IDLE_MILLISECONDS = 3000;
const LIMITED_ATTEMPTS = 8;

/** A client of one gateway: HTTP and TLS to its address, by the name in its URL. */
export class ProxyClient {
  readonly endpoint: Endpoint;
  readonly #agent: http.Agent | false;
  readonly #limitedAttempts: number;

  constructor(
    endpoint: Endpoint,
    { keepsAlive = false, limitedAttempts = LIMITED_ATTEMPTS }: ProxyClientOptions = {},
  ) {
    this.endpoint = endpoint;
    this.#limitedAttempts = limitedAttempts;
    const { Agent } = endpoint.url.startsWith("https:") ? https : http;
    this.#agent = keepsAlive && new Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS });
  }

  /** Ends the connections that nobody uses. */
  close(): void {
    if (this.#agent !== false) this.#agent.destroy();
  }

  /**
   * @throws Error of the connection, with its `code`, and `isReused` where an earlier request had used that
   * connection; any status is an answer
   */
  async request(path: string, options: RequestOptions = {}): Promise<Answer> {
    const { status, headers, text, json } = await this.stream(path, options);
    return { status, headers, text, json };
  }

  /** The same, with the pieces in which the answer came. */
  stream(path: string, options: RequestOptions = {}): Promise<StreamedAnswer> {
    return patiently(() => this.#stream(path, options), this.#limitedAttempts);
  }

  /**
   * Asks for a WebSocket, and closes it after its first message.
   *
   * @param options - its time limit is that of the handshake; a message may take as long again
   */
  upgrade(path: string, options: RequestOptions = {}): Promise<UpgradeAnswer> {
    return patiently(() => this.#upgrade(path, options), this.#limitedAttempts);
  }

  #stream(path: string, options: RequestOptions): Promise<StreamedAnswer> {
    return new Promise((succeed, fail) => {
      const started = performance.now();
      const request = this.#open(path, options, fail);
      request.on("response", (response) => {
        const chunks: { text: string; milliseconds: number }[] = [];
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          chunks.push({ text, milliseconds: performance.now() - started });
        });
        response.on("error", fail);
        response.on("end", () => {
          const text = chunks.map((chunk) => chunk.text).join("");
          const { statusCode: status = 0, headers } = response;
          succeed({ status, headers, text, json: parseJson(text), chunks });
        });
      });
      request.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    });
  }

  #upgrade(path: string, options: RequestOptions): Promise<UpgradeAnswer> {
    return new Promise((succeed, fail) => {
      const { timeoutMilliseconds = TIMEOUT_MILLISECONDS } = options;
      const handshake = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
      };
      const headers = { ...options.headers, ...handshake };
      const request = this.#open(path, { ...options, headers }, fail);
      request.on("upgrade", (response, socket, head) => {
        const finish = (text: string) => {
          clearTimeout(timer);
          socket.destroy();
          succeed({ status: 101, headers: response.headers, text });
        };
        const timer = setTimeout(finish, timeoutMilliseconds, "");
        let received = head;
        const read = () => {
          const text = readMessage(received);
          if (text !== undefined) finish(text);
        };
        socket.on("data", (data: Buffer) => {
          received = Buffer.concat([received, data]);
          read();
        });
        socket.on("error", () => {
          finish("");
        });
        socket.on("close", () => {
          finish("");
        });
        read();
      });
      request.on("response", (response) => {
        const { statusCode: status = 0 } = response;
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece: string) => (text += piece));
        response.on("error", fail);
        response.on("end", () => {
          succeed({ status, headers: response.headers, text });
        });
      });
      request.end();
    });
  }

  #open(
    path: string,
    {
      method,
      body,
      key = null,
      headers,
      timeoutMilliseconds = TIMEOUT_MILLISECONDS,
      signal,
    }: RequestOptions,
    fail: (error: Error) => void,
  ): http.ClientRequest {
    const { url, connectAddress, certificateAuthority, acceptsAnyCertificate } = this.endpoint;
    const target = new URL(path, url);
    const name = unbracket(target.hostname);
    const isEncrypted = target.protocol === "https:";
    const request = (isEncrypted ? https : http).request({
      host: connectAddress ?? name,
      port: target.port === "" ? (isEncrypted ? 443 : 80) : Number(target.port),
      method: method ?? (body === undefined ? "GET" : "POST"),
      path: `${target.pathname}${target.search}`,
      headers: {
        host: target.host,
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      agent: this.#agent,
      signal: AbortSignal.any([
        AbortSignal.timeout(timeoutMilliseconds),
        ...(signal === undefined ? [] : [signal]),
      ]),
      ...(isEncrypted && {
        ...(isIP(name) === 0 && { servername: name }),
        ...(certificateAuthority !== undefined && {
          ca: certificateAuthority,
          // An authority may be an intermediate one.
          allowPartialTrustChain: true,
        }),
        rejectUnauthorized: acceptsAnyCertificate !== true,
        checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
          checkServerIdentity(name, certificate),
      }),
    });
    request.on("error", (error) => {
      fail(Object.assign(error, { isReused: request.reusedSocket }));
    });
    return request;
  }
}

/** Many requests at once may reach the rate limit of what stands in front of the proxy: ask again. */
async function patiently<T extends Omit<Answer, "json">>(
  ask: () => Promise<T>,
  attempts: number,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask();
    // LiteLLM's own refusal of that kind is JSON.
    const isLimited = answer.status === 429 && answer.text.trim() === "Too Many Requests";
    if (!isLimited || attempt === attempts) return answer;
    const seconds = Number(answer.headers["retry-after"] ?? 1);
    await sleep(Math.min(Math.max(seconds || 0, 0.5), 5) * 1000);
  }
}

/** An IPv6 address without the brackets of a URL. */
export const unbracket = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

/** Payload of the first frame that a server sent (it masks none); undefined while that is not complete. */
function readMessage(received: Buffer): string | undefined {
  if (received.length < 2) return undefined;
  const short = received.readUInt8(1) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (received.length < start) return undefined;
  const length =
    short < 126
      ? short
      : short === 126
        ? received.readUInt16BE(2)
        : Number(received.readBigUInt64BE(2));
  return received.length < start + length
    ? undefined
    : received.subarray(start, start + length).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
