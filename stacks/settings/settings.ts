import { z } from "zod";
import { Access, type AccessSettings } from "./access-settings.ts";
import { Alerting, type AlertingSettings } from "./alerting-settings.ts";
import { Cache, type CacheSettings } from "./cache-settings.ts";
import { Callback, type CallbackSettings } from "./callback-settings.ts";
import { checkConsistency } from "./consistency.ts";
import { Database, type DatabaseSettings } from "./database-settings.ts";
import { Deployment, type DeploymentSettings } from "./deployment-settings.ts";
import { isExisting, refuseForeign } from "./existing-consistency.ts";
import { checkIncludedFiles, includedPath, type ReadFile } from "./includes.ts";
import type { Issue, Path } from "./issue.ts";
import {
  findSimilar,
  formatPath,
  isHidden,
  isWithin,
  removeCommand,
  renameCommand,
  setCommand,
  sortIssues,
  suggest,
} from "./issue.ts";
import { coercePassThrough, litellmProviders } from "./litellm-keys.ts";
import { ModelFiles, type ModelFilesSettings } from "./model-files.ts";
import type { ModelDefinition } from "./models.ts";
import { baseUrl, locate, Model, modelProviders } from "./models.ts";
import { Redis, type RedisSettings } from "./redis-settings.ts";
import {
  RequestLog,
  type RequestLogSettings,
  StaticKeys,
  type StaticKeysSettings,
} from "./request-log-settings.ts";
import { Router, type RouterSettings } from "./router-settings.ts";
import { boolean, integer, text } from "./scalars.ts";
import { checkSchema } from "./schema-issues.ts";
import {
  isTopLevelSecret,
  namePattern,
  setSecretCommand,
  toCamelCase,
  toConstantCase,
  topLevelSecrets,
} from "./secret-names.ts";
import { checkSecrets } from "./secrets.ts";
import { readAccess } from "./stored-access.ts";

const passThrough = z.record(z.string(), z.unknown());

/** The settings that are not secrets, by their key in `Pulumi.<stack>.yaml`. */
export const PlainSettings = z.strictObject({
  deployment: Deployment.prefault({}).meta({ description: "Where the gateway runs, and how." }),
  database: Database.prefault({}).meta({ description: "Where keys, teams and spend are stored." }),
  redis: Redis.prefault({}).meta({
    description: "Where the proxies share usage, and cached answers: a Redis server.",
  }),
  requestLog: RequestLog.prefault({}).meta({
    description: "Tables of requests and answers, with `database.engine` `sqlalchemy` or `both`.",
  }),
  staticKeys: StaticKeys.default({}).meta({
    description:
      "API keys that are settings, by alias, with `database.engine` `sqlalchemy` or `both`.",
    examples: [{ poc: { models: ["gpt-4o-mini"] } }],
  }),
  endpoints: z
    .record(
      z
        .string()
        .regex(
          namePattern,
          "must have a name in camelCase: letters and digits, starting with a small letter",
        ),
      baseUrl.meta({ examples: ["http://127.0.0.1:11434"] }),
    )
    .default({})
    .meta({
      description: "Servers that several models use, by name: their base URLs.",
      examples: [{ local: "http://127.0.0.1:11434", smarthome: "http://smarthome01.local:11434" }],
    }),
  models: z.array(Model).min(1).meta({ description: "The models that the gateway offers." }),
  modelFiles: ModelFiles.prefault({}).meta({
    description: "How the models are spread over the files that the proxy reads.",
  }),
  includes: z
    .array(includedPath)
    .default([])
    .meta({
      description:
        "Further files of LiteLLM's with lists only, such as `model_list`: YAML, by their paths in the project.",
      examples: [["config/team-models.yaml"]],
    }),
  allowNonRegisteredModels: boolean().default(false).meta({
    description:
      "Offer models that are not listed too, by LiteLLM's own names such as `openai/gpt-5`, with the keys that are set.",
  }),
  router: Router.prefault({}).meta({
    description: "Choice among the definitions of a model, retries and fallbacks.",
  }),
  cache: Cache.prefault({}).meta({ description: "Cached answers." }),
  callbacks: z
    .array(Callback)
    .default([])
    .meta({
      description: "Where requests are reported to: one entry for each service.",
      examples: [[{ kind: "prometheus" }]],
    }),
  alerting: Alerting.prefault({}).meta({ description: "Whom LiteLLM tells what is wrong." }),
  access: Access.prefault({}).meta({
    description:
      "Teams, users, keys and budgets of the gateway, and models in its database. Needs LiteLLM's database.",
  }),
  routerSettings: passThrough.default({}).meta({
    description: "LiteLLM's `router_settings`, under LiteLLM's own names.",
    examples: [{ routing_strategy: "simple-shuffle", num_retries: 2 }],
  }),
  litellmSettings: passThrough.default({}).meta({
    description: "LiteLLM's `litellm_settings`, under LiteLLM's own names.",
    examples: [{ drop_params: true }],
  }),
  generalSettings: passThrough.default({}).meta({
    description: "LiteLLM's `general_settings`, under LiteLLM's own names.",
    examples: [{ background_health_checks: false }],
  }),
  environmentVariables: z
    .record(z.string(), text())
    .default({})
    .meta({
      description: "Further environment variables of the proxy. Secrets belong in `secrets`.",
      examples: [{ AWS_REGION_NAME: "eu-central-1" }],
    }),
  ui: z
    .strictObject({
      username: z
        .string()
        .trim()
        .min(1)
        .default("admin")
        .meta({ description: "User name of the admin user interface." }),
    })
    .prefault({})
    .meta({ description: "The admin user interface." }),
  requestTimeoutSeconds: integer({ min: 1, max: 86400 })
    .default(600)
    .meta({
      description:
        "Longest duration of a request, in seconds. A stop waits for running requests a little longer than this.",
      examples: [600],
    }),
  logLevel: z
    .enum(["DEBUG", "INFO", "WARNING", "ERROR"])
    .optional()
    .meta({ description: "What LiteLLM logs (LITELLM_LOG). Default: LiteLLM's own." }),
  detailedDebug: boolean().default(false).meta({
    description:
      "Log all that LiteLLM does: prompts and answers, and those secrets that it does not recognise. To find a fault only.",
  }),
});

