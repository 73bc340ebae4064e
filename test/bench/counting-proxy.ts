import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** Shorter than uvicorn keeps a connection that nobody uses, which is 5 s. */
const IDLE_MILLISECONDS = 3000;

export interface CountingProxy {
  readonly url: string;
  /** Requests since the last look, by method and path without its query. */
  takeCounts(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Stands in front of an HTTP server, hands on what comes, and counts it. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const agent = new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS });
  let counts = new Map<string, number>();

  const server = http.createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const name = `${method} ${url.split("?")[0] ?? ""}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const request = http.request({ hostname, port, method, path: url, headers, agent });
    request.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    request.on("error", () => outgoing.destroy());
    incoming.pipe(request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    takeCounts() {
      const taken = counts;
      counts = new Map();
      return taken;
    },
    async close() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
