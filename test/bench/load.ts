import autocannon from "autocannon";

import {
  type BenchmarkContext,
  type Comparison,
  type Endpoint,
  measurePairs,
  pick,
} from "./benchmark.ts";
import { composeChat } from "./chat.ts";

const CONNECTIONS = 10;
const SECONDS = 15;
const WARM_UP_SECONDS = 5;

type Goal = Comparison["goal"];

export interface LoadGoals {
  readonly baselineName: string;
  readonly requestsPerSecond: Goal;
  /** Latencies without a goal are not reported. */
  readonly p50?: Goal;
  readonly p99?: Goal;
}

/** Sends chats over several connections to a gateway and its baseline in turn. */
export async function compareLoads(
  context: BenchmarkContext,
  gateway: Endpoint,
  baseline: Endpoint,
  { baselineName, requestsPerSecond, p50, p99 }: LoadGoals,
): Promise<Comparison[]> {
  const { signal } = context;
  for (const endpoint of [gateway, baseline]) {
    await sendChats(endpoint, WARM_UP_SECONDS, signal);
  }
  const loads = await measurePairs(
    context,
    () => sendChats(gateway, SECONDS, signal),
    () => sendChats(baseline, SECONDS, signal),
  );
  const latency = (name: string, key: "p50Milliseconds" | "p99Milliseconds", goal?: Goal) =>
    goal === undefined
      ? []
      : [{ name, baselineName, unit: "ms" as const, ...pick(loads, key), goal }];
  return [
    {
      name: `chats over ${CONNECTIONS} connections`,
      baselineName,
      unit: "requests/s",
      ...pick(loads, "requestsPerSecond"),
      goal: requestsPerSecond,
    },
    ...latency("their median latency", "p50Milliseconds", p50),
    ...latency("their 99th percentile", "p99Milliseconds", p99),
  ];
}

async function sendChats(endpoint: Endpoint, seconds: number, signal: AbortSignal) {
  const latencies: number[] = [];
  const result = await new Promise<autocannon.Result>((succeed, fail) => {
    const { host, certificateAuthority } = endpoint;
    const options = {
      ...composeChat(endpoint),
      connections: CONNECTIONS,
      duration: seconds,
      ...(certificateAuthority !== undefined && {
        tlsOptions: { ca: certificateAuthority, ...(host !== undefined && { servername: host }) },
      }),
    };
    const run = autocannon(options, (error: Error | null, result) => {
      signal.removeEventListener("abort", stop);
      if (error === null) {
        succeed(result);
      } else {
        fail(error);
      }
    });
    const stop = () => {
      run.stop();
    };
    signal.addEventListener("abort", stop);
    // Its own percentiles are whole milliseconds.
    run.on("response", (_client, _status, _bytes, milliseconds) => latencies.push(milliseconds));
  });
  signal.throwIfAborted();
  if (result.non2xx + result.errors + result.timeouts > 0 || latencies.length === 0) {
    throw new Error(
      `${endpoint.url} answered ${result["2xx"]} chats; with ${result.non2xx} the status was not 200, ${result.errors} failed and ${result.timeouts} took too long`,
    );
  }
  latencies.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return {
    requestsPerSecond: latencies.length / result.duration,
    p50Milliseconds: percentile(0.5),
    p99Milliseconds: percentile(0.99),
  };
}
