import { Document, isScalar, Scalar, type ScalarTag, visit } from "yaml";

import { usesStoredModels } from "../stacks/settings/access-settings.ts";
import { callbackNeeds, type CallbackSettings } from "../stacks/settings/callback-settings.ts";
import { hasRequestLog, usesPrisma } from "../stacks/settings/database-settings.ts";
import { referencedVariables } from "../stacks/settings/litellm-keys.ts";
import { includedFileOf, modelFileOf } from "../stacks/settings/model-files.ts";
import { litellmPrefix, type ModelDefinition } from "../stacks/settings/models.ts";
import type { RouterSettings } from "../stacks/settings/router-settings.ts";
import { environmentReference, environmentVariableOf } from "../stacks/settings/secret-names.ts";
import type { Settings } from "../stacks/settings/settings.ts";

/** What the file depends on. */
export type LitellmConfigInput = Pick<
  Settings,
  | "allowNonRegisteredModels"
  | "database"
  | "generalSettings"
  | "litellmSettings"
  | "models"
  | "requestTimeoutSeconds"
  | "routerSettings"
> &
  Partial<
    Pick<
      Settings,
      | "access"
      | "alerting"
      | "cache"
      | "callbacks"
      | "includes"
      | "modelFiles"
      | "redis"
      | "router"
      | "secretNames"
    >
  >;

type Json = Readonly<Record<string, unknown>>;

/** LiteLLM's name of the callback in `cache_isolation.py`, which lies beside the config file. */
const CACHE_ISOLATION = "cache_isolation.cache_isolation";

/** The request log's callback and the check of its static keys: the package in `templates/request-log`. */
const REQUEST_LOG = "litellm_request_log.callback.request_log";
const STATIC_KEYS = "litellm_request_log.authentication.authenticate";

/** How long a request waits for Redis at most, in seconds; LiteLLM's own 5 are felt when Redis hangs. */
const REDIS_TIMEOUTS = { socket_connect_timeout: 1, socket_timeout: 1 };

/**
 * Text of litellm-config.yaml. Secrets appear as `os.environ/<NAME>` only; the database's URL reaches
 * the proxy by its environment. The same settings give the same text, byte for byte.
 */
export function renderLitellmConfig(input: LitellmConfigInput): string {
  return stringify(buildConfig(input));
}

/**
 * What of the config a running service does not read anew when it starts further workers; equal texts
 * need no restart. Seen in LiteLLM 1.106.2: the process that starts the workers reads these itself.
 */
export function describeStartSettings(input: LitellmConfigInput): string {
  const { general_settings, litellm_settings } = buildConfig(input) as {
    readonly general_settings: Json;
    readonly litellm_settings: Json;
  };
  const { callbacks } = litellm_settings;
  return JSON.stringify({
    general_settings,
    json_logs: litellm_settings["json_logs"],
    counts: Array.isArray(callbacks) && callbacks.includes("prometheus"),
  });
}

/** Texts of the files with models that the config file includes, by their paths beside it. */
export function renderModelFiles(input: LitellmConfigInput): Record<string, string> {
  const { inFiles } = spreadModels(input);
  return Object.fromEntries(
    [...inFiles].map(([path, models]) => [
      path,
      // Lists only: every other key would take the place of the config file's own.
      stringify({ model_list: models.map(buildModel) }),
    ]),
  );
}

/** Whether answers are cached, for each key its own. */
export function isolatesCache({ cache }: Pick<LitellmConfigInput, "cache">): boolean {
  return cache?.enabled === true && !cache.sharedBetweenKeys;
}

/** Names of the environment variables that the files refer to, sorted. */
export function requiredEnvironment(input: LitellmConfigInput): string[] {
  const whole = { ...buildConfig(input), models: input.models.map(buildModel) };
  const names = [...referencedVariables(whole)].map(
    ({ environmentVariable }) => environmentVariable,
  );
  return [...new Set(names)].sort();
}

