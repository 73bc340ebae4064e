import { z } from "zod";

import { connection as machineConnection } from "../ssh/connection.ts";

/** How the admin API of a gateway is reached: the configuration of an explicit provider. */
export const gatewayConnection = z.strictObject({
  /** Base URL; a path is that of SERVER_ROOT_PATH. Messages name it: there is no password in it. */
  url: z
    .url({ protocol: /^https?$/, error: "must be a URL such as https://litellm.example.com" })
    .refine(
      (url) => !/[?#]|^\w+:\/\/[^/]*@/.test(url),
      "must be a base URL such as https://litellm.example.com: no user, no password, no query",
    ),
  masterKey: z.string().min(1),
  /** PEM of the authorities to trust, and no others. Default: the public ones. */
  certificateAuthority: z
    .string()
    .includes("-----BEGIN CERTIFICATE-----", { error: "must be certificates in PEM" })
    .optional(),
  /** Address to connect to, whatever the name in `url` resolves to. Default: what it resolves to. */
  connectAddress: z.string().optional(),
  /**
   * A machine that sees the gateway where this one does not: `url` is as that machine sees it. Pulumi
   * hands a provider texts only, so this one is JSON.
   */
  machine: z.preprocess(parseText, machineConnection).optional(),
  /** Requests that are under way at once. Default: 8. */
  concurrency: z.coerce.number().int().min(1).max(64).default(8),
  /** How long a gateway that is down, or too busy, is waited for. Default: 120. */
  patienceSeconds: z.coerce.number().min(0).max(3600).default(120),
});

/** What is no JSON is left to the schema to complain about: it may hold a password. */
function parseText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

export type GatewayConnection = z.output<typeof gatewayConnection>;
