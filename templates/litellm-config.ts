import { Document, isScalar, Scalar, type ScalarTag, visit } from "yaml";

import { referencedVariables } from "../stacks/litellm-keys.ts";
import { litellmPrefix, type ModelDefinition } from "../stacks/models.ts";
import { environmentReference, environmentVariableOf } from "../stacks/secret-names.ts";
import type { Settings } from "../stacks/settings.ts";

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
>;

type Json = Readonly<Record<string, unknown>>;

/**
 * Text of litellm-config.yaml. Secrets appear as `os.environ/<NAME>` only; the database's URL reaches
 * the proxy by its environment. The same settings give the same text, byte for byte.
 */
export function renderLitellmConfig(input: LitellmConfigInput): string {
  return stringify(buildConfig(input));
}

/** Names of the environment variables that the file refers to, sorted. */
export function requiredEnvironment(input: LitellmConfigInput): string[] {
  const names = [...referencedVariables(buildConfig(input))].map(
    ({ environmentVariable }) => environmentVariable,
  );
  return [...new Set(names)].sort();
}

function buildConfig(input: LitellmConfigInput): Json {
  return {
    model_list: [
      ...input.models.map(buildModel),
      // Any model by LiteLLM's own name: https://docs.litellm.ai/docs/wildcard_routing
      ...(input.allowNonRegisteredModels
        ? [{ model_name: "*", litellm_params: { model: "*" } }]
        : []),
    ],
    router_settings: buildRouterSettings(input),
    litellm_settings: {
      // One log line is one JSON object: what log collectors expect.
      json_logs: true,
      request_timeout: input.requestTimeoutSeconds,
      ...sortKeys(input.litellmSettings),
    },
    general_settings: {
      master_key: environmentReference("LITELLM_MASTER_KEY"),
      ...("connectionLimit" in input.database && {
        database_connection_pool_limit: input.database.connectionLimit,
      }),
      // Models stored in the database would be a second truth beside the settings.
      store_model_in_db: false,
      ...sortKeys(input.generalSettings),
    },
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

function buildRouterSettings({ models, routerSettings }: LitellmConfigInput): Json {
  const fallbacks = new Map(
    models
      .filter((model) => model.fallbacks.length > 0)
      .map((model) => [model.name, model.fallbacks]),
  );
  return {
    ...(fallbacks.size > 0 && {
      fallbacks: [...fallbacks].map(([name, names]) => ({ [name]: names })),
    }),
    ...sortKeys(routerSettings),
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
