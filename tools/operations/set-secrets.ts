import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

import { setSecretCommand } from "../../stacks/settings/secret-names.ts";
import { type Pulumi, selectStack } from "../stack.ts";
import { shortenStackName } from "../stack-settings.ts";
import { ensureStateBackend } from "../state-backend.ts";
import { ensureToolchain } from "../toolchain.ts";
import type { BackupSecrets } from "./backup-content.ts";

/** A setting, and the arguments of `pulumi config set` for it. */
export interface PlannedSetting {
  readonly name: string;
  readonly value: string;
  readonly isSecret: boolean;
  /** Whether `name` is a path rather than the name of a setting. */
  readonly isPath: boolean;
}

/** Settings as `pulumi config --json --show-secrets` prints them. */
type Config = Readonly<Record<string, { readonly value?: string }>>;

/**
 * The settings that give a stack the secrets of a backup. A static key that the settings do not take
 * from a secret yet is made to.
 *
 * @throws Error when the stack has other ones, unless they may be replaced
 */
export function planSecrets(
  { settings, staticKeys }: BackupSecrets,
  config: Config,
  { stack, replace }: { readonly stack: string; readonly replace: boolean },
): PlannedSetting[] {
  const found = new Map(
    Object.entries(config).map(([key, { value }]) => [key.slice(key.indexOf(":") + 1), value]),
  );
  const keySettings = readObject(found.get("staticKeys"));
  const secrets = readObject(found.get("secrets"));
  const planned: PlannedSetting[] = Object.entries(settings).map(([name, value]) => ({
    ...{ name, value },
    isSecret: true,
    isPath: false,
  }));
  const isSame = new Set<string>();
  const differing = planned.filter(({ name, value }) => {
    if (found.get(name) === value) isSame.add(name);
    return found.get(name) !== undefined && found.get(name) !== value;
  });
  for (const [alias, value] of Object.entries(staticKeys)) {
    const { secret } = readObject(keySettings[alias]) as { secret?: string };
    const name = secret ?? `${alias}StaticKey`;
    const setting = { name: `secrets.${name}`, value, isSecret: true, isPath: true };
    if (secrets[name] === value) isSame.add(setting.name);
    else if (secrets[name] !== undefined) differing.push(setting);
    planned.push(setting);
    if (secret === undefined) {
      planned.push({
        ...{ name: `staticKeys.${alias}.secret`, value: name },
        ...{ isSecret: false, isPath: true },
      });
    }
  }
  if (differing.length > 0 && !replace) {
    const names = differing.map(({ name }) => name).join(", ");
    throw new Error(
      `stack ${stack} has another ${names} than the backup; what is deployed with it would change: if it may, add --replace, else restore to another stack: npm run pulumi -- stack init NAME`,
    );
  }
  return planned.filter(({ name }) => !isSame.has(name));
}

/** Sets the secrets of a backup in a stack's settings, by standard input. Returns the settings' names. */
export async function setSecrets(
  pulumi: Pulumi,
  stack: string,
  secrets: BackupSecrets,
  { replace }: { readonly replace: boolean },
): Promise<string[]> {
  const settingsFile = `Pulumi.${shortenStackName(stack)}.yaml`;
  if (!existsSync(settingsFile)) {
    throw new Error(
      `there is no ${settingsFile}; the backup holds that of its stack, to be copied: age --decrypt FILE | tar --extract`,
    );
  }
  await selectStack(pulumi, stack);
  const text = await pulumi.read("config", "--json", "--show-secrets", "--stack", stack);
  const planned = planSecrets(secrets, JSON.parse(text) as Config, { stack, replace });
  for (const setting of planned) await setSetting(stack, setting);
  return planned.map(({ name }) => name);
}

async function setSetting(
  stack: string,
  { name, value, isSecret, isPath }: PlannedSetting,
): Promise<void> {
  const toolchain = await ensureToolchain();
  const environment = { ...process.env, ...toolchain.environment };
  const flags = [...(isSecret ? ["--secret"] : []), ...(isPath ? ["--path"] : [])];
  const child = spawn(toolchain.pulumi, ["config", "set", ...flags, name, "--stack", stack], {
    env: { ...environment, ...ensureStateBackend(environment) },
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(value);
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new Error(`${name} was not set; see above, and set it: ${setSecretCommand(name)}`);
  }
}

function readObject(value: unknown): Readonly<Record<string, unknown>> {
  const parsed: unknown = typeof value === "string" ? JSON.parse(value) : value;
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}
