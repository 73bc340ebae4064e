import {
  type Benchmark,
  type BenchmarkContext,
  type BenchmarkedGateway,
  measurePairs,
  pick,
  time,
} from "./benchmark.ts";
import { waitForChat } from "./chat.ts";
import { DeployedGateway } from "./deployed-gateway.ts";
import { HandMadeGateway } from "./hand-made-gateway.ts";

/** From nothing but warm package caches to the first answered chat, beside a shell script that does the same. */
export const up: Benchmark = {
  pairs: 3,
  async run(context) {
    context.log("filling the package caches");
    // Also restores the links of PostgreSQL's distribution that npm cannot install.
    await measure(context, await DeployedGateway.create());
    const figures = await measurePairs(
      context,
      async () => measure(context, await DeployedGateway.create()),
      async () => measure(context, await HandMadeGateway.create()),
    );
    return [
      {
        name: "first `up` until a chat is answered",
        baselineName: "shell script",
        unit: "s",
        ...pick(figures, "seconds"),
        goal: { atMost: 1.25 },
      },
    ];
  },
};

/** Launches the gateway until a chat is answered, and removes it. */
export async function measure({ signal }: BenchmarkContext, gateway: BenchmarkedGateway) {
  try {
    return await time(() => waitForChat(gateway.endpoint, gateway.launch(), signal));
  } finally {
    await gateway.remove();
  }
}
