import type { z } from "zod";

import { checkAccess } from "./access-consistency.ts";
import { checkAccessModels } from "./access-model-names.ts";
import type { AlertingSettings } from "./alerting-settings.ts";
import type { CacheSettings } from "./cache-settings.ts";
import { checkAlerting, checkCallbacks } from "./callback-consistency.ts";
import type { CallbackSettings } from "./callback-settings.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { type DeploymentSettings, isOnDockerHost } from "./deployment-settings.ts";
import { checkEdge } from "./edge-consistency.ts";
import { checkExisting } from "./existing-consistency.ts";
import { isLoopback } from "../hosts.ts";
import { isMoving } from "./image.ts";
import type { Issue, Path } from "./issue.ts";
import {
  describe,
  findSimilar,
  isCredential,
  isHidden,
  isSecretName,
  removeCommand,
  setCommand,
  suggest,
} from "./issue.ts";
import type { Section } from "./litellm-keys.ts";
import { checkPassThrough, litellmProviders } from "./litellm-keys.ts";
import { checkMachines } from "./machine-consistency.ts";
import type { ModelFilesSettings } from "./model-files.ts";
import type { Model } from "./models.ts";
import { litellmPrefix } from "./models.ts";
import { checkRedis } from "./redis-consistency.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { checkReferencesIn, listProvidedVariables } from "./references.ts";
import type { StaticKeysSettings } from "./request-log-settings.ts";
import { checkFallbackLists, checkFallbacks, checkRouter } from "./router-consistency.ts";
import type { RouterSettings } from "./router-settings.ts";
import {
  environmentVariableOf,
  gatewaySecrets,
  isTopLevelSecret,
  managedEnvironmentVariables,
  setSecretCommand,
  toCamelCase,
  type TopLevelSecret,
} from "./secret-names.ts";
import type { AccessCandidate } from "./stored-access.ts";

type ParsedModel = z.output<typeof Model>;
type PassThrough = Readonly<Record<string, unknown>>;

