import { gatewaySecrets, toCamelCase } from "../../stacks/settings/secret-names.ts";

/** What LiteLLM shows instead of a secret: `sk****23`. */
export function isMasked(value: unknown): boolean {
  return typeof value === "string" && /\*{4}/.test(value);
}

/**
 * The name of the secret that a hidden value is to be set as: `groq` and `api_key` are `groqApiKey`.
 *
 * @param taken - names that others have; the new one is added
 */
export function chooseSecretName(entry: string, value: string, taken: Set<string>): string {
  const proposed = toCamelCase(`${entry}_${value}`);
  let name = proposed;
  for (let count = 2; taken.has(name) || gatewaySecrets.has(name); count++) {
    name = `${proposed}${count}`;
  }
  taken.add(name);
  return name;
}
