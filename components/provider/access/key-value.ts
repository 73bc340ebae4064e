import { randomBytes } from "node:crypto";

import { sha256 } from "../../../stacks/sha256.ts";

/** 256 bits: LiteLLM's own have 128. */
const RANDOM_BYTES = 32;

/** A value for a new key; made here, so that its hash is known before LiteLLM is asked. */
export function generateKeyValue(): string {
  return `sk-${randomBytes(RANDOM_BYTES).toString("base64url")}`;
}

/** What LiteLLM stores of a key, and calls it by. Source: litellm, hash_token. */
export function hashKey(value: string): string {
  return sha256(value);
}

/** Whether this text is such a hash. */
export const isKeyHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);

/** Whether a value was given, and is another than that with this hash. */
export function isOtherValue(value: string | undefined, tokenId: string): boolean {
  return value !== undefined && hashKey(value) !== tokenId;
}
