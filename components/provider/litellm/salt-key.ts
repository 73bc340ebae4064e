import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import type { ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  value: z
    .string()
    .min(1)
    .meta({ description: "Key that LiteLLM encrypts stored credentials with. Never changes." }),
});

export type SaltKeyInputs = z.output<typeof inputs>;

export interface SaltKeyOutputs extends SaltKeyInputs {
  /** First 12 hexadecimal digits of its SHA-256: tells two keys apart and betrays neither. */
  readonly fingerprint: string;
}

/** LiteLLM's salt key: kept as it was first given, and refused once it differs. */
export const saltKey = {
  token: "litellm:index:SaltKey",
  inputs,
  computedOutputs: ["fingerprint"],
  secretOutputs: ["value"],

  check(inputs, previous) {
    return previous === undefined || previous.value === inputs.value
      ? []
      : [
          {
            property: "value",
            reason:
              "the salt key cannot be changed: what is stored in the database would be unreadable; " +
              "put the old value back: `pulumi config set --secret saltKey`, " +
              "or, if there was none, remove the override: `pulumi config rm saltKey`",
          },
        ];
  },

  create: (_context, inputs) =>
    Promise.resolve({ id: fingerprint(inputs.value), outputs: describe(inputs) }),

  // Nothing exists outside the state, so there is nothing to observe, and nothing to import from.
  read: (_context, _id, { inputs: { value } }) =>
    Promise.resolve(
      value === undefined ? undefined : { inputs: { value }, outputs: describe({ value }) },
    ),

  update: (_context, _id, { inputs }) => Promise.resolve(describe(inputs)),

  delete: () => Promise.resolve(),
} satisfies ResourceDefinition<SaltKeyInputs, SaltKeyOutputs>;

const describe = ({ value }: SaltKeyInputs): SaltKeyOutputs => ({
  value,
  fingerprint: fingerprint(value),
});

const fingerprint = (value: string): string => sha256(value).slice(0, 12);