/** Models that go into the config file itself, and those of each further file by its path. */
function spreadModels({ models, modelFiles = { groupBy: "none" } }: LitellmConfigInput): {
  readonly inConfig: readonly ModelDefinition[];
  readonly inFiles: ReadonlyMap<string, readonly ModelDefinition[]>;
} {
  const inConfig: ModelDefinition[] = [];
  const inFiles = new Map<string, ModelDefinition[]>();
  for (const model of models) {
    const path = modelFileOf(model, modelFiles);
    if (path === undefined) inConfig.push(model);
    else inFiles.set(path, [...(inFiles.get(path) ?? []), model]);
  }
  return { inConfig, inFiles };
}

function buildConfig(input: LitellmConfigInput): Json {
  const { inConfig, inFiles } = spreadModels(input);
  const include = [...[...inFiles.keys()].sort(), ...(input.includes ?? []).map(includedFileOf)];
  const models = [
    ...inConfig.map(buildModel),
    // Any model by LiteLLM's own name: https://docs.litellm.ai/docs/wildcard_routing
    ...(input.allowNonRegisteredModels
      ? [{ model_name: "*", litellm_params: { model: "*" } }]
      : []),
  ];
  return {
    ...(include.length > 0 && { include }),
    // Lists of included files are appended to this one.
    ...((models.length > 0 || include.length === 0) && { model_list: models }),
    router_settings: buildRouterSettings(input),
    litellm_settings: {
      // One log line is one JSON object: what log collectors expect.
      json_logs: true,
      request_timeout: input.requestTimeoutSeconds,
      ...sortKeys({
        // Alerts quote the error, and LiteLLM puts the prompt into it.
        ...(input.alerting?.slack === true && { redact_messages_in_exceptions: true }),
        ...input.litellmSettings,
        ...buildCache(input),
        ...buildCallbacks(input),
        // Without it neither the models of a static key are enforced, nor its end.
        ...(hasRequestLog(input.database) && { enable_post_custom_auth_checks: true }),
      }),
    },
    general_settings: {
      master_key: environmentReference("LITELLM_MASTER_KEY"),
      ...(hasRequestLog(input.database) && {
        custom_auth: STATIC_KEYS,
        custom_auth_run_common_checks: true,
      }),
      ...(usesPrisma(input.database) &&
        "connectionLimit" in input.database && {
          database_connection_pool_limit: input.database.connectionLimit,
        }),
      // Models stored in the database would be a second truth beside the settings, unless they are of those.
      store_model_in_db: input.access !== undefined && usesStoredModels(input.access),
      ...sortKeys({ ...input.generalSettings, ...buildAlerting(input) }),
    },
  };
}

/** Where Redis is, under names that begin with `prefix`; its user and TLS reach it by the environment. */
function buildRedis(
  { redis, secretNames = [] }: LitellmConfigInput,
  prefix: "" | "redis_",
): Json | undefined {
  if (redis === undefined || redis.kind === "none") return undefined;
  const hasPassword = redis.kind === "managed" || secretNames.includes("redisPassword");
  return {
    [`${prefix}host`]: environmentReference("REDIS_HOST"),
    [`${prefix}port`]: environmentReference("REDIS_PORT"),
    ...(hasPassword && { [`${prefix}password`]: environmentReference("REDIS_PASSWORD") }),
  };
}

function buildCache(input: LitellmConfigInput): Json {
  const { cache } = input;
  if (cache?.enabled !== true) return {};
  return {
    cache: true,
    cache_params: {
      type: "redis",
      ...buildRedis(input, ""),
      ttl: cache.ttlSeconds,
      mode: cache.mode,
      ...REDIS_TIMEOUTS,
    },
  };
}

/** The lists of callbacks that are not empty, the user's own entries last. */
function buildCallbacks(input: LitellmConfigInput): Json {
  const { callbacks = [], litellmSettings } = input;
  const named = (keys: readonly CallbackSettings["kind"][], isListed: boolean): string[] =>
    callbacks
      .filter(({ kind }) => keys.includes(kind) === isListed)
      .map(({ kind }) => callbackNeeds[kind].name);
  const own: Record<string, readonly string[]> = {
    callbacks: [
      ...(isolatesCache(input) ? [CACHE_ISOLATION] : []),
      ...(hasRequestLog(input.database) ? [REQUEST_LOG] : []),
      ...named(byEvent, false),
    ],
    success_callback: named(byEvent, true),
    failure_callback: named(byEvent, true),
  };
  const s3 = callbacks.find((callback) => callback.kind === "s3");
  return {
    ...Object.fromEntries(
      Object.entries(own).flatMap(([key, names]) => {
        const given = litellmSettings[key];
        const others: readonly unknown[] = Array.isArray(given) ? given : [];
        return names.length === 0 ? [] : [[key, [...names, ...others]]];
      }),
    ),
    ...(s3 !== undefined && { s3_callback_params: buildS3(s3, input) }),
  };
}

