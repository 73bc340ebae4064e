import * as pulumi from "@pulumi/pulumi";

import { isTopLevelSecret } from "./secret-names.ts";
import { parseSettings, type RawConfig, type Settings, SettingsError } from "./settings.ts";

/** The secrets that the user has set, by name: `openaiApiKey`, `groqApiKey` (of `secrets`), … */
export type Secrets = Readonly<Record<string, pulumi.Output<string>>>;

/**
 * Reads the stack's configuration. The only reader of `pulumi.Config`.
 *
 * @throws pulumi.RunError when the settings are wrong, with all errors at once
 */
export function loadConfig(): { readonly settings: Settings; readonly secrets: Secrets } {
  const raw = readConfig(pulumi.getProject());
  try {
    const settings = parseSettings(raw);
    return { settings, secrets: wrapSecrets(settings.secretNames, raw) };
  } catch (error) {
    // A user's mistake needs no stack trace; Pulumi prints none for a RunError.
    if (error instanceof SettingsError) throw new pulumi.RunError(error.message);
    throw error;
  }
}

/** Present at run time, and the only way to learn which keys hold secrets; left out of the typings. */
const { isConfigSecret } = pulumi.runtime as typeof pulumi.runtime & {
  readonly isConfigSecret: (key: string) => boolean;
};

function readConfig(project: string): RawConfig {
  const plain: Record<string, unknown> = {};
  const secret: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (!key.startsWith(`${project}:`)) continue;
    // A list or object with a secret anywhere in it arrives decrypted and is secret as a whole.
    const target = isConfigSecret(key) ? secret : plain;
    target[key.slice(project.length + 1)] = value;
  }
  return { plain, secret };
}

function wrapSecrets(names: readonly string[], { secret }: RawConfig): Secrets {
  const others = secret["secrets"] === undefined ? {} : parseSecrets(secret["secrets"]);
  return Object.fromEntries(
    names.map((name) => {
      const value = isTopLevelSecret(name) ? secret[name] : others[name];
      return [name, pulumi.secret(value as string)];
    }),
  );
}

function parseSecrets(value: unknown): Record<string, unknown> {
  return (typeof value === "string" ? JSON.parse(value) : value) as Record<string, unknown>;
}