/** The settings as far as each of them is valid by itself; what is not is `undefined`. */
export interface Candidate {
  readonly deployment: DeploymentSettings | undefined;
  readonly database: DatabaseSettings | undefined;
  readonly redis: RedisSettings | undefined;
  /** Whether the user has set anything of the request log. */
  readonly isRequestLogGiven: boolean;
  readonly staticKeys: StaticKeysSettings | undefined;
  readonly endpoints: Readonly<Record<string, string>> | undefined;
  readonly models: readonly { readonly index: number; readonly model: ParsedModel }[];
  /** Names of all models, of invalid ones too; `undefined` when they cannot be known. */
  readonly modelNames: ReadonlySet<string> | undefined;
  readonly modelFiles: ModelFilesSettings | undefined;
  readonly router: RouterSettings | undefined;
  readonly cache: CacheSettings | undefined;
  readonly callbacks: readonly CallbackSettings[] | undefined;
  readonly alerting: AlertingSettings | undefined;
  readonly access: AccessCandidate | undefined;
  readonly allowNonRegisteredModels: boolean | undefined;
  readonly routerSettings: PassThrough | undefined;
  readonly litellmSettings: PassThrough | undefined;
  readonly generalSettings: PassThrough | undefined;
  readonly environmentVariables: Readonly<Record<string, string>> | undefined;
  readonly requestTimeoutSeconds: number | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** What does not fit together among settings that are valid one by one. */
export function checkConsistency(candidate: Candidate): Issue[] {
  return [
    ...checkPorts(candidate),
    ...checkTopology(candidate),
    ...checkImages(candidate),
    ...checkDockerHost(candidate),
    ...(candidate.deployment?.topology === "traefik"
      ? checkEdge(candidate.deployment, candidate.secretNames)
      : []),
    ...checkDatabase(candidate),
    ...checkMachines(candidate),
    ...checkExisting(candidate),
    ...checkLoopback(candidate),
    ...candidate.models.flatMap(({ model, index }) => checkModel(model, index, candidate)),
    ...checkDuplicateNames(candidate),
    ...checkGroups(candidate),
    ...checkModelKeys(candidate),
    ...checkRouter(candidate),
    ...checkRedis(candidate),
    ...checkCallbacks(candidate),
    ...checkAlerting(candidate),
    ...checkAccess(candidate),
    ...checkAccessModels(candidate),
    ...checkSections(candidate),
    ...checkEnvironmentVariables(candidate),
    ...checkReferences(candidate),
  ];
}

function checkPorts({ deployment, database }: Candidate): Issue[] {
  if (deployment === undefined || database === undefined || !("port" in database)) return [];
  // PostgreSQL publishes none there, or is on another machine.
  if (deployment.topology === "traefik" || deployment.topology === "two-vm") return [];
  if (deployment.topology === "existing") return [];
  if (database.kind === "external" || deployment.proxyPort !== database.port) return [];
  const { proxyPort } = deployment;
  return [
    {
      path: ["database", "port"],
      message: `is the gateway's own port, ${proxyPort} (deployment.proxyPort)`,
      command: setCommand(["database", "port"], proxyPort === 65535 ? 65534 : proxyPort + 1),
    },
  ];
}

/** The kinds of database that each topology can have; the first is the default. */
const databaseKinds: Readonly<
  Record<DeploymentSettings["topology"], readonly DatabaseSettings["kind"][]>
> = {
  local: ["embedded", "none"],
  "single-host": ["managed", "external", "url", "none"],
  traefik: ["managed", "external", "url", "none"],
  "two-vm": ["machine", "external", "url", "none"],
  existing: ["none"],
};

function checkTopology({ deployment, database }: Candidate): Issue[] {
  if (deployment === undefined || database === undefined) return [];
  const kinds = databaseKinds[deployment.topology];
  if (kinds.includes(database.kind)) return [];
  return [
    {
      path: ["database", "kind"],
      message: `is "${database.kind}", which topology "${deployment.topology}" does not have; it has ${kinds.join(", ")}`,
      command: setCommand(["database", "kind"], kinds[0]),
    },
  ];
}

function checkImages({ deployment, database, redis }: Candidate): Issue[] {
  if (deployment === undefined || !isOnDockerHost(deployment)) return [];
  if (deployment.allowMovingTags) return [];
  const images: [Path, string | undefined][] = [
    [["deployment", "image"], deployment.image],
    [["database", "image"], database?.kind === "managed" ? database.image : undefined],
    [["redis", "image"], redis?.kind === "managed" ? redis.image : undefined],
  ];
  return images.flatMap(([path, image]) =>
    image === undefined || !isMoving(image)
      ? []
      : [
          {
            path,
            message: `is ${JSON.stringify(image)}, which may be another image tomorrow: name a version or a digest`,
            command: `${removeCommand(path)}, or to accept it: ${setCommand(["deployment", "allowMovingTags"], true)}`,
          },
        ],
  );
}

function checkDockerHost({ deployment, secretNames }: Candidate): Issue[] {
  if (deployment === undefined || !isOnDockerHost(deployment)) return [];
  const { docker } = deployment;
  const path = ["deployment", "docker"];
  const issues: Issue[] = [];
  if (docker.host !== undefined && docker.context !== undefined) {
    issues.push({
      path: [...path, "context"],
      message: "is given together with docker.host; give one of them",
      command: removeCommand([...path, "context"]),
    });
  }
  if (docker.host !== undefined && !docker.host.startsWith("unix:")) {
    if (isLoopback(docker.hostname)) {
      issues.push({
        path: [...path, "hostname"],
        message: `is ${docker.hostname}, this machine, but the Docker host is ${docker.host}: say under which name it is reached`,
        command: setCommand(
          [...path, "hostname"],
          URL.parse(docker.host)?.hostname ?? "docker.example.com",
        ),
      });
    }
    if (deployment.topology === "single-host" && isLoopback(deployment.proxyAddress)) {
      issues.push({
        path: ["deployment", "proxyAddress"],
        message: `is ${deployment.proxyAddress}, which only the Docker host itself reaches; the checks ask the gateway from here`,
        command: setCommand(["deployment", "proxyAddress"], "0.0.0.0"),
      });
    }
  }
  for (const [index, { password }] of docker.registries.entries()) {
    if (secretNames.has(password)) continue;
    issues.push({
      path: [...path, "registries", index, "password"],
      message: `needs the secret ${JSON.stringify(password)}, which is not set${suggest(password, secretNames)}`,
      command: setSecretCommand(password),
    });
  }
  return issues;
}

function checkDatabase({ deployment, database, secretNames }: Candidate): Issue[] {
  if (database === undefined) return [];
  const issues: Issue[] = [];
  const need = (secret: TopLevelSecret, why: string): void => {
    if (!secretNames.has(secret)) {
      issues.push({
        path: [secret],
        message: `is required ${why}`,
        command: setSecretCommand(secret),
      });
    }
  };
  if (database.kind === "external") {
    need("databaseAdminPassword", `with database.kind "external"`);
    const path = ["database", "certificateAuthorityFile"];
    if (database.certificateAuthorityFile !== undefined && database.sslmode !== "verify-full") {
      issues.push({
        path,
        message: `is not used with sslmode "${database.sslmode}"`,
        command: setCommand(["database", "sslmode"], "verify-full"),
      });
    }
  }
  if (database.kind === "url") {
    need("databaseUrl", `with database.kind "url"`);
  } else if (secretNames.has("databaseUrl")) {
    issues.push({
      path: ["databaseUrl"],
      message: `is not used with database.kind "${database.kind}"`,
      command: `${setCommand(["database", "kind"], "url")}, or: ${removeCommand(["databaseUrl"])}`,
    });
  }
  if (
    database.kind === "managed" &&
    deployment?.topology === "single-host" &&
    deployment.docker.host !== undefined &&
    !deployment.docker.host.startsWith("unix:") &&
    isLoopback(database.address)
  ) {
    issues.push({
      path: ["database", "address"],
      message: `is ${database.address}, which only the Docker host itself reaches; role and database are made from here`,
      command: setCommand(["database", "address"], "0.0.0.0"),
    });
  }
  return issues;
}

/** Inside a container, `localhost` is the container. */
function checkLoopback({ deployment, database, endpoints, models }: Candidate): Issue[] {
  if (deployment === undefined || !isOnDockerHost(deployment)) return [];
  const urls: [Path, string | undefined][] = [
    ...Object.entries(endpoints ?? {}).map(([name, url]): [Path, string] => [
      ["endpoints", name],
      url,
    ]),
    ...models.map(({ model, index }): [Path, string | undefined] => [
      ["models", index, "baseUrl"],
      "baseUrl" in model ? model.baseUrl : undefined,
    ]),
  ];
  const issues = urls.flatMap(([path, url]) => {
    const host = url === undefined ? undefined : URL.parse(url)?.hostname;
    if (url === undefined || host === undefined || !isLoopback(host)) return [];
    return [loopbackIssue(path, url, url.replace(host, "host.docker.internal"))];
  });
  if (database?.kind === "external" && isLoopback(database.host)) {
    issues.push(loopbackIssue(["database", "host"], database.host, "host.docker.internal"));
  }
  return issues;
}

function loopbackIssue(path: Path, value: string, better: string): Issue {
  return {
    path,
    message: `is ${JSON.stringify(value)}, which inside a container is the container itself; the Docker host is host.docker.internal`,
    command: setCommand(path, better),
  };
}

function checkModel(model: ParsedModel, index: number, candidate: Candidate): Issue[] {
  const path = ["models", index];
  return [
    ...checkFallbacks(model, path, candidate.modelNames),
    ...checkTimeout(model, path, candidate),
    ...checkLocation(model, path, candidate),
    ...checkUpstreamName(model, path),
    ...checkManaged(managedParams, model.params, path, "params"),
    ...checkPassThrough("litellm_params", withoutManaged(managedParams, model.params), [
      ...path,
      "params",
    ]),
    ...checkManaged(managedModelInfo, model.modelInfo, path, "modelInfo"),
    ...checkPassThrough("model_info", withoutManaged(managedModelInfo, model.modelInfo), [
      ...path,
      "modelInfo",
    ]),
  ];
}

function checkTimeout(
  { timeoutSeconds }: ParsedModel,
  path: Path,
  { requestTimeoutSeconds }: Candidate,
): Issue[] {
  if (timeoutSeconds === undefined || requestTimeoutSeconds === undefined) return [];
  if (timeoutSeconds <= requestTimeoutSeconds) return [];
  return [
    {
      path: [...path, "timeoutSeconds"],
      message: `is ${timeoutSeconds}, longer than requestTimeoutSeconds (${requestTimeoutSeconds}), after which a stop cuts requests off`,
      command: setCommand(["requestTimeoutSeconds"], Math.ceil(timeoutSeconds)),
    },
  ];
}

function checkLocation(model: ParsedModel, path: Path, { endpoints }: Candidate): Issue[] {
  if (!hasLocation(model)) return [];
  const { baseUrl, endpoint } = model;
  if (baseUrl !== undefined && endpoint !== undefined) {
    return [
      {
        path: [...path, "endpoint"],
        message: "is given together with baseUrl; give one of them",
        command: removeCommand([...path, "endpoint"]),
      },
    ];
  }
  if (baseUrl === undefined && endpoint === undefined && model.provider !== "other") {
    return [
      {
        path: [...path, "baseUrl"],
        message: "is required: the server's URL, or endpoint, the name of an entry of endpoints",
        command: setCommand(
          [...path, "baseUrl"],
          model.provider === "ollama" ? "http://127.0.0.1:11434" : "https://litellm.example.com",
        ),
      },
    ];
  }
  if (endpoint === undefined || endpoints === undefined || Object.hasOwn(endpoints, endpoint)) {
    return [];
  }
  const endpointPath = [...path, "endpoint"];
  return [
    {
      path: endpointPath,
      message: `is ${describe(endpointPath, endpoint)}, which endpoints does not define${suggest(endpoint, Object.keys(endpoints))}`,
      command: setCommand(["endpoints", endpoint]),
    },
  ];
}

function hasLocation(
  model: ParsedModel,
): model is Extract<ParsedModel, { endpoint?: string | undefined }> {
  return (
    model.provider === "ollama" ||
    model.provider === "openai-compatible" ||
    model.provider === "other"
  );
}

/** Providers with models whose own names begin like LiteLLM's prefix, such as `groq/compound`. */
const providersInModelNames: ReadonlySet<string> = new Set(["groq", "openrouter", "perplexity"]);

function checkUpstreamName(model: ParsedModel, path: Path): Issue[] {
  if (model.provider === "mock") return [];
  if (model.provider === "other" && !litellmProviders.includes(model.litellmProvider)) {
    const providerPath = [...path, "litellmProvider"];
    return [
      {
        path: providerPath,
        message: `is ${describe(providerPath, model.litellmProvider)}, which LiteLLM does not know${suggest(model.litellmProvider, litellmProviders)}`,
        command: setCommand(providerPath, findSimilar(model.litellmProvider, litellmProviders)),
      },
    ];
  }
  // A server with OpenAI's API may well call a model `openai/gpt-oss-20b`.
  if (model.provider === "openai-compatible") return [];
  const prefixes = model.provider === "ollama" ? ["ollama", "ollama_chat"] : [litellmPrefix(model)];
  const prefix = prefixes.find(
    (name) => model.model.startsWith(`${name}/`) && !providersInModelNames.has(name),
  );
  if (prefix === undefined) return [];
  const modelPath = [...path, "model"];
  return [
    {
      path: modelPath,
      message: `is ${describe(modelPath, model.model)}, but must be the provider's own name: the prefix ${JSON.stringify(`${prefix}/`)} is added for LiteLLM`,
      command: setCommand(modelPath, model.model.slice(prefix.length + 1)),
    },
  ];
}

function checkDuplicateNames({ models }: Candidate): Issue[] {
  const issues: Issue[] = [];
  for (const { model, index } of models) {
    const first = models.find((other) => other.model.name === model.name);
    if (first === undefined) continue;
    const others = models.filter((other) => other.model.name === model.name);
    if (others.length > 1 && !model.loadBalanced) {
      issues.push({
        path: ["models", index, "name"],
        message:
          `is ${JSON.stringify(model.name)}, as in ${others
            .filter((other) => other.index !== index)
            .map((other) => `models[${other.index}]`)
            .join(" and ")}: give each its own name, or set loadBalanced on all of them` +
          " and LiteLLM spreads requests over them",
        command: setCommand(["models", index, "loadBalanced"], true),
      });
    }
    const given = model.fallbacks.join("\n");
    const expected = first.model.fallbacks.join("\n");
    if (first.index !== index && given !== expected) {
      issues.push({
        path: ["models", index, "fallbacks"],
        message: `differ from those of models[${first.index}], which has the same name; LiteLLM knows them by name`,
        command: setCommand(["models", index, "fallbacks"], first.model.fallbacks),
      });
    }
  }
  return issues;
}

function checkGroups({ models, modelFiles }: Candidate): Issue[] {
  if (modelFiles === undefined || modelFiles.groupBy === "group") return [];
  return models.flatMap(({ model, index }) =>
    model.group === undefined
      ? []
      : [
          {
            path: ["models", index, "group"],
            message: `is not used with modelFiles.groupBy "${modelFiles.groupBy}"`,
            command: setCommand(["modelFiles", "groupBy"], "group"),
          },
        ],
  );
}

/** One issue for each missing secret, whatever the number of models that need it. */
function checkModelKeys({ models, secretNames }: Candidate): Issue[] {
  const issues: Issue[] = [];
  const needed = new Map<string, { readonly path: Path; readonly users: string[] }>();
  for (const { model, index } of models) {
    if (!("apiKey" in model) || model.apiKey === undefined) continue;
    const path = ["models", index, "apiKey"];
    if (gatewaySecrets.has(model.apiKey)) {
      issues.push({
        path,
        message: `is ${JSON.stringify(model.apiKey)}, a secret of the gateway itself`,
        command: removeCommand(path),
      });
    } else if (!secretNames.has(model.apiKey)) {
      const entry = needed.get(model.apiKey) ?? { path, users: [] };
      entry.users.push(model.name);
      needed.set(model.apiKey, entry);
    }
  }
  for (const [name, { path, users }] of needed) {
    const models = [...new Set(users)].map((user) => JSON.stringify(user));
    issues.push({
      path,
      message: `needs the secret ${JSON.stringify(name)}, which is not set${suggest(name, secretNames)} (${models.length === 1 ? "model" : "models"} ${models.join(", ")})`,
      command: setSecretCommand(name),
    });
  }
  return issues;
}

/** What to use instead of a key of LiteLLM's that follows from our settings. */
type ManagedKeys = Readonly<Record<string, string>>;

const managedParams: ManagedKeys = {
  api_base: "baseUrl",
  api_key: "apiKey",
  base_url: "baseUrl",
  input_cost_per_token: "cost.inputCostPerToken",
  max_parallel_requests: "limits.maxParallelRequests",
  model: "model",
  output_cost_per_token: "cost.outputCostPerToken",
  rpm: "limits.rpm",
  timeout: "timeoutSeconds",
  tpm: "limits.tpm",
};
const managedModelInfo: ManagedKeys = { mode: "mode" };
const managedGeneralSettings: ManagedKeys = {
  // Of older guides; this LiteLLM has wildcard models instead.
  allow_non_registered_models: "allowNonRegisteredModels",
  database_connection_pool_limit: "database.connectionLimit",
  database_url: "database",
  master_key: "masterKey",
};
const managedLitellmSettings: ManagedKeys = {
  fallbacks: "models[].fallbacks",
  request_timeout: "requestTimeoutSeconds",
};
const managedRouterSettings: ManagedKeys = {
  fallbacks: "models[].fallbacks",
  model_list: "models",
};

function checkManaged(
  managed: ManagedKeys,
  value: PassThrough,
  parent: Path,
  key: string,
): Issue[] {
  return Object.entries(managed).flatMap(([name, setting]) => {
    if (!Object.hasOwn(value, name)) return [];
    const path = [...parent, key, name];
    return [
      {
        path,
        message: `is set by the deployment itself; use ${setting} instead`,
        command: [removeCommand(path), ...moveCommand(path, value[name], parent, setting)].join(
          " && ",
        ),
      },
    ];
  });
}

/** What sets a setting to the value of the key that it replaces, where a command can. */
function moveCommand(from: Path, value: unknown, parent: Path, setting: string): string[] {
  if (isTopLevelSecret(setting)) return [setSecretCommand(setting)];
  if (setting === "database" || setting === "models" || setting.includes("[]")) return [];
  const scalar = typeof value === "object" || isHidden(from, value) ? undefined : value;
  return [setCommand([...parent, ...setting.split(".")], scalar)];
}

function withoutManaged(managed: ManagedKeys, value: PassThrough): PassThrough {
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => !Object.hasOwn(managed, name)),
  );
}