/** Callbacks that LiteLLM wants in the lists of success and of failure. */
const byEvent: readonly CallbackSettings["kind"][] = ["langfuse"];

function buildS3(
  s3: Extract<CallbackSettings, { kind: "s3" }>,
  { secretNames = [] }: LitellmConfigInput,
): Json {
  return {
    s3_bucket_name: s3.bucket,
    s3_region_name: s3.region,
    ...(s3.path !== undefined && { s3_path: s3.path }),
    ...(s3.endpointUrl !== undefined && { s3_endpoint_url: s3.endpointUrl }),
    ...(secretNames.includes("awsAccessKeyId") && {
      s3_aws_access_key_id: environmentReference("AWS_ACCESS_KEY_ID"),
      s3_aws_secret_access_key: environmentReference("AWS_SECRET_ACCESS_KEY"),
    }),
  };
}

function buildAlerting({ alerting }: LitellmConfigInput): Json {
  if (alerting === undefined || (!alerting.slack && !alerting.webhook)) return {};
  return {
    alerting: [...(alerting.slack ? ["slack"] : []), ...(alerting.webhook ? ["webhook"] : [])],
    alerting_threshold: alerting.thresholdSeconds,
    ...(alerting.types !== undefined && { alert_types: alerting.types }),
  };
}

function buildModel(model: ModelDefinition): Json {
  const { limits, cost } = model;
  return {
    model_name: model.name,
    litellm_params: {
      ...buildUpstream(model),
      ...(model.timeoutSeconds !== undefined && { timeout: model.timeoutSeconds }),
      ...(limits.rpm !== undefined && { rpm: limits.rpm }),
      ...(limits.tpm !== undefined && { tpm: limits.tpm }),
      ...(limits.maxParallelRequests !== undefined && {
        max_parallel_requests: limits.maxParallelRequests,
      }),
      ...(cost.inputCostPerToken !== undefined && { input_cost_per_token: cost.inputCostPerToken }),
      ...(cost.outputCostPerToken !== undefined && {
        output_cost_per_token: cost.outputCostPerToken,
      }),
      ...sortKeys(model.params),
    },
    model_info: { mode: model.mode, ...sortKeys(model.modelInfo) },
  };
}

function buildUpstream(model: ModelDefinition): Json {
  const prefix = litellmPrefix(model);
  switch (model.provider) {
    case "openai":
    case "anthropic":
      return { model: `${prefix}/${model.model}`, ...buildApiKey(model.apiKey) };
    case "ollama":
      return {
        model: `${prefix}/${model.model}`,
        api_base: model.baseUrl,
        ...buildApiKey(model.apiKey),
      };
    case "openai-compatible":
      return {
        model: `${prefix}/${model.model}`,
        api_base: model.baseUrl,
        // LiteLLM would send OPENAI_API_KEY to a server that wants no key.
        ...(model.apiKey === undefined ? { api_key: NO_KEY } : buildApiKey(model.apiKey)),
      };
    case "other":
      return {
        model: `${prefix}/${model.model}`,
        ...(model.baseUrl !== undefined && { api_base: model.baseUrl }),
        ...buildApiKey(model.apiKey),
      };
    case "mock":
      return {
        model: `${prefix}/mock`,
        api_key: NO_KEY,
        mock_response: model.mode === "embedding" ? model.embedding : model.response,
      };
    default:
      return model satisfies never;
  }
}

/** A key for servers that want none: LiteLLM's clients refuse an absent one. */
const NO_KEY = "none";

function buildApiKey(secretName: string | undefined): Json {
  const variable = secretName === undefined ? undefined : environmentVariableOf(secretName);
  return variable === undefined ? {} : { api_key: environmentReference(variable) };
}