/** Sections of LiteLLM's own settings, under LiteLLM's own names. */
type PassThrough = Readonly<Record<string, unknown>>;

/** What a user wants, complete and checked. Plain data without secrets, safe to print. */
export interface Settings {
  readonly deployment: DeploymentSettings;
  readonly database: DatabaseSettings;
  readonly redis: RedisSettings;
  readonly requestLog: RequestLogSettings;
  /** API keys by alias. */
  readonly staticKeys: StaticKeysSettings;
  /** Base URLs by name; models that use them carry the URL already. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly models: readonly ModelDefinition[];
  readonly modelFiles: ModelFilesSettings;
  /** Paths of the user's own files for LiteLLM, in the project. */
  readonly includes: readonly string[];
  readonly allowNonRegisteredModels: boolean;
  readonly router: RouterSettings;
  readonly cache: CacheSettings;
  readonly callbacks: readonly CallbackSettings[];
  readonly alerting: AlertingSettings;
  /** Who may use the gateway, and how much. */
  readonly access: AccessSettings;
  readonly routerSettings: PassThrough;
  readonly litellmSettings: PassThrough;
  readonly generalSettings: PassThrough;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly ui: { readonly username: string };
  readonly requestTimeoutSeconds: number;
  readonly logLevel: "DEBUG" | "INFO" | "WARNING" | "ERROR" | undefined;
  /** Whether LiteLLM logs everything, secrets included. */
  readonly detailedDebug: boolean;
  /** Names of the secrets that are set, sorted: `openaiApiKey`, `groqApiKey` (of `secrets`), … */
  readonly secretNames: readonly string[];
}

/** What Pulumi stores for the project's namespace, by key without the namespace. */
export interface RawConfig {
  /** Values stored in plain: texts, of which some are JSON. */
  readonly plain: Readonly<Record<string, unknown>>;
  /** Decrypted values of keys with a part that was set with `--secret`. Never shown. */
  readonly secret: Readonly<Record<string, unknown>>;
}

