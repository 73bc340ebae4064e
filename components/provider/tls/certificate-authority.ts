import { randomUUID } from "node:crypto";

import { z } from "zod";

import type { ResourceDefinition } from "../resource.ts";
import { createAuthority, isDue, type KeyAndCertificate } from "./x509.ts";

/** Of its validity: less than this left, and the certificate is made anew. */
const RENEWED_FRACTION = 0.2;

const inputs = z.strictObject({
  commonName: z.string().min(1).max(64).meta({ description: "Name that people see it under." }),
  validityDays: z.int().min(1).max(36_500).default(3650).meta({
    description: "Validity of its certificate. A plain `up` renews it in the last fifth.",
  }),
});

export type CertificateAuthorityInputs = z.output<typeof inputs>;

/**
 * A certificate authority that lives in the stack's state and nowhere else: who is to trust what
 * it signs, trusts its certificate. It keeps its key when its certificate is renewed.
 */
export const certificateAuthority = {
  token: "litellm:tls:CertificateAuthority",
  inputs,
  computedOutputs: ["certificate", "privateKey", "notAfter"],
  volatileOutputs: ["certificate", "notAfter"],
  secretOutputs: ["privateKey"],
  replaceOnChanges: ["commonName"],

  async create(_context, { commonName, validityDays }) {
    return { id: randomUUID(), outputs: await createAuthority(commonName, validityDays) };
  },

  // Nothing exists outside the state, so there is nothing to observe, and nothing to import from.
  read: (_context, _id, { inputs, outputs }) =>
    Promise.resolve(
      inputs.commonName === undefined || inputs.validityDays === undefined
        ? undefined
        : {
            inputs: { commonName: inputs.commonName, validityDays: inputs.validityDays },
            outputs: outputs as KeyAndCertificate,
          },
    ),

  update: (_context, _id, { inputs: { commonName, validityDays }, outputs }) =>
    createAuthority(commonName, validityDays, outputs.privateKey),

  delete: () => Promise.resolve(),

  drift: ({ notAfter }, { validityDays }) =>
    isDue(notAfter, validityDays * RENEWED_FRACTION) ? ["notAfter"] : [],
} satisfies ResourceDefinition<CertificateAuthorityInputs, KeyAndCertificate>;
