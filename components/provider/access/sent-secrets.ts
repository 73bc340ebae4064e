import { sha256 } from "../../../stacks/sha256.ts";
import { isKeyHash } from "./key-value.ts";

/** Shorter texts are left alone: to hide them would garble every message. */
const SHORTEST_SECRET = 8;
/** Parts of LiteLLM's bodies that hold keys, all that is in them. */
const SECRET_PARTS = new Set([
  "credential_values",
  "key",
  "keys",
  "litellm_params",
  "new_key",
  "new_master_key",
  "password",
]);
/** What of `litellm_params` is said aloud: a message without the model's name helps nobody. */
const PUBLIC_PARTS = new Set(["model", "api_base", "custom_llm_provider"]);

/** Hides in a text what was sent in secret: LiteLLM repeats some of it, or its SHA-256, in its answers. */
export function hideSent(text: string, masterKey: string, body: object | undefined): string {
  return [masterKey, ...listSecrets(body, false)]
    .filter((secret) => secret.length >= SHORTEST_SECRET && !isKeyHash(secret))
    .toSorted((a, b) => b.length - a.length)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), sha256(secret)])
    .reduce((hidden, secret) => hidden.replaceAll(secret, "[secret]"), text);
}

function listSecrets(value: unknown, isSecret: boolean): string[] {
  if (typeof value === "string") return isSecret ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    listSecrets(part, isSecret ? !PUBLIC_PARTS.has(name) : SECRET_PARTS.has(name)),
  );
}