/** The settings are wrong. The message lists everything that is, and how to mend it. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    const count = issues.length === 1 ? "1 error" : `${issues.length} errors`;
    const lines = issues.map(
      ({ path, message, command }) => `\n${formatPath(path)} ${message}\n  ${command}`,
    );
    super(`invalid settings: ${count}\n${lines.join("\n")}`);
    this.issues = issues;
  }
}

/**
 * Reads the settings of a stack: checks everything, fills in defaults.
 *
 * @param readFile reads the files of `includes`, which are checked with all the rest; without it they are not
 * @throws {@link SettingsError} with all errors at once
 */
export function parseSettings(raw: RawConfig, readFile?: ReadFile): Settings {
  const issues: Issue[] = [...checkKeys(raw)];
  const plain = decode(raw.plain, Object.keys(PlainSettings.shape));
  const isElsewhere = isExisting(plain["deployment"]);
  const secrets = checkSecrets({
    plain: decode(raw.plain, ["secrets"]),
    secret: decode(raw.secret, ["secrets"]),
    isExisting: isElsewhere,
  });
  issues.push(...secrets.issues);
  const given = Object.keys(PlainSettings.shape).filter((key) => plain[key] !== undefined);
  const foreign = isElsewhere ? refuseForeign(given, secrets.names) : [];
  issues.push(...foreign);
  // Of no use, whatever is in them.
  for (const { path } of foreign) plain[formatPath(path)] = undefined;

  const { shape } = PlainSettings;
  const read = <Schema extends z.ZodType>(
    key: string,
    schema: Schema,
  ): z.output<Schema> | undefined => {
    // A key with a secret in it is refused as a whole: checking it further could show the secret.
    if (Object.hasOwn(raw.secret, key)) return undefined;
    const checked = checkSchema(schema, plain[key], [key]);
    issues.push(...checked.issues);
    return checked.data;
  };
  const deployment = read("deployment", shape.deployment);
  plain["database"] = isElsewhere
    ? { kind: "none" }
    : withDefaultKind(plain["database"], deployment?.topology);
  const database = read("database", shape.database);
  const redis = read("redis", shape.redis);
  const requestLog = read("requestLog", shape.requestLog);
  const staticKeys = read("staticKeys", shape.staticKeys);
  const endpoints = read("endpoints", shape.endpoints);
  const models = isElsewhere ? [] : readModels(raw, plain["models"], issues);
  const modelFiles = read("modelFiles", shape.modelFiles);
  const includes = read("includes", shape.includes);
  const allowNonRegisteredModels = read("allowNonRegisteredModels", shape.allowNonRegisteredModels);
  const router = read("router", shape.router);
  const cache = read("cache", shape.cache);
  const callbacks = read("callbacks", shape.callbacks);
  const alerting = read("alerting", shape.alerting);
  const access = Object.hasOwn(raw.secret, "access") ? undefined : readAccess(plain["access"]);
  issues.push(...(access?.issues ?? []));
  const routerSettings = read("routerSettings", shape.routerSettings);
  const litellmSettings = read("litellmSettings", shape.litellmSettings);
  const generalSettings = read("generalSettings", shape.generalSettings);
  const environmentVariables = read("environmentVariables", shape.environmentVariables);
  const ui = read("ui", shape.ui);
  const requestTimeoutSeconds = read("requestTimeoutSeconds", shape.requestTimeoutSeconds);
  const logLevel = read("logLevel", shape.logLevel);

  const detailedDebug = read("detailedDebug", shape.detailedDebug);

  const modelNames = readModelNames(plain["models"]);
  const candidate = {
    deployment,
    database,
    redis,
    isRequestLogGiven: plain["requestLog"] !== undefined,
    staticKeys,
    endpoints,
    models,
    // Included files have further ones: what names models is checked with them.
    modelNames: includes?.length === 0 ? modelNames : undefined,
    modelFiles,
    router,
    cache,
    callbacks,
    alerting,
    access: access?.candidate,
    allowNonRegisteredModels,
    routerSettings,
    litellmSettings,
    generalSettings,
    environmentVariables,
    requestTimeoutSeconds,
    secretNames: secrets.names,
  };
  const inconsistencies = [
    ...checkConsistency(candidate),
    ...(readFile === undefined || includes === undefined
      ? []
      : checkIncludedFiles({ ...candidate, includes, modelNames }, readFile)),
  ];
  // A field that is wrong by itself is reported once.
  const invalid = issues.map(({ path }) => path);
  issues.push(
    ...inconsistencies.filter((issue) => !invalid.some((path) => isWithin(issue.path, path))),
  );
  if (
    issues.length > 0 ||
    deployment === undefined ||
    database === undefined ||
    redis === undefined ||
    requestLog === undefined ||
    staticKeys === undefined ||
    endpoints === undefined ||
    modelFiles === undefined ||
    includes === undefined ||
    router === undefined ||
    cache === undefined ||
    callbacks === undefined ||
    alerting === undefined ||
    access?.data === undefined ||
    allowNonRegisteredModels === undefined ||
    routerSettings === undefined ||
    litellmSettings === undefined ||
    generalSettings === undefined ||
    environmentVariables === undefined ||
    ui === undefined ||
    requestTimeoutSeconds === undefined ||
    detailedDebug === undefined
  ) {
    throw new SettingsError(sortIssues(issues, knownKeys));
  }
  return {
    deployment,
    database,
    redis,
    requestLog,
    staticKeys,
    endpoints,
    models: models.map(({ model }) =>
      locate(
        {
          ...model,
          params: coercePassThrough("litellm_params", model.params),
          modelInfo: coercePassThrough("model_info", model.modelInfo),
        },
        endpoints,
      ),
    ),
    modelFiles,
    includes,
    allowNonRegisteredModels,
    router,
    cache,
    callbacks,
    alerting,
    access: access.data,
    routerSettings: coercePassThrough("router_settings", routerSettings),
    litellmSettings: coercePassThrough("litellm_settings", litellmSettings),
    generalSettings: coercePassThrough("general_settings", generalSettings),
    environmentVariables,
    ui,
    requestTimeoutSeconds,
    logLevel,
    detailedDebug,
    secretNames: [...secrets.names].sort(),
  };
}

