import { availableParallelism } from "node:os";

import { dockerEngine } from "../lab/environment.ts";
import type { GatewayProject } from "../support/gateway-project.ts";
import { BareContainer, QuickstartGateway } from "./bare-container.ts";
import { type Benchmark, type BenchmarkContext, measurePairs, pick } from "./benchmark.ts";
import { MODELS, waitForChat } from "./chat.ts";
import { ComposeGateway } from "./compose-gateway.ts";
import { DeployedGateway } from "./deployed-gateway.ts";
import { compareLoads } from "./load.ts";
import { measurePreview } from "./preview.ts";
import { measure } from "./up.ts";

/** As many as the guide to production says: one for each CPU. */
const DEPLOYMENT = { workers: availableParallelism() };

/** A gateway in containers with the production profile. */
function create(): Promise<DeployedGateway> {
  const { available, reason } = dockerEngine();
  if (!available) throw new Error(`this benchmark ${reason}`);
  return DeployedGateway.create((project: GatewayProject) => {
    project.configureContainers({ models: MODELS, deployment: DEPLOYMENT });
  });
}

/** From nothing to the first answered chat, beside `docker compose up --wait` of the same containers. */
export const dockerUp: Benchmark = {
  pairs: 3,
  async run(context) {
    const figures = await measurePairs(
      context,
      async () => measure(context, await create()),
      async () => measure(context, await ComposeGateway.create(DEPLOYMENT)),
    );
    return [
      {
        name: "Docker: first `up` until a chat is answered",
        baselineName: "`docker compose up --wait`",
        unit: "s",
        ...pick(figures, "seconds"),
        goal: { atMost: 1.15 },
      },
    ];
  },
};

/** A preview without changes, beside that of an empty program. */
export const dockerPreview: Benchmark = {
  pairs: 9,
  async run(context) {
    const comparisons = await measurePreview(context, await create());
    return comparisons.map((comparison) => ({
      ...comparison,
      name: `Docker: ${comparison.name}`,
    }));
  },
};

/** Chats through the deployed gateway, beside its image without all that the deployment adds. */
export const dockerThroughput: Benchmark = {
  pairs: 5,
  async run(context) {
    return withDeployed(context, async (deployed) => {
      const bare = await BareContainer.create(deployed.namePrefix, deployed.endpoint.masterKey);
      try {
        await waitForChat(bare.endpoint, bare.launch(), context.signal);
        return await compareLoads(context, deployed.endpoint, bare.endpoint, {
          baselineName: "the image by `docker run`",
          requestsPerSecond: { atLeast: 0.97 },
          p50: { atMost: 1.03 },
          p99: { atMost: 1.03 },
        });
      } finally {
        await bare.remove();
      }
    });
  },
};

/** Chats with the production profile, beside LiteLLM's quickstart on the same cores. */
export const dockerProfile: Benchmark = {
  pairs: 5,
  async run(context) {
    return withDeployed(context, async (deployed) => {
      const quickstart = await QuickstartGateway.create(deployed.namePrefix);
      try {
        await waitForChat(quickstart.endpoint, quickstart.launch(), context.signal);
        return await compareLoads(context, deployed.endpoint, quickstart.endpoint, {
          baselineName: "LiteLLM's quickstart",
          requestsPerSecond: { atLeast: 1.5 },
        });
      } finally {
        await quickstart.remove();
      }
    });
  },
};

async function withDeployed<Result>(
  { signal }: BenchmarkContext,
  use: (deployed: DeployedGateway) => Promise<Result>,
): Promise<Result> {
  const deployed = await create();
  try {
    await deployed.launch();
    signal.throwIfAborted();
    return await use(deployed);
  } finally {
    await deployed.remove();
  }
}
