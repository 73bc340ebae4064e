import { describe, expect, test } from "vitest";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { rawConfig, refusal } from "../settings/raw-config.ts";

const keys = { openaiApiKey: "sk-openai", anthropicApiKey: "sk-anthropic" };

test("an endpoint is resolved to its URL", () => {
  const { models } = parseSettings(
    rawConfig({
      endpoints: { local: "http://127.0.0.1:11434" },
      models: [{ name: "llama", provider: "ollama", model: "llama3.2", endpoint: "local" }],
    }),
  );
  expect(models[0]).toMatchObject({ provider: "ollama", baseUrl: "http://127.0.0.1:11434" });
  expect(models[0]).not.toHaveProperty("endpoint");
});

describe("errors", () => {
  test("providers", () => {
    expect(
      refusal({
        models: [
          { name: "a", provider: "litellm", model: "atlas" },
          { name: "b", provider: "groq", model: "llama" },
          { name: "c", provider: "opnai", model: "gpt-5" },
          { name: "d", model: "gpt-5" },
          { name: "e", provider: "other", litellmProvider: "grok", model: "llama" },
          "f",
        ],
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      models[0].provider is "litellm", but LiteLLM reaches another LiteLLM as a server with OpenAI's API: openai-compatible, with its baseUrl and apiKey
        pulumi config set --path 'models[0].provider' openai-compatible

      models[1].provider is "groq", one of LiteLLM's further providers: use "other", with litellmProvider "groq"
        pulumi config set --path 'models[1].provider' other && pulumi config set --path 'models[1].litellmProvider' groq

      models[2].provider must be "openai", "anthropic", "ollama", "openai-compatible", "mock" or "other", not "opnai"
        pulumi config set --path 'models[2].provider' openai

      models[3].provider is required: "openai", "anthropic", "ollama", "openai-compatible", "mock" or "other"
        pulumi config set --path 'models[3].provider' openai

      models[4].litellmProvider is "grok", which LiteLLM does not know, did you mean "groq"?
        pulumi config set --path 'models[4].litellmProvider' groq

      models[5] must be an object, not "f"
        pulumi config rm --path 'models[5]'"
    `);
  });

  test("fields", () => {
    expect(
      refusal(
        {
          models: [
            { nmae: "a", provider: "openai", model: "gpt-5" },
            { name: "b", provider: "openai", mode: "embeddings", model: "" },
            { name: "c", provider: "mock", limits: { rpm: 0 }, timeoutSeconds: 0 },
            { name: "d", provider: "openai", model: "gpt-5", apiKey: "sk-proj-0123456789" },
            { name: "e", provider: "mock", timeoutSeconds: 601 },
          ],
        },
        keys,
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 8 errors

      models[0].name is required
        pulumi config set --path 'models[0].name' gpt-5

      models[0].nmae is no setting, did you mean "name"?
        pulumi config rm --path 'models[0].nmae' && pulumi config set --path 'models[0].name' a

      models[1].mode must be "chat", "completion", "responses", "embedding", "rerank", "moderation", "image_generation", "image_edit", "video_generation", "audio_transcription", "audio_speech", "realtime" or "ocr", not "embeddings"
        pulumi config set --path 'models[1].mode' embedding

      models[1].model must not be empty
        pulumi config set --path 'models[1].model' gpt-5

      models[2].limits.rpm must be at least 1, not 0
        pulumi config set --path 'models[2].limits.rpm' 600

      models[2].timeoutSeconds must be more than 0, not 0
        pulumi config set --path 'models[2].timeoutSeconds' 120

      models[3].apiKey must be the name of a secret (value not shown)
        pulumi config set --path 'models[3].apiKey' openaiApiKey

      models[4].timeoutSeconds is 601, longer than requestTimeoutSeconds (600), after which a stop cuts requests off
        pulumi config set requestTimeoutSeconds 601"
    `);
  });

  test("secrets that are not set, or not for models", () => {
    expect(
      refusal(
        {
          models: [
            { name: "a", provider: "openai", model: "gpt-5" },
            { name: "b", provider: "openai", model: "gpt-5-mini" },
            {
              name: "c",
              provider: "other",
              litellmProvider: "groq",
              model: "l",
              apiKey: "groqKey",
            },
            { name: "d", provider: "anthropic", model: "claude", apiKey: "masterKey" },
          ],
        },
        { masterKey: "sk-0123456789abcdef", secrets: { groqApiKey: "gsk" } },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      models[0].apiKey needs the secret "openaiApiKey", which is not set (models "a", "b")
        pulumi config set --secret openaiApiKey

      models[2].apiKey needs the secret "groqKey", which is not set, did you mean "groqApiKey"? (model "c")
        pulumi config set --secret --path 'secrets.groqKey'

      models[3].apiKey is "masterKey", a secret of the gateway itself
        pulumi config rm --path 'models[3].apiKey'"
    `);
  });

  test("fallbacks", () => {
    expect(
      refusal({
        models: [
          { name: "a", provider: "mock", fallbacks: ["a", "hallo", "nothing-like-it"] },
          { name: "hello", provider: "mock" },
        ],
        routerSettings: { context_window_fallbacks: [{ a: ["missing"] }] },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      models[0].fallbacks[0] is "a", the model itself
        pulumi config rm --path 'models[0].fallbacks[0]'

      models[0].fallbacks[1] is "hallo", but no model has this name, did you mean "hello"?
        pulumi config set --path 'models[0].fallbacks[1]' hello

      models[0].fallbacks[2] is "nothing-like-it", but no model has this name
        pulumi config rm --path 'models[0].fallbacks[2]'

      routerSettings.context_window_fallbacks[0].a[0] is "missing", but no model has this name
        pulumi config rm --path 'routerSettings.context_window_fallbacks[0].a[0]'"
    `);
  });

  test("one name for several models", () => {
    expect(
      refusal({
        models: [
          { name: "a", provider: "mock" },
          { name: "a", provider: "mock", loadBalanced: true, fallbacks: ["b"] },
          { name: "b", provider: "mock" },
        ],
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      models[0].name is "a", as in models[1]: give each its own name, or set loadBalanced on all of them and LiteLLM spreads requests over them
        pulumi config set --path 'models[0].loadBalanced' true

      models[1].fallbacks differ from those of models[0], which has the same name; LiteLLM knows them by name
        pulumi config rm --path 'models[1].fallbacks'"
    `);
  });

  test("where a server is", () => {
    expect(
      refusal({
        endpoints: { local: "http://127.0.0.1:11434" },
        models: [
          { name: "a", provider: "ollama", model: "llama" },
          { name: "b", provider: "ollama", model: "llama", endpoint: "lokal" },
          {
            name: "c",
            provider: "openai-compatible",
            model: "atlas",
            endpoint: "local",
            baseUrl: "http://127.0.0.1:4000",
          },
          {
            name: "d",
            provider: "openai-compatible",
            model: "atlas",
            baseUrl: "http://u:secret@h",
          },
        ],
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      models[0].baseUrl is required: the server's URL, or endpoint, the name of an entry of endpoints
        pulumi config set --path 'models[0].baseUrl' http://127.0.0.1:11434

      models[1].endpoint is "lokal", which endpoints does not define, did you mean "local"?
        pulumi config set --path 'endpoints.lokal' <value>

      models[2].endpoint is given together with baseUrl; give one of them
        pulumi config rm --path 'models[2].endpoint'

      models[3].baseUrl must not contain a user name or password (value not shown)
        pulumi config set --path 'models[3].baseUrl' http://127.0.0.1:11434"
    `);
  });

  test("upstream names with LiteLLM's prefix", () => {
    expect(
      refusal(
        {
          models: [
            { name: "a", provider: "openai", model: "openai/gpt-5" },
            { name: "b", provider: "ollama", model: "ollama/llama", baseUrl: "http://127.0.0.1:1" },
            { name: "c", provider: "other", litellmProvider: "mistral", model: "mistral/large" },
          ],
        },
        keys,
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      models[0].model is "openai/gpt-5", but must be the provider's own name: the prefix "openai/" is added for LiteLLM
        pulumi config set --path 'models[0].model' gpt-5

      models[1].model is "ollama/llama", but must be the provider's own name: the prefix "ollama/" is added for LiteLLM
        pulumi config set --path 'models[1].model' llama

      models[2].model is "mistral/large", but must be the provider's own name: the prefix "mistral/" is added for LiteLLM
        pulumi config set --path 'models[2].model' large"
    `);
  });

  test("LiteLLM's own parameters", () => {
    expect(
      refusal(
        {
          models: [
            {
              name: "a",
              provider: "openai",
              model: "gpt-5",
              params: {
                temprature: 0.2,
                api_key: "sk-plain-value",
                timeout: 30,
                max_retries: "many",
                aws_secret_access_key: "plain-value",
                extra_headers: { "x-api-key": "plain-value" },
                vertex_project: "os.environ/PROJECT",
              },
              modelInfo: { base_modle: "gpt-5", team: "search", mode: "chat" },
            },
          ],
        },
        keys,
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 8 errors

      models[0].params.api_key is set by the deployment itself; use apiKey instead
        pulumi config rm --path 'models[0].params.api_key' && pulumi config set --path 'models[0].apiKey' <value>

      models[0].params.timeout is set by the deployment itself; use timeoutSeconds instead
        pulumi config rm --path 'models[0].params.timeout' && pulumi config set --path 'models[0].timeoutSeconds' 30

      models[0].params.temprature is no key of LiteLLM 1.106.2 in litellm_params, which would ignore it, did you mean "temperature"?
        pulumi config rm --path 'models[0].params.temprature' && pulumi config set --path 'models[0].params.temperature' --type float 0.2

      models[0].params.max_retries must be a whole number, not "many"
        pulumi config set --path 'models[0].params.max_retries' <value>

      models[0].params.aws_secret_access_key holds a secret in plain text (not shown); store it as a secret and refer to it
        pulumi config set --secret --path 'secrets.awsSecretAccessKey' && pulumi config set --path 'models[0].params.aws_secret_access_key' os.environ/AWS_SECRET_ACCESS_KEY

      models[0].params.extra_headers.x-api-key holds a secret in plain text (not shown); store it as a secret and refer to it
        pulumi config set --secret --path 'secrets.extraHeadersXApiKey' && pulumi config set --path 'models[0].params.extra_headers.x-api-key' os.environ/EXTRA_HEADERS_X_API_KEY

      models[0].modelInfo.mode is set by the deployment itself; use mode instead
        pulumi config rm --path 'models[0].modelInfo.mode' && pulumi config set --path 'models[0].mode' chat

      models[0].params.vertex_project refers to PROJECT, which neither a secret nor environmentVariables provides
        pulumi config set --path 'environmentVariables.PROJECT' <value>"
    `);
  });
});

describe("accepted", () => {
  test.each([
    [
      "two models that fall back to each other",
      [
        { name: "a", provider: "mock", fallbacks: ["b"] },
        { name: "b", provider: "mock", fallbacks: ["a"] },
      ],
    ],
    [
      "several deployments of one name",
      [
        { name: "a", provider: "mock", loadBalanced: true },
        { name: "a", provider: "mock", loadBalanced: true },
      ],
    ],
    [
      "a fallback that a wildcard offers",
      [
        { name: "openai/*", provider: "openai", model: "*" },
        { name: "a", provider: "mock", fallbacks: ["openai/gpt-5"] },
      ],
    ],
    [
      "a server's own model name with a slash",
      [
        {
          name: "oss",
          provider: "openai-compatible",
          model: "openai/gpt-oss-20b",
          baseUrl: "http://h",
        },
      ],
    ],
    [
      "a groq model that is named after groq",
      [{ name: "c", provider: "other", litellmProvider: "groq", model: "groq/compound" }],
    ],
    [
      "parameters that only some providers know",
      [
        {
          name: "a",
          provider: "ollama",
          model: "l",
          baseUrl: "http://h",
          params: { num_ctx: 8192, keep_alive: "5m" },
        },
        {
          name: "b",
          provider: "openai",
          model: "gpt-5",
          params: { temperature: 0.2, reasoning_effort: "low", extra_body: { x: 1 } },
        },
      ],
    ],
    [
      "model_info of the user's own",
      [
        {
          name: "a",
          provider: "mock",
          modelInfo: { owner: "search team", access_groups: ["beta"] },
        },
      ],
    ],
  ])("%s", (_, models) => {
    expect(parseSettings(rawConfig({ models }, keys)).models).toHaveLength(models.length);
  });
});
