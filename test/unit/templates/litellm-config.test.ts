import { readFileSync } from "node:fs";

import { expect, test } from "vitest";
import { parse } from "yaml";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { renderLitellmConfig, requiredEnvironment } from "../../../templates/litellm-config.ts";
import { mockModels, rawConfig } from "../settings/raw-config.ts";

/** A proxy for OpenAI, Anthropic, two Ollama servers and another LiteLLM. */
const severalProviders = rawConfig(
  {
    endpoints: {
      local: "http://127.0.0.1:11434",
      smarthome: "http://smarthome01.local:11434",
    },
    models: [
      {
        name: "gpt-5",
        provider: "openai",
        model: "gpt-5",
        fallbacks: ["claude-sonnet"],
        limits: { rpm: 600, tpm: 200000, maxParallelRequests: 20 },
      },
      { name: "embedding", provider: "openai", mode: "embedding", model: "text-embedding-3-small" },
      {
        name: "claude-sonnet",
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        timeoutSeconds: 120,
      },
      { name: "ollama-local/llama3.2", provider: "ollama", model: "llama3.2", endpoint: "local" },
      {
        name: "ollama-smarthome/nomic-embed-text",
        provider: "ollama",
        mode: "embedding",
        model: "nomic-embed-text",
        endpoint: "smarthome",
      },
      {
        name: "wsdlitellm/wsd-atlas",
        provider: "openai-compatible",
        model: "wsd-atlas",
        baseUrl: "https://uat-litellm.wsd.com",
        apiKey: "upstreamLitellmApiKey",
        fallbacks: ["ollama-local/llama3.2"],
      },
    ],
  },
  {
    openaiApiKey: "sk-openai",
    anthropicApiKey: "sk-anthropic",
    secrets: { upstreamLitellmApiKey: "sk-upstream" },
  },
);

const furtherProviders = rawConfig(
  {
    database: { kind: "none" },
    requestTimeoutSeconds: 300,
    environmentVariables: { AWS_REGION_NAME: "eu-central-1" },
    models: [
      {
        name: "llama",
        provider: "other",
        litellmProvider: "groq",
        model: "llama-3.3-70b-versatile",
        apiKey: "groqApiKey",
        loadBalanced: true,
        cost: { inputCostPerToken: 5.9e-7, outputCostPerToken: 7.9e-7 },
      },
      {
        name: "llama",
        provider: "other",
        litellmProvider: "bedrock",
        model: "meta.llama3-3-70b-instruct-v1:0",
        loadBalanced: true,
        params: {
          temperature: "0.2",
          aws_region_name: "os.environ/AWS_REGION_NAME",
          aws_secret_access_key: "os.environ/AWS_SECRET_ACCESS_KEY",
        },
        modelInfo: { base_model: "bedrock/meta.llama3-3-70b", owner: "search" },
      },
      {
        name: "azure",
        provider: "other",
        litellmProvider: "azure",
        model: "gpt-5-deployment",
        baseUrl: "https://example.openai.azure.com",
        apiKey: "azureApiKey",
        params: { api_version: "2026-01-02" },
      },
      {
        name: "local",
        provider: "openai-compatible",
        model: "m",
        baseUrl: "http://127.0.0.1:8000/v1",
      },
    ],
    routerSettings: { routing_strategy: "least-busy", num_retries: 2, allowed_fails: "3" },
    litellmSettings: { drop_params: true, json_logs: false, callbacks: ["prometheus"] },
    generalSettings: { store_model_in_db: true, alerting: ["slack"] },
  },
  {
    secrets: {
      groqApiKey: "gsk-groq",
      azureApiKey: "azure",
      awsSecretAccessKey: "aws",
    },
  },
);

test.each([
  [
    "mock",
    rawConfig({ models: [...mockModels, { name: "e", provider: "mock", mode: "embedding" }] }),
  ],
  ["several-providers", severalProviders],
  ["further-providers", furtherProviders],
])("%s", async (name, raw) => {
  const text = renderLitellmConfig(parseSettings(raw));
  await expect(text).toMatchFileSnapshot(`litellm-config/${name}.yaml`);
  expect(text.endsWith("\n")).toBe(true);
});

test("the order of keys in a stack file changes nothing", () => {
  const render = (routerSettings: object, params: object) =>
    renderLitellmConfig(
      parseSettings(
        rawConfig({ models: [{ name: "a", provider: "mock", params }], routerSettings }),
      ),
    );
  expect(render({ num_retries: 1, timeout: 5 }, { top_p: 1, seed: 2 })).toBe(
    render({ timeout: 5, num_retries: 1 }, { seed: 2, top_p: 1 }),
  );
});

test("requiredEnvironment names every variable that the text refers to", () => {
  expect(requiredEnvironment(parseSettings(severalProviders))).toEqual([
    "ANTHROPIC_API_KEY",
    "LITELLM_MASTER_KEY",
    "OPENAI_API_KEY",
    "UPSTREAM_LITELLM_API_KEY",
  ]);
  const settings = parseSettings(furtherProviders);
  const mentioned = [...renderLitellmConfig(settings).matchAll(/os\.environ\/(\w+)/g)];
  expect(requiredEnvironment(settings)).toEqual(
    [...new Set(mentioned.map(([, variable]) => variable))].sort(),
  );
});

test("the default stack's file is what its settings render to", () => {
  const { config } = parse(readFileSync("Pulumi.dev.yaml", "utf8")) as {
    config: Record<string, unknown>;
  };
  const settings = parseSettings(
    rawConfig(
      Object.fromEntries(
        Object.entries(config).map(([key, value]) => [key.replace(/^.*:/, ""), value]),
      ),
    ),
  );
  expect(parse(renderLitellmConfig(settings))).toMatchObject({
    model_list: [{ model_name: "hello" }, { model_name: "hello-embedding" }],
    general_settings: { master_key: "os.environ/LITELLM_MASTER_KEY" },
  });
});
