import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** What clients have seen while something was changed under them. */
interface LoadReport {
  readonly requests: number;
  readonly streams: number;
  /** One line for each request that failed, and each stream that was cut. */
  readonly failures: readonly string[];
  /** Who answered, by the body of the answers. */
  readonly answers: ReadonlySet<string>;
}

interface RollingLoad {
  /** Requests that were answered so far. */
  readonly requests: number;
  /** No new requests; resolves when the last one is answered. */
  stop(): Promise<LoadReport>;
}

interface RollingLoadOptions {
  readonly port: number;
  readonly clients: number;
  readonly streamClients: number;
  readonly path: string;
  /** Its answer must end with the line `end`. */
  readonly streamPath: string;
}

/** Between two requests of a client: it shall not keep the machine from the change. */
const PAUSE_MILLISECONDS = 20;

/** Constant requests and streams to a server on this machine, until they are stopped. */
export function startLoad(options: RollingLoadOptions): RollingLoad {
  const { port, clients, streamClients, path, streamPath } = options;
  const agent = new Agent({ keepAlive: true });
  const failures: string[] = [];
  const answers = new Set<string>();
  let [requests, streams, isOver] = [0, 0, false];

  const get = (wanted: string) =>
    new Promise<string>((succeed, fail) => {
      const sent = request({ host: "127.0.0.1", port, path: wanted, agent }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (body += chunk));
        response.on("error", fail);
        response.on("end", () => {
          if (response.statusCode === 200) succeed(body);
          else fail(new Error(`${response.statusCode ?? 0} ${body}`));
        });
      });
      sent.on("error", fail);
      sent.end();
    });
  const ask = async (): Promise<void> => {
    while (!isOver) {
      try {
        answers.add(await get(path));
      } catch (error) {
        failures.push((error as Error).message);
      }
      requests += 1;
      await sleep(PAUSE_MILLISECONDS);
    }
  };
  const listen = async (): Promise<void> => {
    while (!isOver) {
      try {
        const body = await get(streamPath);
        if (!body.endsWith("end\n")) failures.push(`cut after ${body.length} characters`);
      } catch (error) {
        failures.push(`stream: ${(error as Error).message}`);
      }
      streams += 1;
    }
  };
  const running = Promise.all([
    ...Array.from({ length: clients }, ask),
    ...Array.from({ length: streamClients }, listen),
  ]);
  return {
    get requests() {
      return requests;
    },
    async stop() {
      isOver = true;
      await running;
      agent.destroy();
      return { requests, streams, failures, answers };
    },
  };
}
