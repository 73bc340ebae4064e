import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { integer, number } from "./scalars.ts";

/** LiteLLM's strategies; a test compares the list with that of the pinned package. */
export const routingStrategies = [
  "simple-shuffle",
  "least-busy",
  "latency-based-routing",
  "usage-based-routing",
  "usage-based-routing-v2",
  "cost-based-routing",
  "provider-budget-routing",
  "lar1",
] as const;

/** Strategies that go by what the deployments of a model have done before: each process knows its own. */
export const countingStrategies: ReadonlySet<string> = new Set<(typeof routingStrategies)[number]>([
  "least-busy",
  "latency-based-routing",
  "usage-based-routing",
  "usage-based-routing-v2",
  "provider-budget-routing",
]);

const modelName = z.string().trim().min(1);
const fallbacksOfModels = z.record(modelName, z.array(modelName).min(1)).default({});

/** How a request is given to one of the definitions of a model, and what follows when that fails. */
export const Router = z.strictObject({
  strategy: z
    .enum(routingStrategies)
    .optional()
    .meta({
      description:
        "How one of several definitions of a model is chosen. Default: LiteLLM's own, `simple-shuffle`.",
      examples: ["simple-shuffle"],
    }),
  retries: integer({ min: 0, max: 100 })
    .optional()
    .meta({
      description: "How often a failed request is tried again. Default: LiteLLM's own, 2.",
      examples: [2],
    }),
  allowedFails: integer({ min: 0 })
    .optional()
    .meta({
      description:
        "Failures in a minute after which a definition is left out for a while. Default: LiteLLM's own, 3.",
      examples: [3],
    }),
  cooldownSeconds: number({ min: 0 })
    .optional()
    .meta({
      description: "How long it is left out, in seconds. Default: LiteLLM's own, 5.",
      examples: [30],
    }),
  timeoutSeconds: number({ above: 0 })
    .optional()
    .meta({
      description:
        "Longest duration of a request with its retries, in seconds. Default: `requestTimeoutSeconds`.",
      examples: [120],
    }),
  contextWindowFallbacks: fallbacksOfModels.meta({
    description: "Models to try, in this order, when a request is too long for a model.",
    examples: [{ "gpt-5-mini": ["gpt-5"] }],
  }),
  contentPolicyFallbacks: fallbacksOfModels.meta({
    description: "Models to try, in this order, when a model's provider refuses the content.",
    examples: [{ "gpt-5": ["claude-sonnet"] }],
  }),
  defaultFallbacks: z
    .array(modelName)
    .default([])
    .meta({
      description: "Models to try, in this order, for every model without fallbacks of its own.",
      examples: [["gpt-5-mini"]],
    }),
});

export type RouterSettings = DeepReadonly<z.output<typeof Router>>;
