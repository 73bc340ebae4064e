import { randomUUID } from "node:crypto";
import { isIP } from "node:net";

import { z } from "zod";

import type { ResourceDefinition } from "../resource.ts";
import { isDue, issueCertificate, type KeyAndCertificate } from "./x509.ts";

const DNS_NAME =
  /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

const inputs = z.strictObject({
  authorityCertificate: z.string().min(1).meta({ description: "Of the issuer, PEM." }),
  authorityPrivateKey: z.string().min(1).meta({ description: "Of the issuer, PEM. Secret." }),
  names: z
    .array(
      z.string().refine((name) => isIP(name) !== 0 || DNS_NAME.test(name), {
        error: "must be a DNS name or an IP address",
      }),
    )
    .min(1)
    .meta({ description: "DNS names and IP addresses that the server is reached under." }),
  // Browsers refuse certificates that are valid for longer than 398 days.
  validityDays: z.int().min(1).max(398).default(397).meta({ description: "From today on." }),
  renewBeforeDays: z.int().min(0).default(30).meta({
    description: "A plain `up` makes it anew when it is valid for no longer than that.",
  }),
});

export type CertificateInputs = z.output<typeof inputs>;

/** A server's certificate, with a key of its own, by an authority whose key the stack has. */
export const certificate = {
  token: "litellm:tls:Certificate",
  inputs,
  computedOutputs: ["certificate", "privateKey", "notAfter"],
  volatileOutputs: ["certificate", "privateKey", "notAfter"],
  secretOutputs: ["privateKey"],
  secretWhenImported: ["authorityPrivateKey"],
  replaceOnChanges: ["names"],

  check: ({ validityDays, renewBeforeDays }) =>
    renewBeforeDays < validityDays
      ? []
      : [
          {
            property: "renewBeforeDays",
            reason: `must be less than validityDays, ${validityDays}: every \`up\` would make the certificate anew`,
          },
        ],

  async create(_context, inputs) {
    return { id: randomUUID(), outputs: await issue(inputs) };
  },

  // Nothing exists outside the state, so there is nothing to observe, and nothing to import from.
  read: (_context, _id, { inputs, outputs }) =>
    Promise.resolve(
      inputs.names === undefined
        ? undefined
        : { inputs: inputs as CertificateInputs, outputs: outputs as KeyAndCertificate },
    ),

  update: (_context, _id, { inputs }) => issue(inputs),

  delete: () => Promise.resolve(),

  drift: ({ notAfter }, { renewBeforeDays }) =>
    isDue(notAfter, renewBeforeDays) ? ["notAfter"] : [],
} satisfies ResourceDefinition<CertificateInputs, KeyAndCertificate>;

const issue = ({
  authorityCertificate,
  authorityPrivateKey,
  names,
  validityDays,
}: CertificateInputs): Promise<KeyAndCertificate> =>
  issueCertificate(
    { certificate: authorityCertificate, privateKey: authorityPrivateKey },
    names,
    validityDays,
  );
