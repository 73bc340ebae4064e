import { describe, expect, test } from "vitest";

import { ADMIN_PATHS, apiPathPattern, isApiPath } from "../../../stacks/plan/api-paths.ts";

describe("paths of LiteLLM", () => {
  test.each([
    "/chat/completions",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/models/gpt-4",
    "/v1/messages/count_tokens",
    "/openai/deployments/gpt-4/chat/completions",
    "/engines/gpt-4/embeddings",
    "/v1beta/models/gemini:streamGenerateContent",
    "/v1/realtime",
    "/v1/vector_stores/one/search",
    "/v1/vector_store/list",
    "/v2/rerank",
    "/eu.assemblyai/v2/transcript",
    "/vertex_ai/live",
    "/azure/v1/files/one/content",
    "/mcp",
    "/mcp/sse/messages",
    "/github/mcp",
    "/toolset/mine/mcp/",
    "/.well-known/oauth-protected-resource/mcp",
    "/health/liveliness",
    "/health/readiness",
    "/model/info",
  ])("%s is for applications", (path) => {
    expect(isApiPath(path)).toBe(true);
  });

  test.each([
    ...ADMIN_PATHS,
    "/",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/ui",
    "/login",
    "/v2/login",
    "/sso/key/generate",
    "/key/generate",
    "/team/new",
    "/user/info",
    "/organization/list",
    "/customer/list",
    "/budget/list",
    "/model/new",
    "/model/delete",
    "/v2/model/info",
    "/model_group/make_public",
    "/spend/logs",
    "/global/spend/report",
    "/management/v1/budgets",
    "/config/update",
    "/settings",
    "/cache/flushall",
    "/credentials",
    "/health",
    "/health/readiness/details",
    "/v1/mcp/server",
    "/v1/mcp/server/one",
    "/mcp-rest/test/connection",
    "/v1/agents",
    "/claude-code/plugins",
    "/guardrails/register",
    "/vector_store/new",
    "/callbacks/list",
    "/search_tools",
    "/scim/v2/Users",
    "/authorized",
    "/openai.json",
    "/euxassemblyai/v2",
    "/v1",
    "/V1/models",
    "/something/new",
  ])("%s is for administrators", (path) => {
    expect(isApiPath(path)).toBe(false);
  });

  test("can be opened", () => {
    expect(isApiPath("/mine/below", ["/mine"])).toBe(true);
    expect(isApiPath("/mine.v1", ["/mine"])).toBe(false);
    expect(isApiPath("/mineXv1", ["/mine.v1"])).toBe(false);
    expect(isApiPath("/key/info", ["/key/info"])).toBe(true);
    expect(isApiPath("/key/list", ["/key/info"])).toBe(false);
  });

  test("fit into a rule of Traefik", () => {
    // Between backticks; Go's expressions have no look-around and no back references.
    expect(apiPathPattern([])).not.toMatch(/`|\(\?[=!<]|\\|\{\{/);
  });
});
