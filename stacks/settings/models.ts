import { z } from "zod";
import { boolean, integer, number } from "./scalars.ts";
import { namePattern } from "./secret-names.ts";

/**
 * What a model is for: LiteLLM's `model_info.mode`.
 * A test compares the list with the one in the pinned LiteLLM package.
 */
export const modelModes = [
  "chat",
  "completion",
  "responses",
  "embedding",
  "rerank",
  "moderation",
  "image_generation",
  "image_edit",
  "video_generation",
  "audio_transcription",
  "audio_speech",
  "realtime",
  "ocr",
] as const;

/** A `baseUrl` names no user and no password: those are secrets. */
export const baseUrl = z
  .url({ protocol: /^https?$/, error: "must be an http:// or https:// URL" })
  .refine((url) => !hasUserInfo(url), "must not contain a user name or password");

function hasUserInfo(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed !== null && (parsed.username !== "" || parsed.password !== "");
}

const secretName = z.string().regex(namePattern, "must be the name of a secret");
const upstreamModel = z.string().trim().min(1);
/** Checked key by key against LiteLLM's own list, not by this schema. */
const passThrough = z.record(z.string(), z.unknown());

const common = {
  name: z
    .string()
    .trim()
    .min(1)
    .meta({
      description: "Name that clients ask for.",
      examples: ["gpt-5", "claude-sonnet"],
    }),
  mode: z
    .enum(modelModes)
    .default("chat")
    .meta({ description: "What the model is for.", examples: ["chat", "embedding"] }),
  group: z
    .string()
    .regex(
      /^[a-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$/,
      "must be a name of letters, digits and -, starting with a small letter",
    )
    .optional()
    .meta({
      description: "Name of the file that the model goes into, with `modelFiles.groupBy: group`.",
      examples: ["chat-models"],
    }),
  fallbacks: z
    .array(z.string().trim().min(1))
    .default([])
    .meta({
      description: "Names of models to try, in this order, when this one fails.",
      examples: [["claude-sonnet"]],
    }),
  limits: z
    .strictObject({
      rpm: integer({ min: 1 })
        .optional()
        .meta({ description: "Requests per minute.", examples: [600] }),
      tpm: integer({ min: 1 })
        .optional()
        .meta({ description: "Tokens per minute.", examples: [100000] }),
      maxParallelRequests: integer({ min: 1 })
        .optional()
        .meta({ description: "Requests running at the same time.", examples: [20] }),
    })
    .default({})
    .meta({ description: "Upper bounds that the router keeps for this model." }),
  timeoutSeconds: number({ above: 0 })
    .optional()
    .meta({
      description:
        "Longest duration of a request to this model, in seconds. Default: `requestTimeoutSeconds`.",
      examples: [120],
    }),
  cost: z
    .strictObject({
      inputCostPerToken: number({ min: 0 })
        .optional()
        .meta({ description: "US dollars per input token.", examples: [0.00000125] }),
      outputCostPerToken: number({ min: 0 })
        .optional()
        .meta({ description: "US dollars per output token.", examples: [0.00001] }),
    })
    .default({})
    .meta({
      description: "Prices for spend tracking, where LiteLLM's own price list has none or others.",
    }),
  loadBalanced: boolean()
    .default(false)
    .meta({
      description:
        "Says that several definitions share this name on purpose: LiteLLM spreads requests over them.",
      examples: [true],
    }),
  params: passThrough.default({}).meta({
    description:
      "Further `litellm_params`, under LiteLLM's own names. A secret is `os.environ/<NAME>`.",
    examples: [{ temperature: 0.2 }],
  }),
  modelInfo: passThrough.default({}).meta({
    description: "Further `model_info`, under LiteLLM's own names.",
    examples: [{ base_model: "gpt-5" }],
  }),
};

/** Where a self-hosted server is: exactly one of the two, checked with the other settings. */
const location = {
  baseUrl: baseUrl
    .optional()
    .meta({ description: "URL of the server.", examples: ["http://127.0.0.1:11434"] }),
  endpoint: z
    .string()
    .optional()
    .meta({ description: "Name of an entry of `endpoints`, instead of `baseUrl`." }),
};

const openai = z.strictObject({
  provider: z.literal("openai").meta({ description: "OpenAI." }),
  ...common,
  model: upstreamModel.meta({
    description: "OpenAI's name of the model.",
    examples: ["gpt-5", "text-embedding-3-small"],
  }),
  apiKey: secretName
    .default("openaiApiKey")
    .meta({ description: "Name of the secret that holds the API key." }),
});

const anthropic = z.strictObject({
  provider: z.literal("anthropic").meta({ description: "Anthropic." }),
  ...common,
  model: upstreamModel.meta({
    description: "Anthropic's name of the model.",
    examples: ["claude-sonnet-4-5"],
  }),
  apiKey: secretName
    .default("anthropicApiKey")
    .meta({ description: "Name of the secret that holds the API key." }),
});

const ollama = z.strictObject({
  provider: z.literal("ollama").meta({ description: "An Ollama server." }),
  ...common,
  ...location,
  model: upstreamModel.meta({
    description: "Ollama's name of the model.",
    examples: ["llama3.2", "nomic-embed-text"],
  }),
  apiKey: secretName
    .optional()
    .meta({ description: "Name of the secret that holds the server's API key, if it wants one." }),
});

const openaiCompatible = z.strictObject({
  provider: z
    .literal("openai-compatible")
    .meta({ description: "Another LiteLLM, or any server with OpenAI's API." }),
  ...common,
  ...location,
  model: upstreamModel.meta({
    description: "The server's name of the model.",
    examples: ["wsd-atlas"],
  }),
  apiKey: secretName
    .optional()
    .meta({ description: "Name of the secret that holds the server's API key, if it wants one." }),
});

const mock = z.strictObject({
  provider: z
    .literal("mock")
    .meta({ description: "LiteLLM answers by itself: no upstream, no key, no cost." }),
  ...common,
  mode: z
    .enum(["chat", "completion", "embedding"])
    .default("chat")
    .meta({ description: "What the model is for.", examples: ["chat", "embedding"] }),
  response: z
    .string()
    .min(1)
    .default("Hello from your gateway.")
    .meta({ description: "The answer of a chat or completion model." }),
  embedding: z
    .array(number({}))
    .min(1)
    .default([0.1, 0.2, 0.3])
    .meta({ description: "The answer of an embedding model." }),
});

const other = z.strictObject({
  provider: z.literal("other").meta({ description: "Any other provider that LiteLLM knows." }),
  ...common,
  ...location,
  litellmProvider: z
    .string()
    .min(1)
    .meta({
      description: "LiteLLM's name of the provider: the part before the slash of its models.",
      examples: ["groq", "azure", "bedrock"],
    }),
  model: upstreamModel.meta({
    description: "The provider's name of the model.",
    examples: ["llama-3.3-70b-versatile"],
  }),
  apiKey: secretName
    .optional()
    .meta({ description: "Name of the secret that holds the API key.", examples: ["groqApiKey"] }),
});

/** One entry of `models`, as a user writes it. */
export const Model = z.discriminatedUnion("provider", [
  openai,
  anthropic,
  ollama,
  openaiCompatible,
  mock,
  other,
]);

/** The values that `provider` can have. */
export const modelProviders: readonly string[] = Model.options.map(
  (option) => option.shape.provider.value,
);

type ParsedModel = z.output<typeof Model>;

/** One entry of `models`, complete: `endpoint` is resolved to `baseUrl`. */
export type ModelDefinition = DeepReadonly<Located<ParsedModel>>;

type Located<M> = M extends { endpoint?: string | undefined }
  ? Omit<M, "endpoint" | "baseUrl"> &
      (M extends { provider: "other" } ? { baseUrl?: string | undefined } : { baseUrl: string })
  : M;

/** `T` without a way to change it. */
export type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** LiteLLM's prefix for the models of a provider. */
export function litellmPrefix(
  model: Pick<ParsedModel, "provider" | "mode"> & { litellmProvider?: string },
): string {
  switch (model.provider) {
    case "openai":
    case "openai-compatible":
    case "mock":
      return "openai";
    case "anthropic":
      return "anthropic";
    case "ollama":
      // `ollama` speaks /api/generate, which knows no roles; `ollama_chat` speaks /api/chat.
      return model.mode === "chat" ? "ollama_chat" : "ollama";
    case "other":
      return model.litellmProvider ?? "";
    default:
      return model.provider satisfies never;
  }
}

/** Replaces `endpoint` by the base URL that it names. `endpoint` must exist: checked before. */
export function locate(
  model: ParsedModel,
  endpoints: Readonly<Record<string, string>>,
): ModelDefinition {
  if (!("endpoint" in model) && !("baseUrl" in model)) return model as ModelDefinition;
  const { endpoint, baseUrl: url, ...rest } = model;
  const resolved = endpoint === undefined ? url : endpoints[endpoint];
  return { ...rest, ...(resolved !== undefined && { baseUrl: resolved }) } as ModelDefinition;
}
