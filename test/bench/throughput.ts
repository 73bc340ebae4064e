import autocannon from "autocannon";

import {
  type Benchmark,
  type BenchmarkContext,
  type Endpoint,
  measurePairs,
  pick,
} from "./benchmark.ts";
import { composeChat, waitForChat } from "./chat.ts";
import { DeployedGateway } from "./deployed-gateway.ts";
import { HandMadeGateway } from "./hand-made-gateway.ts";

const CONNECTIONS = 10;
const SECONDS = 15;
const WARM_UP_SECONDS = 5;

/** Chats through the deployed gateway, beside a LiteLLM that was started by hand. */
export const throughput: Benchmark = {
  pairs: 5,
  async run(context) {
    const deployed = await DeployedGateway.create();
    try {
      await deployed.launch();
      const handMade = await HandMadeGateway.create();
      try {
        await waitForChat(handMade.endpoint, handMade.launch(), context.signal);
        return await compare(context, deployed.endpoint, handMade.endpoint);
      } finally {
        await handMade.remove();
      }
    } finally {
      await deployed.remove();
    }
  },
};

async function compare(context: BenchmarkContext, deployed: Endpoint, handMade: Endpoint) {
  const { signal } = context;
  for (const endpoint of [deployed, handMade]) {
    await sendChats(endpoint, WARM_UP_SECONDS, signal);
  }
  const loads = await measurePairs(
    context,
    () => sendChats(deployed, SECONDS, signal),
    () => sendChats(handMade, SECONDS, signal),
  );
  const baselineName = "LiteLLM by hand";
  return [
    {
      name: `chats over ${CONNECTIONS} connections`,
      baselineName,
      unit: "requests/s" as const,
      ...pick(loads, "requestsPerSecond"),
      goal: { atLeast: 0.97 },
    },
    {
      name: "their median latency",
      baselineName,
      unit: "ms" as const,
      ...pick(loads, "p50Milliseconds"),
      goal: { atMost: 1.03 },
    },
  ];
}

async function sendChats(endpoint: Endpoint, seconds: number, signal: AbortSignal) {
  const latencies: number[] = [];
  const result = await new Promise<autocannon.Result>((succeed, fail) => {
    const options = { ...composeChat(endpoint), connections: CONNECTIONS, duration: seconds };
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
  return {
    requestsPerSecond: latencies.length / result.duration,
    p50Milliseconds: latencies[Math.floor(latencies.length / 2)] ?? Number.NaN,
  };
}
