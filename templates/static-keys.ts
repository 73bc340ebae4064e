import { createHash } from "node:crypto";

export interface StaticKey {
  readonly alias: string;
  /** `sk-…`; only its digest is written. */
  readonly key: string;
  /** Models that it may use; none named: all. */
  readonly models: readonly string[];
  /** ISO 8601; undefined: never. */
  readonly expires: string | undefined;
  readonly userId: string | undefined;
}

/** static-keys.json, as `litellm_request_log.authentication` reads it: what each key may, by its SHA-256. */
export function renderStaticKeys(keys: readonly StaticKey[]): string {
  const entries = keys.map(({ alias, key, models, expires = null, userId = null }) => [
    createHash("sha256").update(key).digest("hex"),
    { alias, models, expires, userId },
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`;
}
