import { environmentVariableOf, gatewaySecrets } from "./secret-names.ts";
import type { Settings } from "./settings.ts";

/** Arguments of the `litellm` command. */
export function planArguments(options: {
  readonly configFile: string;
  readonly host: string;
  readonly port: number;
  readonly workers: number;
}): string[] {
  const { configFile, host, port, workers } = options;
  return [
    `--config=${configFile}`,
    `--host=${host}`,
    `--port=${port}`,
    `--num_workers=${workers}`,
    // Only a process manager can replace a worker; uvicorn's own would end with it.
    ...(workers > 1
      ? [
          "--run_gunicorn",
          "--max_requests_before_restart=10000",
          "--max_requests_before_restart_jitter=1000",
        ]
      : []),
  ];
}

/** Environment variables of the proxy that are no secrets. */
export function planVariables(settings: Settings): Record<string, string> {
  return {
    // LiteLLM reads a .env file of the current folder otherwise.
    LITELLM_MODE: "PRODUCTION",
    // The migration step has run; a proxy that finds work to do must not do it itself.
    DISABLE_SCHEMA_UPDATE: "true",
    // The price list of the package, not whatever is newest at start.
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
    ...(settings.logLevel !== undefined && { LITELLM_LOG: settings.logLevel }),
    ...settings.environmentVariables,
  };
}

/** Generated when not given, so that they always exist. */
const ALWAYS_SET = ["masterKey", "saltKey", "uiPassword"];

/** Environment variables of the proxy that carry secrets, by the name of the secret. */
export function planSecretVariables(
  { secretNames }: Settings,
  /** Secrets that are for others than the proxy. */
  kept: readonly string[] = [],
): Record<string, string> {
  const given = secretNames.filter((name) => !gatewaySecrets.has(name) && !kept.includes(name));
  const names = [...new Set([...ALWAYS_SET, ...given])].sort();
  return Object.fromEntries(
    names.flatMap((name) => {
      const variable = environmentVariableOf(name);
      return variable === undefined ? [] : [[variable, name]];
    }),
  );
}

/** The name of a model of provider `mock`: checks ask it, for it costs nothing. */
export function findMock({ models }: Settings, mode: "chat" | "embedding"): string | undefined {
  return models.find((model) => model.provider === "mock" && model.mode === mode)?.name;
}
