import { planCallbackVariables } from "../settings/callback-settings.ts";
import { listSecretsOfAccess } from "./access-secrets.ts";
import { environmentVariableOf, gatewaySecrets } from "../settings/secret-names.ts";
import type { Settings } from "../settings/settings.ts";

/** Arguments of the `litellm` command. */
export function planArguments(options: {
  readonly configFile: string;
  readonly host: string;
  readonly port: number;
  readonly workers: number;
  /** Whether workers are replaced after many requests. Default: yes. Each one cuts its connections. */
  readonly recycle?: boolean;
  /** Log every request, with its secrets. Default: no. */
  readonly detailedDebug?: boolean;
}): string[] {
  const { configFile, host, port, workers, recycle = true, detailedDebug = false } = options;
  return [
    `--config=${configFile}`,
    `--host=${host}`,
    `--port=${port}`,
    `--num_workers=${workers}`,
    // Only a process manager can replace a worker; uvicorn's own would end with it.
    ...(workers > 1 ? ["--run_gunicorn"] : []),
    ...(workers > 1 && recycle
      ? ["--max_requests_before_restart=10000", "--max_requests_before_restart_jitter=1000"]
      : []),
    ...(detailedDebug ? ["--detailed_debug"] : []),
  ];
}

/** Environment variables of the proxy that are no secrets. */
export function planVariables(
  settings: Settings,
  options: {
    /** Whether all requests come through a proxy before it, which tells the clients' addresses. */
    readonly behindProxy?: boolean;
  } = {},
): Record<string, string> {
  return {
    ...(options.behindProxy === true && { FORWARDED_ALLOW_IPS: "*" }),
    // LiteLLM reads a .env file of the current folder otherwise.
    LITELLM_MODE: "PRODUCTION",
    // The migration step has run; a proxy that finds work to do must not do it itself.
    DISABLE_SCHEMA_UPDATE: "true",
    // The price list of the package, not whatever is newest at start.
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
    ...describeLogLevel(settings),
    ...planCallbackVariables(settings.callbacks),
    ...settings.environmentVariables,
  };
}

/** The argument for details alone changes nothing while the level hides them. */
function describeLogLevel({ detailedDebug, logLevel }: Settings): Record<string, string> {
  if (detailedDebug) return { LITELLM_LOG: "DEBUG" };
  return logLevel === undefined ? {} : { LITELLM_LOG: logLevel };
}

/**
 * How the proxies reach Redis: host, port and password, for LiteLLM's way by a URL is slower.
 * @param managed where the topology has put a server of the stack's own
 */
export function planRedisVariables(
  { redis, secretNames }: Pick<Settings, "redis" | "secretNames">,
  managed?: { readonly host: string; readonly port: number },
): {
  readonly variables: Readonly<Record<string, string>>;
  readonly secretVariables: Readonly<Record<string, string>>;
} {
  const password = { REDIS_PASSWORD: "redisPassword" };
  switch (redis.kind) {
    case "none":
      return { variables: {}, secretVariables: {} };
    case "managed":
      if (managed === undefined) throw new Error("the plan needs the address of its Redis");
      return {
        variables: { REDIS_HOST: managed.host, REDIS_PORT: String(managed.port) },
        secretVariables: password,
      };
    case "external":
      return {
        variables: {
          REDIS_HOST: redis.host,
          REDIS_PORT: String(redis.port),
          ...(redis.tls && { REDIS_SSL: "true" }),
          ...(redis.username !== undefined && { REDIS_USERNAME: redis.username }),
        },
        secretVariables: secretNames.includes("redisPassword") ? password : {},
      };
    default:
      return redis satisfies never;
  }
}

/** Generated when not given, so that they always exist. */
const ALWAYS_SET = ["masterKey", "saltKey", "uiPassword"];

/** Secrets of the gateway that LiteLLM itself needs where they are set. */
const FOR_LITELLM = ["redisPassword", "slackWebhookUrl", "alertWebhookUrl"];

/** Environment variables of the proxy that carry secrets, by the name of the secret. */
export function planSecretVariables(
  settings: Settings,
  /** Secrets that are for others than the proxy. */
  others: readonly string[] = [],
): Record<string, string> {
  const { secretNames } = settings;
  const kept = [...others, ...listSecretsOfAccess(settings)];
  const given = secretNames.filter(
    (name) => (FOR_LITELLM.includes(name) || !gatewaySecrets.has(name)) && !kept.includes(name),
  );
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

/** How often LiteLLM writes what was spent, in seconds; undefined: LiteLLM's own default. */
export function readBatchSeconds({ generalSettings }: Settings): number | undefined {
  const seconds = generalSettings["proxy_batch_write_at"];
  return typeof seconds === "number" ? seconds : undefined;
}