function checkSections(candidate: Candidate): Issue[] {
  const { routerSettings, litellmSettings, generalSettings } = candidate;
  const parts: readonly [Section, string, PassThrough | undefined, ManagedKeys][] = [
    ["router_settings", "routerSettings", routerSettings, managedRouterSettings],
    ["litellm_settings", "litellmSettings", litellmSettings, managedLitellmSettings],
    ["general_settings", "generalSettings", generalSettings, managedGeneralSettings],
  ];
  return parts.flatMap(([section, key, value, managed]) => {
    if (value === undefined) return [];
    const others = withoutManaged(managed, value);
    return [
      ...checkManaged(managed, value, [], key),
      ...checkPassThrough(section, others, [key]),
      ...checkFallbackLists(others, [key], candidate),
    ];
  });
}

function checkEnvironmentVariables({ environmentVariables, secretNames }: Candidate): Issue[] {
  const carriers = new Map([...secretNames].map((name) => [environmentVariableOf(name), name]));
  return Object.entries(environmentVariables ?? {}).flatMap(([name, value]) => {
    const path = ["environmentVariables", name];
    const issue = (message: string, ...then: string[]): Issue[] => [
      { path, message, command: [removeCommand(path), ...then].join(" && ") },
    ];
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      return issue("is no name of an environment variable: letters, digits and _ only");
    }
    if (Object.hasOwn(managedEnvironmentVariables, name)) {
      const setting = managedEnvironmentVariables[name];
      return issue(
        `is set by the deployment itself${setting === undefined ? "" : `; use ${setting} instead`}`,
        ...(setting === undefined ? [] : moveCommand(path, value, [], setting)),
      );
    }
    const carried = carriers.get(name);
    if (carried !== undefined)
      return issue(`is what carries the secret ${JSON.stringify(carried)}`);
    if (
      /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)$/i.test(name) ||
      isSecretName(name) ||
      isCredential(value)
    ) {
      return issue(
        "holds a secret in plain text (not shown); store it as a secret",
        setSecretCommand(toCamelCase(name)),
      );
    }
    if (value.includes("\0")) return issue("contains a NUL character");
    return [];
  });
}

function checkReferences(candidate: Candidate): Issue[] {
  const { secretNames, environmentVariables, redis } = candidate;
  if (environmentVariables === undefined) return [];
  const provided = listProvidedVariables({ secretNames, environmentVariables, redis });
  const places: [Path, unknown][] = [
    ...candidate.models.flatMap(({ model, index }): [Path, unknown][] => [
      [["models", index, "params"], model.params],
      [["models", index, "modelInfo"], model.modelInfo],
    ]),
    [["routerSettings"], candidate.routerSettings],
    [["litellmSettings"], candidate.litellmSettings],
    [["generalSettings"], candidate.generalSettings],
  ];
  return places.flatMap(([base, value]) => checkReferencesIn(value, base, provided));
}
