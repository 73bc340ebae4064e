import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { boolean, integer } from "./scalars.ts";

/** Answers that are kept in Redis, and given again to the same request. */
export const Cache = z.strictObject({
  enabled: boolean()
    .default(false)
    .meta({ description: "Keep answers in Redis; needs `redis`.", examples: [true] }),
  ttlSeconds: integer({ min: 1 })
    .default(600)
    .meta({ description: "How long an answer is kept, in seconds.", examples: [600] }),
  mode: z.enum(["default_on", "default_off"]).default("default_on").meta({
    description:
      'For all requests, or (`default_off`) only for those with `"cache": {"use-cache": true}`.',
  }),
  sharedBetweenKeys: boolean().default(false).meta({
    description:
      "Give an answer that was made for one API key to the others too; else each key has its own.",
  }),
});

export type CacheSettings = DeepReadonly<z.output<typeof Cache>>;
