/*
 * Which paths of LiteLLM 1.106.2 applications use: its `LiteLLMRoutes.llm_api_routes`, less what among
 * them manages agents, servers and plugins. Everything else is for administrators, also what a later
 * version adds: a path that is forgotten here is refused to those who need it and is noticed; the other
 * way round it would be open.
 */

/** First segments, with or without `/v1`, that are OpenAI's API as LiteLLM has it: they and all below. */
const OPENAI_SEGMENTS = [
  "assistants",
  "audio",
  "batches",
  "chat",
  "completions",
  "containers",
  "decisions",
  "embeddings",
  "evals",
  "files",
  "fine_tuning",
  "images",
  "messages",
  "models",
  "moderations",
  "ocr",
  "rag",
  "realtime",
  "rerank",
  "responses",
  "search",
  "skills",
  "systemone",
  "threads",
  "vector_stores",
  "videos",
];

/** Other paths that applications use, with all below them. */
const PREFIXES = [
  "/a2a",
  "/claude_code_gateway/v1/messages",
  "/engines",
  "/interactions",
  "/mcp",
  "/mcp-rest/tools",
  "/v1/a2a",
  "/v1beta",
  "/v2/rerank",
  // OAuth of MCP clients.
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-protected-resource",
  "/authorize",
];

/** Providers' own APIs, passed through. */
const PASS_THROUGH_SEGMENTS = [
  "anthropic",
  "assemblyai",
  "azure",
  "azure_ai",
  "azure_speech",
  "bedrock",
  "bespoke",
  "cohere",
  "comprehendmedical",
  "cursor",
  "deepgram",
  "eu.assemblyai",
  "fal_ai",
  "gemini",
  "gigachat",
  "langfuse",
  "laya",
  "milvus",
  "mistral",
  "nvidia_nim",
  "openai",
  "openai_passthrough",
  "openrouter",
  "tinyfish",
  "transcribe",
  "typesafe",
  "vertex-ai",
  "vertex_ai",
  "vllm",
  "watsonx",
];

/** Paths that applications and monitoring use, without those below them. */
const PATHS = [
  "/.well-known/jwks.json",
  "/.well-known/openid-configuration",
  "/agents",
  "/api/event_logging/batch",
  "/apply_guardrail",
  "/callback",
  "/claude-code/marketplace.json",
  "/guardrails/apply_guardrail",
  "/health/liveliness",
  "/health/liveness",
  "/health/readiness",
  "/introspect",
  "/model/info",
  "/model_group/info",
  "/register",
  "/revoke",
  "/robots.txt",
  "/token",
  "/utils/token_counter",
  "/utils/transform_request",
  "/v1/mcp/tools",
  "/v1/model/info",
  "/v1/vector_store/list",
  "/vector_store/list",
];

/** Paths whose first segment the user names: files and batches of a provider, and MCP servers. */
const NAMED = ["/[^/]+/v1/(?:batches|files)(?:/.*)?", "/(?:toolset/)?[^/]+/mcp/?"];

/** Some of the paths for administrators; a check asks for them from outside. */
export const ADMIN_PATHS = ["/ui/", "/key/list", "/config/yaml", "/metrics"] as const;

/**
 * Regular expression that matches the paths for applications, in the syntax that Go and JavaScript share.
 * @param openPaths further ones, each with all below it
 */
export function apiPathPattern(openPaths: readonly string[]): string {
  const below = [
    `(?:/v1)?/${group(OPENAI_SEGMENTS)}`,
    ...[...PREFIXES, ...PASS_THROUGH_SEGMENTS.map((segment) => `/${segment}`), ...openPaths].map(
      escape,
    ),
  ];
  return `^(?:(?:${below.join("|")})(?:/.*)?|(?:${PATHS.map(escape).join("|")})/?|${NAMED.join("|")})$`;
}

function group(words: readonly string[]): string {
  return `(?:${words.map(escape).join("|")})`;
}

function escape(text: string): string {
  return text.replaceAll(".", "[.]");
}

/** Whether a path is for applications; the others are for administrators. */
export function isApiPath(path: string, openPaths: readonly string[] = []): boolean {
  return new RegExp(apiPathPattern(openPaths)).test(path);
}
