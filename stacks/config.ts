import * as pulumi from "@pulumi/pulumi";

import { readProjectFile } from "../components/project-file.ts";
import { fingerprintSecrets } from "./fingerprints.ts";
import {
  parseSettings,
  type RawConfig,
  type Settings,
  SettingsError,
} from "./settings/settings.ts";
import { selectProject, selectSecrets, type StoredValue } from "./settings/stored-config.ts";

/** The secrets that the user has set, by name: `openaiApiKey`, `groqApiKey` (of `secrets`), … */
export type Secrets = Readonly<Record<string, pulumi.Output<string>>>;

export interface Config {
  readonly settings: Settings;
  readonly secrets: Secrets;
  /** Of the secrets, by name; none where no name of a resource depends on them. */
  readonly fingerprints: Readonly<Record<string, string>>;
}

/**
 * Reads the stack's configuration. The only reader of `pulumi.Config`.
 *
 * @throws pulumi.RunError when the settings are wrong, with all errors at once
 */
export async function loadConfig(): Promise<Config> {
  const raw = readConfig(pulumi.getProject());
  const settings = parse(raw);
  const values = selectSecrets(settings.secretNames, raw);
  return {
    settings,
    secrets: wrapSecrets(values),
    fingerprints:
      settings.deployment.topology === "traefik" || settings.deployment.topology === "two-vm"
        ? await fingerprintSecrets(values, `${pulumi.getProject()}/${pulumi.getStack()}`)
        : {},
  };
}

function parse(raw: RawConfig): Settings {
  try {
    return parseSettings(raw, readProjectFile);
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
  const stored = Object.entries(pulumi.runtime.allConfig()).map(
    ([key, value]): [string, StoredValue] => [key, { value, secret: isConfigSecret(key) }],
  );
  return selectProject(project, Object.fromEntries(stored));
}

function wrapSecrets(values: Readonly<Record<string, string>>): Secrets {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, pulumi.secret(value)]),
  );
}
