import type { Issue, Path } from "./issue.ts";
import { setCommand } from "./issue.ts";
import { referencedVariables } from "./litellm-keys.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { environmentVariableOf, setSecretCommand, toCamelCase } from "./secret-names.ts";

/** What the environment of the proxy follows from. */
interface EnvironmentSources {
  readonly secretNames: Iterable<string>;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly redis: RedisSettings | undefined;
}

/** Names of the environment variables that LiteLLM's settings may refer to. */
export function listProvidedVariables(sources: EnvironmentSources): ReadonlySet<string> {
  const { secretNames, environmentVariables, redis } = sources;
  const names = [
    ...[...secretNames, "masterKey", "saltKey", "uiPassword"].map(environmentVariableOf),
    ...Object.keys(environmentVariables),
    ...(redis === undefined || redis.kind === "none" ? [] : ["REDIS_HOST", "REDIS_PORT"]),
    ...(redis?.kind === "managed" ? ["REDIS_PASSWORD"] : []),
  ];
  return new Set(names.filter((name) => name !== undefined));
}

/** `os.environ/NAME` in LiteLLM's settings must be provided, or LiteLLM goes on with nothing. */
export function checkReferencesIn(
  value: unknown,
  base: Path,
  provided: ReadonlySet<string>,
): Issue[] {
  return [...referencedVariables(value, base)]
    .filter(({ environmentVariable }) => !provided.has(environmentVariable))
    .map(({ path, environmentVariable }) => ({
      path,
      message: `refers to ${environmentVariable}, which neither a secret nor environmentVariables provides`,
      command: provideCommand(environmentVariable),
    }));
}

/** The command that provides an environment variable. */
function provideCommand(environmentVariable: string): string {
  return /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)$/i.test(environmentVariable)
    ? setSecretCommand(toCamelCase(environmentVariable))
    : setCommand(["environmentVariables", environmentVariable]);
}
