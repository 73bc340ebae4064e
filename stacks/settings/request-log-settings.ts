import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { instant, integer } from "./scalars.ts";
import { namePattern } from "./secret-names.ts";

/** What becomes of the rows that tell of requests; with `database.engine` `sqlalchemy` or `both`. */
export const RequestLog = z.strictObject({
  retentionDays: integer({ min: 1, max: 36500 })
    .optional()
    .meta({
      description: "Rows that are older are deleted every night. Default: all are kept.",
      examples: [90],
    }),
  bufferRows: integer({ min: 100, max: 1_000_000 }).default(20_000).meta({
    description:
      "Rows that each worker holds at most while the database is away; later ones are counted, and lost.",
  }),
  spillMegabytes: integer({ min: 1, max: 100_000 }).default(256).meta({
    description:
      "Size of the file that takes rows while the database is away; they are written when it is back, after a restart too.",
  }),
});

export type RequestLogSettings = DeepReadonly<z.output<typeof RequestLog>>;

const StaticKey = z.strictObject({
  models: z
    .array(z.string().min(1))
    .default([])
    .meta({
      description: "Models that the key may use. Default: all.",
      examples: [["gpt-4o-mini"]],
    }),
  expires: instant()
    .optional()
    .meta({
      description: "When the key ends, ISO 8601. Default: never.",
      examples: ["2027-01-01T00:00:00Z"],
    }),
  userId: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "Who uses the key: stands in the request log." }),
  secret: z.string().regex(namePattern, "must be the name of an entry of secrets").optional().meta({
    description:
      "Name of the secret that is the key, `sk-…`. Default: a key is generated (output `staticKeys`).",
  }),
});

/** API keys that need no database of LiteLLM's, by alias. */
export const StaticKeys = z.record(
  z
    .string()
    .regex(
      namePattern,
      "must have a name in camelCase: letters and digits, starting with a small letter",
    ),
  StaticKey,
);

export type StaticKeysSettings = DeepReadonly<z.output<typeof StaticKeys>>;
