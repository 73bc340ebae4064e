import { readFileSync } from "node:fs";

import { expect, test } from "vitest";
import { parse } from "yaml";

import { keysOf, type Section } from "../../../stacks/settings/litellm-keys.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { requiredEnvironment } from "../../../templates/litellm-config.ts";
import { listLitellmSources, renderLitellmFiles } from "../../../templates/litellm-files.ts";
import { mockModels, rawConfig } from "../settings/raw-config.ts";

const TEAM = "model_list:\n  - model_name: team\n    litellm_params: {model: openai/gpt-5}\n";
const ISOLATION = readFileSync("templates/cache_isolation.py", "utf8");

const everything = {
  deployment: { topology: "traefik", baseDomain: "example.com", certificates: { kind: "private" } },
  redis: { kind: "managed" },
  modelFiles: { groupBy: "provider" },
  includes: ["config/team.yaml"],
  models: [
    { name: "gpt-5", provider: "openai", model: "gpt-5", fallbacks: ["team"] },
    { name: "hello", provider: "mock" },
    { name: "gpt-5-mini", provider: "openai", model: "gpt-5-mini" },
    { name: "llama", provider: "other", litellmProvider: "groq", model: "l", apiKey: "groqApiKey" },
  ],
  router: {
    strategy: "usage-based-routing-v2",
    retries: 2,
    allowedFails: 3,
    cooldownSeconds: 30,
    timeoutSeconds: 120,
    contextWindowFallbacks: { "gpt-5-mini": ["gpt-5"], "gpt-5": ["llama"] },
    contentPolicyFallbacks: { "gpt-5": ["llama"] },
    defaultFallbacks: ["hello"],
  },
  routerSettings: { cache_kwargs: { max_connections: 50 }, retry_after: 1 },
  cache: { enabled: true, ttlSeconds: 60 },
  callbacks: [
    { kind: "langfuse" },
    { kind: "prometheus" },
    { kind: "s3", bucket: "logs", region: "eu-central-1", path: "litellm" },
  ],
  litellmSettings: { callbacks: ["custom.logger"], drop_params: true },
  alerting: { slack: true, webhook: true, types: ["llm_exceptions"] },
};
const secrets = {
  openaiApiKey: "sk-openai",
  slackWebhookUrl: "https://hooks.example.com/1",
  alertWebhookUrl: "https://hooks.example.com/2",
  secrets: {
    groqApiKey: "gsk",
    langfusePublicKey: "value-1",
    langfuseSecretKey: "value-2",
    awsAccessKeyId: "value-3",
    awsSecretAccessKey: "value-4",
  },
};

test("everything", async () => {
  const settings = parseSettings(rawConfig(everything, secrets));
  expect(listLitellmSources(settings)).toEqual([
    "config/team.yaml",
    "templates/cache_isolation.py",
  ]);
  const files = renderLitellmFiles(settings, {
    "config/team.yaml": TEAM,
    "templates/cache_isolation.py": ISOLATION,
  });
  expect(Object.keys(files)).toEqual([
    "litellm-config.yaml",
    "models/openai.yaml",
    "models/mock.yaml",
    "models/groq.yaml",
    "models/team.yaml",
    "cache_isolation.py",
  ]);
  expect(files["models/team.yaml"]).toBe(TEAM);
  expect(files["cache_isolation.py"]).toBe(ISOLATION);
  await expect(files["litellm-config.yaml"]).toMatchFileSnapshot("litellm-files/everything.yaml");
  await expect(files["models/openai.yaml"]).toMatchFileSnapshot("litellm-files/openai.yaml");
  expect(Object.values(files).join("\n")).not.toMatch(/sk-openai|gsk|value-|hooks\.example/);
  expect(requiredEnvironment(settings)).toEqual([
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GROQ_API_KEY",
    "LITELLM_MASTER_KEY",
    "OPENAI_API_KEY",
    "REDIS_HOST",
    "REDIS_PASSWORD",
    "REDIS_PORT",
  ]);
});

