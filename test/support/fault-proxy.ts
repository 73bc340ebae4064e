import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

interface PassedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** How many came before, since the faults were planned. */
  readonly index: number;
}

/**
 * What goes wrong with one request: `refuse` ends the connection before it is handed on, `drop` when it has
 * been answered, instead of the answer.
 */
export type Fault =
  | "drop"
  | "refuse"
  | { readonly delayMilliseconds: number }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> };

/** A way to a gateway on which requests and answers get lost, as planned. */
export interface FaultProxy {
  readonly url: string;
  /** Since the faults were planned. */
  readonly requests: readonly PassedRequest[];
  /** What goes wrong from now on; nothing, where it returns undefined. */
  plan(faults: (request: PassedRequest) => Fault | undefined): void;
  close(): Promise<void>;
}

export async function openFaultProxy(target: string): Promise<FaultProxy> {
  let requests: PassedRequest[] = [];
  let findFault: (passed: PassedRequest) => Fault | undefined = () => undefined;
  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = "", url: path = "" } = incoming;
    const passed = { method, path, index: requests.length };
    requests.push(passed);
    const fault = findFault(passed);
    if (fault === "refuse") {
      response.destroy();
      return;
    }
    if (typeof fault === "object" && "status" in fault) {
      response.writeHead(fault.status, fault.headers).end("Try again");
      return;
    }
    if (typeof fault === "object") await sleep(fault.delayMilliseconds);
    const { status, headers, body } = await handOn(target, incoming);
    if (fault === "drop") response.destroy();
    else response.writeHead(status, headers).end(body);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    plan(faults) {
      requests = [];
      findFault = faults;
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function handOn(target: string, incoming: IncomingMessage) {
  const { method, headers, url = "" } = incoming;
  const outgoing = request(`${target}${url}`, {
    ...(method !== undefined && { method }),
    headers: { ...headers, connection: "close" },
  });
  incoming.pipe(outgoing);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const { "content-type": type = "application/json" } = answer.headers;
  return {
    status: answer.statusCode ?? 0,
    headers: { "content-type": type },
    body: Buffer.concat(chunks),
  };
}
