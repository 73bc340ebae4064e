import { z } from "zod";

import type { CheckFailure } from "../resource.ts";
import { fixedDuration, readMilliseconds } from "./fixed-duration.ts";
import type { PreviousKey } from "./key-rotation.ts";
import { budgetDuration, dollars, limit } from "./limits.ts";
import { userMetadata } from "./metadata.ts";

export const virtualKeyInputs = z.strictObject({
  /** Unique in the gateway. */
  alias: z.string().min(1),
  /** Whose models and budget hold for the key too. Default: none. */
  teamId: z.string().min(1).optional(),
  userId: z.string().min(1).optional(),
  /** Limits that are described once for several keys. Default: none. */
  budgetId: z.string().min(1).optional(),
  /** Default: all that its team may use, without a team all. */
  models: z.array(z.string().min(1)).default([]),
  /** In US dollars. Default: no limit of its own. */
  maxBudget: dollars.optional(),
  /** Spending more is reported, and not refused. Default: none. */
  softBudget: dollars.optional(),
  /** After it the spending starts at zero again. Default: never. */
  budgetDuration: budgetDuration.optional(),
  rpmLimit: limit.optional(),
  tpmLimit: limit.optional(),
  maxParallelRequests: limit.optional(),
  /** By name of the model. Default: no limits of this kind. */
  modelRpmLimit: z.record(z.string(), limit).optional(),
  modelTpmLimit: z.record(z.string(), limit).optional(),
  /** From when on it is refused, such as `2027-01-01T00:00:00Z`; to the minute. Default: never. */
  expires: z.iso
    .datetime({ offset: true, error: "must be an instant such as 2027-01-01T00:00:00Z" })
    .optional(),
  blocked: z.boolean().default(false),
  /** Default: all that is no administration. */
  allowedRoutes: z.array(z.string().min(1)).optional(),
  metadata: userMetadata,
  /** A value that exists already. Another one is a rotation. Default: one is made. */
  value: z
    .string()
    // LiteLLM refuses any other. Source: litellm, _common_key_generation_helper.
    .regex(/^sk-\S{13,}$/, "must begin with sk- and have 16 characters or more")
    .optional(),
  /** Another number makes a new value. */
  generation: z.int().min(1).default(1),
  /** Age at which the next `up` makes a new value. Default: never. */
  rotateAfter: fixedDuration.optional(),
  /** How long the old value works beside a new one; `0s`: it ends at once. */
  overlap: fixedDuration.default("24h"),
  /** Take over a key that has the alias already. Its value stays unknown. */
  adopt: z.boolean().default(false),
});

export type VirtualKeyInputs = z.output<typeof virtualKeyInputs>;

export interface VirtualKeyOutputs {
  /** undefined where the key was imported or taken over: LiteLLM does not give it away. */
  readonly value: string | undefined;
  /** SHA-256 of the value: what LiteLLM calls the key by. */
  readonly tokenId: string;
  /** When this value was made. */
  readonly createdAt: string;
  /** Values before this one that LiteLLM still has. */
  readonly previous: readonly PreviousKey[];
  /** What LiteLLM's own settings have filled in when it was made, by our names: no drift. */
  readonly serverDefaults: Record<string, unknown>;
}

/**
 * What the schema cannot say.
 *
 * @param now - milliseconds since 1970
 */
export function checkKey(
  inputs: VirtualKeyInputs,
  previous: VirtualKeyInputs | undefined,
  now: number,
): CheckFailure[] {
  const failures: CheckFailure[] = [];
  const fail = (property: keyof VirtualKeyInputs, reason: string) =>
    failures.push({ property, reason });
  const { value, budgetId, softBudget, expires, rotateAfter, overlap, generation } = inputs;
  if (budgetId !== undefined && softBudget !== undefined) {
    fail("softBudget", "is that of the budget which budgetId names: leave one of them out");
  }
  if (previous === undefined && expires !== undefined && Date.parse(expires) <= now) {
    fail("expires", `${expires} is over: a key that is made now would never work`);
  }
  if (rotateAfter !== undefined) {
    if (value !== undefined) {
      fail("rotateAfter", "a value that is given is not made anew: leave one of them out");
    } else if (readMilliseconds(rotateAfter) <= readMilliseconds(overlap)) {
      fail("rotateAfter", `must be longer than overlap, which is ${overlap}`);
    }
  }
  if (value !== undefined && value === previous?.value && generation !== previous.generation) {
    fail("generation", "a value that is given is not made anew: give another value instead");
  }
  return failures;
}
