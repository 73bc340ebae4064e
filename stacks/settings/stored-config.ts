import { isTopLevelSecret } from "./secret-names.ts";
import type { RawConfig } from "./settings.ts";

/** A value as Pulumi stores it, decrypted. */
export interface StoredValue {
  readonly value: unknown;
  /** Whether it, or a part of it, was set with `--secret`. */
  readonly secret: boolean;
}

/** What is stored for one project, of a configuration by `<project>:<key>`. */
export function selectProject(
  project: string,
  stored: Readonly<Record<string, StoredValue>>,
): RawConfig {
  const plain: Record<string, unknown> = {};
  const secret: Record<string, unknown> = {};
  for (const [key, { value, secret: isSecret }] of Object.entries(stored)) {
    if (!key.startsWith(`${project}:`)) continue;
    // A list or object with a secret anywhere in it arrives decrypted and is secret as a whole.
    const target = isSecret ? secret : plain;
    target[key.slice(project.length + 1)] = value;
  }
  return { plain, secret };
}

/** Values of the secrets that valid settings name. */
export function selectSecrets(
  names: readonly string[],
  { secret }: RawConfig,
): Record<string, string> {
  const others = secret["secrets"] === undefined ? {} : parseSecrets(secret["secrets"]);
  return Object.fromEntries(
    names.map((name) => [name, (isTopLevelSecret(name) ? secret[name] : others[name]) as string]),
  );
}

function parseSecrets(value: unknown): Record<string, unknown> {
  return (typeof value === "string" ? JSON.parse(value) : value) as Record<string, unknown>;
}