/** Without a kind: the server that belongs to the stack, which is another kind for each topology. */
function withDefaultKind(
  database: unknown,
  topology: DeploymentSettings["topology"] | undefined,
): unknown {
  if (topology === undefined || topology === "local") return database;
  const kind = topology === "two-vm" ? "machine" : "managed";
  if (database === undefined) return { kind };
  if (typeof database !== "object" || database === null || "kind" in database) return database;
  return { kind, ...database };
}

/** Objects and lists are stored as JSON; a text that is none stays one and fails as such. */
function decode(
  values: Readonly<Record<string, unknown>>,
  structured: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      structured.includes(key) && typeof value === "string" && /^\s*[[{]/.test(value)
        ? parseJson(value)
        : value,
    ]),
  );
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeperThan(MAX_DEPTH, value) ? text : value;
  } catch {
    return text;
  }
}

/** Far more than any setting needs; what is nested deeper is taken for a text, and refused as one. */
const MAX_DEPTH = 50;

function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => isDeeperThan(depth - 1, child));
}

/** All keys of the project's namespace, in the order of the errors. */
const knownKeys: readonly string[] = [
  ...Object.keys(PlainSettings.shape),
  ...Object.keys(topLevelSecrets),
  "secrets",
];

function checkKeys({ plain, secret }: RawConfig): Issue[] {
  const unknown = Object.keys({ ...plain, ...secret }).filter((key) => !knownKeys.includes(key));
  return [
    ...unknown.map((key) => checkUnknownKey(key, { plain, secret })),
    ...Object.keys(PlainSettings.shape)
      .filter((key) => Object.hasOwn(secret, key))
      .map((key) => ({
        path: [key],
        message: "holds a secret; keep it in secrets, take it out here and refer to it by name",
        command: "pulumi config set --secret --path 'secrets.<name>'",
      })),
  ];
}