test("every key is one that the pinned LiteLLM reads", () => {
  const { "litellm-config.yaml": text = "" } = renderLitellmFiles(
    parseSettings(rawConfig(everything, secrets)),
    { "config/team.yaml": TEAM, "templates/cache_isolation.py": ISOLATION },
  );
  const config = parse(text) as Record<Section, Record<string, object>>;
  const unknown = (section: Section, value: object = {}) =>
    Object.keys(value).filter((key) => !keysOf(section).has(key));
  expect(unknown("router_settings", config.router_settings)).toEqual([]);
  expect(unknown("litellm_settings", config.litellm_settings)).toEqual([]);
  expect(unknown("general_settings", config.general_settings)).toEqual([]);
  expect(unknown("cache_params", config.litellm_settings["cache_params"])).toEqual([]);
});

test("models without a group stay in the config file, those of the wildcard too", () => {
  const settings = parseSettings(
    rawConfig({
      models: [
        { name: "a", provider: "mock", group: "chat-models" },
        { name: "b", provider: "mock" },
      ],
      modelFiles: { groupBy: "group" },
      allowNonRegisteredModels: true,
    }),
  );
  const files = renderLitellmFiles(settings, {});
  expect(Object.keys(files)).toEqual(["litellm-config.yaml", "models/chat-models.yaml"]);
  expect(parse(files["litellm-config.yaml"] ?? "")).toMatchObject({
    include: ["models/chat-models.yaml"],
    model_list: [{ model_name: "b" }, { model_name: "*" }],
  });
  const { model_list: grouped, ...others } = parse(files["models/chat-models.yaml"] ?? "") as {
    readonly model_list: unknown;
  };
  expect(grouped).toMatchObject([{ model_name: "a" }]);
  expect(others).toEqual({});
});

test("the order of a user's lists is kept, and nothing else of the order is", () => {
  const render = (contextWindowFallbacks: object) =>
    renderLitellmFiles(
      parseSettings(
        rawConfig({
          models: ["a", "b", "c"].map((name) => ({ name, provider: "mock" })),
          router: { contextWindowFallbacks, defaultFallbacks: ["c", "a"] },
        }),
      ),
      {},
    )["litellm-config.yaml"] ?? "";
  expect(render({ a: ["c", "b"], b: ["c"] })).toBe(render({ b: ["c"], a: ["c", "b"] }));
  expect(parse(render({ a: ["c", "b"] }))).toMatchObject({
    router_settings: {
      context_window_fallbacks: [{ a: ["c", "b"] }],
      default_fallbacks: ["c", "a"],
    },
  });
});

test("an external Redis without a password, and a cache that all keys share", () => {
  const settings = parseSettings(
    rawConfig({
      models: mockModels,
      redis: { kind: "external", host: "redis.example.com" },
      cache: { enabled: true, sharedBetweenKeys: true, mode: "default_off" },
    }),
  );
  expect(listLitellmSources(settings)).toEqual([]);
  const files = renderLitellmFiles(settings, {});
  expect(Object.keys(files)).toEqual(["litellm-config.yaml"]);
  expect(parse(files["litellm-config.yaml"] ?? "")).toMatchObject({
    router_settings: { redis_host: "os.environ/REDIS_HOST", redis_port: "os.environ/REDIS_PORT" },
    litellm_settings: {
      cache: true,
      cache_params: {
        type: "redis",
        host: "os.environ/REDIS_HOST",
        port: "os.environ/REDIS_PORT",
        ttl: 600,
        mode: "default_off",
        socket_connect_timeout: 1,
        socket_timeout: 1,
      },
    },
  });
  expect(files["litellm-config.yaml"]).not.toMatch(/password|callbacks/i);
});

test("a text that nobody has read is an error of the program", () => {
  const settings = parseSettings(rawConfig({ models: mockModels, includes: ["team.yaml"] }));
  expect(() => renderLitellmFiles(settings, {})).toThrow("the plan needs the text of team.yaml");
});