function buildRouterSettings(input: LitellmConfigInput): Json {
  const { models, routerSettings } = input;
  const fallbacks = new Map(
    models
      .filter((model) => model.fallbacks.length > 0)
      .map((model) => [model.name, model.fallbacks]),
  );
  return {
    ...(fallbacks.size > 0 && {
      fallbacks: [...fallbacks].map(([name, names]) => ({ [name]: names })),
    }),
    ...sortKeys({ ...routerSettings, ...buildRouter(input) }),
  };
}

function buildRouter(input: LitellmConfigInput): Json {
  const redis = buildRedis(input, "redis_");
  return {
    ...(redis !== undefined && { ...redis, cache_kwargs: buildCacheArguments(input) }),
    ...(input.router !== undefined && buildTypedRouter(input.router)),
  };
}

function buildCacheArguments({ routerSettings }: LitellmConfigInput): Json {
  const given = routerSettings["cache_kwargs"];
  return { ...REDIS_TIMEOUTS, ...(typeof given === "object" ? given : undefined) };
}

function buildTypedRouter(router: RouterSettings): Json {
  const listFallbacks = (fallbacks: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(sortKeys(fallbacks)).map(([name, names]) => ({ [name]: names }));
  const contextWindow = listFallbacks(router.contextWindowFallbacks);
  const contentPolicy = listFallbacks(router.contentPolicyFallbacks);
  return {
    ...(router.strategy !== undefined && { routing_strategy: router.strategy }),
    ...(router.retries !== undefined && { num_retries: router.retries }),
    ...(router.allowedFails !== undefined && { allowed_fails: router.allowedFails }),
    ...(router.cooldownSeconds !== undefined && { cooldown_time: router.cooldownSeconds }),
    ...(router.timeoutSeconds !== undefined && { timeout: router.timeoutSeconds }),
    ...(contextWindow.length > 0 && { context_window_fallbacks: contextWindow }),
    ...(contentPolicy.length > 0 && { content_policy_fallbacks: contentPolicy }),
    ...(router.defaultFallbacks.length > 0 && { default_fallbacks: router.defaultFallbacks }),
  };
}

/** The order of keys in a stack file means nothing and must not change the text. */
function sortKeys(value: Json): Json {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * LiteLLM's reader is PyYAML, which knows YAML 1.1: a plain `on` is true there, `12:30` is 750 and `1e-7`
 * is a text. So every text is quoted and every number written in plain decimal.
 */
function stringify(config: Json): string {
  const document = new Document(config, {
    aliasDuplicateObjects: false,
    compat: "yaml-1.1",
    customTags: (tags) => [plainNumber, ...tags],
  });
  document.commentBefore = " Rendered from the stack's settings: change those, not this file.";
  visit(document, {
    Pair(_, { key }) {
      if (isScalar(key) && !/^[A-Za-z_][A-Za-z0-9_-]*$/.test(String(key.value))) {
        key.type = Scalar.QUOTE_DOUBLE;
      }
    },
  });
  const text = document.toString({
    defaultStringType: Scalar.QUOTE_DOUBLE,
    defaultKeyType: Scalar.PLAIN,
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
    lineWidth: 0,
  });
  return text.replace(UNREADABLE, escapeCharacter);
}

/** Characters that PyYAML refuses, or takes for the end of a line, unless they are escaped. */
const UNREADABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

const plainNumber: ScalarTag = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  identify: (value) => typeof value === "number",
  // Without a test the library prefers its own tags for numbers.
  test: /^-?[0-9]+(?:\.[0-9]+)?$/,
  resolve: Number,
  stringify: ({ value }) => toPlainDecimal(value as number),
};

/** `1e-7` → `0.0000001`. */
function toPlainDecimal(value: number): string {
  const text = String(value);
  const parts = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (parts === null) return text;
  const [, sign = "", first = "", rest = "", exponent = ""] = parts;
  const shift = Number(exponent);
  return shift < 0
    ? `${sign}0.${"0".repeat(-shift - 1)}${first}${rest}`
    : // A point keeps Python from reading an integer of arbitrary precision.
      `${sign}${(first + rest).padEnd(shift + 1, "0")}.0`;
}