function checkUnknownKey(key: string, raw: RawConfig): Issue {
  const path = /^([A-Za-z]+)[.[]/.exec(key);
  if (path?.[1] !== undefined && knownKeys.includes(path[1])) {
    const value = raw.plain[key];
    const set = Object.hasOwn(raw.secret, key)
      ? `pulumi config set --secret --path '${key}'`
      : `pulumi config set --path '${key}' ${typeof value === "string" && /^[\w.-]+$/.test(value) && !isHidden([key], value) ? value : "<value>"}`;
    return {
      path: [key],
      message: "was set without --path, so it is a setting of its own, which there is none of",
      command: `pulumi config rm '${key}' && ${set}`,
    };
  }
  const similar = findSimilar(key, knownKeys);
  const message = `is no setting${suggest(key, knownKeys)}`;
  if (Object.hasOwn(raw.secret, key)) {
    const name =
      similar !== undefined && isTopLevelSecret(similar)
        ? similar
        : toCamelCase(toConstantCase(key));
    return {
      path: [key],
      message,
      command: `${removeCommand([key])} && ${setSecretCommand(name)}`,
    };
  }
  return {
    path: [key],
    message: similar === undefined ? `${message}, known are ${knownKeys.join(", ")}` : message,
    command: renameCommand([], key, similar, raw.plain[key]),
  };
}

type ParsedModels = { readonly index: number; readonly model: z.output<typeof Model> }[];

/** Reads the models one by one, so that an error in one hides none in the others. */
function readModels(raw: RawConfig, value: unknown, issues: Issue[]): ParsedModels {
  if (Object.hasOwn(raw.secret, "models")) return [];
  if (value === undefined || (Array.isArray(value) && value.length === 0)) {
    issues.push({
      path: ["models"],
      message: "must have at least one entry",
      command: `${setCommand(["models", 0, "name"], "hello")} && ${setCommand(["models", 0, "provider"], "mock")}`,
    });
    return [];
  }
  if (!Array.isArray(value)) {
    const checked = checkSchema(PlainSettings.shape.models, value, ["models"]);
    issues.push(...checked.issues);
    return [];
  }
  return value.flatMap((entry: unknown, index) => {
    const path = ["models", index];
    const unsupported = checkProvider(entry, path);
    if (unsupported !== undefined) {
      issues.push(unsupported);
      return [];
    }
    const checked = checkSchema(Model, entry, path);
    issues.push(...checked.issues);
    const model = checked.data ?? readRest(entry, checked.issues);
    return model === undefined ? [] : [{ index, model }];
  });
}

/** What of a model is left without its invalid fields, so that the others are checked as well. */
function readRest(entry: unknown, issues: readonly Issue[]): z.output<typeof Model> | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const invalid = new Set(issues.map(({ path }) => path[2]));
  const rest = Object.entries(entry).filter(([key]) => !invalid.has(key));
  return Model.safeParse(Object.fromEntries(rest)).data;
}

/** Names that are no `provider` here, but that users have reason to try. */
function checkProvider(entry: unknown, path: Path): Issue | undefined {
  if (typeof entry !== "object" || entry === null || !("provider" in entry)) return undefined;
  const { provider } = entry;
  const providerPath = [...path, "provider"];
  if (provider === "litellm" || provider === "litellm_proxy") {
    return {
      path: providerPath,
      message: `is "${provider}", but LiteLLM reaches another LiteLLM as a server with OpenAI's API: openai-compatible, with its baseUrl and apiKey`,
      command: setCommand(providerPath, "openai-compatible"),
    };
  }
  if (typeof provider !== "string" || modelProviders.includes(provider)) return undefined;
  if (!litellmProviders.includes(provider)) return undefined;
  return {
    path: providerPath,
    message: `is ${JSON.stringify(provider)}, one of LiteLLM's further providers: use "other", with litellmProvider ${JSON.stringify(provider)}`,
    command: `${setCommand(providerPath, "other")} && ${setCommand([...path, "litellmProvider"], provider)}`,
  };
}

function readModelNames(value: unknown): ReadonlySet<string> | undefined {
  if (!Array.isArray(value)) return undefined;
  return new Set(
    value.flatMap((entry: unknown) =>
      typeof entry === "object" &&
      entry !== null &&
      "name" in entry &&
      typeof entry.name === "string"
        ? [entry.name.trim()]
        : [],
    ),
  );
}
