import type { Benchmark } from "./benchmark.ts";
import { waitForChat } from "./chat.ts";
import { DeployedGateway } from "./deployed-gateway.ts";
import { HandMadeGateway } from "./hand-made-gateway.ts";
import { compareLoads } from "./load.ts";

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
        return await compareLoads(context, deployed.endpoint, handMade.endpoint, {
          baselineName: "LiteLLM by hand",
          requestsPerSecond: { atLeast: 0.97 },
          p50: { atMost: 1.03 },
        });
      } finally {
        await handMade.remove();
      }
    } finally {
      await deployed.remove();
    }
  },
};
