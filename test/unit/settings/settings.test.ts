import { describe, expect, test } from "vitest";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { mockModels, rawConfig, refusal } from "./raw-config.ts";

const models = mockModels;

describe("defaults", () => {
  test("a list of models is enough", () => {
    expect(parseSettings(rawConfig({ models }))).toMatchInlineSnapshot(`
      {
        "access": {
          "adopt": false,
          "budgets": {},
          "credentials": {},
          "keys": {},
          "models": {},
          "prune": "ignore",
          "teams": {},
          "users": {},
        },
        "alerting": {
          "slack": false,
          "thresholdSeconds": 300,
          "webhook": false,
        },
        "allowNonRegisteredModels": false,
        "cache": {
          "enabled": false,
          "mode": "default_on",
          "sharedBetweenKeys": false,
          "ttlSeconds": 600,
        },
        "callbacks": [],
        "database": {
          "connectionLimit": 10,
          "kind": "embedded",
          "name": "litellm",
          "port": 5433,
          "role": "litellm",
        },
        "deployment": {
          "protect": true,
          "proxyPort": 4000,
          "topology": "local",
          "workers": 1,
        },
        "detailedDebug": false,
        "endpoints": {},
        "environmentVariables": {},
        "generalSettings": {},
        "includes": [],
        "litellmSettings": {},
        "logLevel": undefined,
        "modelFiles": {
          "groupBy": "none",
        },
        "models": [
          {
            "cost": {},
            "embedding": [
              0.1,
              0.2,
              0.3,
            ],
            "fallbacks": [],
            "limits": {},
            "loadBalanced": false,
            "mode": "chat",
            "modelInfo": {},
            "name": "hello",
            "params": {},
            "provider": "mock",
            "response": "Hello from your gateway.",
          },
        ],
        "redis": {
          "kind": "none",
        },
        "requestLog": {
          "bufferRows": 20000,
          "spillMegabytes": 256,
        },
        "requestTimeoutSeconds": 600,
        "router": {
          "contentPolicyFallbacks": {},
          "contextWindowFallbacks": {},
          "defaultFallbacks": [],
        },
        "routerSettings": {},
        "secretNames": [],
        "staticKeys": {},
        "ui": {
          "username": "admin",
        },
      }
    `);
  });

  test("numbers and booleans may be stored as texts", () => {
    const settings = parseSettings(
      rawConfig({
        models,
        requestTimeoutSeconds: "120",
        deployment: { proxyPort: "4100", protect: "false" },
        environmentVariables: { RETRIES: 3, VERBOSE: true },
      }),
    );
    expect(settings).toMatchObject({
      requestTimeoutSeconds: 120,
      deployment: { proxyPort: 4100, protect: false },
      environmentVariables: { RETRIES: "3", VERBOSE: "true" },
    });
  });

  test("secrets appear by name only", () => {
    const settings = parseSettings(
      rawConfig(
        { models },
        {
          openaiApiKey: "sk-openai-value",
          secrets: { groqApiKey: "gsk-value" },
          masterKey: "sk-0123456789abcdef",
        },
      ),
    );
    expect(settings.secretNames).toEqual(["groqApiKey", "masterKey", "openaiApiKey"]);
    expect(JSON.stringify(settings)).not.toMatch(/value|0123456789/);
  });

  test("no database", () => {
    const settings = parseSettings(rawConfig({ models, database: { kind: "none" } }));
    expect(settings.database).toEqual({ kind: "none", discardExisting: false });
  });
});

describe("errors", () => {
  test("no models", () => {
    expect(refusal({})).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      models must have at least one entry
        pulumi config set --path 'models[0].name' hello && pulumi config set --path 'models[0].provider' mock"
    `);
    expect(refusal({ models: [] })).toBe(refusal({}));
  });

  test("all at once, each with its path, its value and the command that mends it", () => {
    expect(
      refusal({
        deployment: { topology: "locl", proxyPort: 80 },
        database: { prot: 5434, connectionLimit: 0 },
        models: [{ name: "gpt", provider: "openai", model: "gpt-5" }],
        requestTimeoutSeconds: "soon",
        logLevel: "debug",
        ui: "admin",
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 8 errors

      deployment.topology must be "local", "single-host", "traefik", "two-vm" or "existing", not "locl"
        pulumi config set --path 'deployment.topology' local

      deployment.proxyPort must be at least 1024, not 80
        pulumi config set --path 'deployment.proxyPort' 4000

      database.connectionLimit must be at least 1, not 0
        pulumi config set --path 'database.connectionLimit' 10

      database.prot is no setting, did you mean "port"?
        pulumi config rm --path 'database.prot' && pulumi config set --path 'database.port' 5434

      models[0].apiKey needs the secret "openaiApiKey", which is not set (model "gpt")
        pulumi config set --secret openaiApiKey

      ui must be an object, not "admin"
        pulumi config rm ui

      requestTimeoutSeconds must be a whole number, not "soon"
        pulumi config set requestTimeoutSeconds 600

      logLevel must be "DEBUG", "INFO", "WARNING" or "ERROR", not "debug"
        pulumi config set logLevel DEBUG"
    `);
  });

  test("unknown settings", () => {
    expect(refusal({ models, modles: [], colour: "blue", "deployment.proxyPort": "4100" }))
      .toMatchInlineSnapshot(`
        "invalid settings: 3 errors

        modles is no setting, did you mean "models"?
          pulumi config rm modles && pulumi config set models '[]'

        colour is no setting, known are deployment, database, redis, requestLog, staticKeys, endpoints, models, modelFiles, includes, allowNonRegisteredModels, router, cache, callbacks, alerting, access, routerSettings, litellmSettings, generalSettings, environmentVariables, ui, requestTimeoutSeconds, logLevel, detailedDebug, openaiApiKey, anthropicApiKey, masterKey, saltKey, uiPassword, databasePassword, superuserPassword, databaseAdminPassword, databaseUrl, gatewaySudoPassword, databaseSudoPassword, redisPassword, slackWebhookUrl, alertWebhookUrl, adminUsers, tlsPrivateKey, secrets
          pulumi config rm colour

        deployment.proxyPort was set without --path, so it is a setting of its own, which there is none of
          pulumi config rm 'deployment.proxyPort' && pulumi config set --path 'deployment.proxyPort' 4100"
      `);
  });

  test("wrong types", () => {
    expect(
      refusal({
        models: "hello",
        deployment: { proxyPort: 4000.5, workers: null, protect: "yes" },
        endpoints: { local: "localhost:11434", "my-server": "http://127.0.0.1:1" },
        generalSettings: [],
        environmentVariables: { A: {} },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 8 errors

      deployment.proxyPort must be a whole number, not 4000.5
        pulumi config set --path 'deployment.proxyPort' 4000

      deployment.workers must be a whole number, not null
        pulumi config set --path 'deployment.workers' 1

      deployment.protect must be true or false, not "yes"
        pulumi config set --path 'deployment.protect' true

      endpoints.local must be an http:// or https:// URL, not "localhost:11434"
        pulumi config set --path 'endpoints.local' http://127.0.0.1:11434

      endpoints.my-server must have a name in camelCase: letters and digits, starting with a small letter
        pulumi config rm --path 'endpoints.my-server'

      models must be a list, not "hello"
        pulumi config rm models

      generalSettings must be an object, not a list
        pulumi config rm generalSettings

      environmentVariables.A must be a text, not an object
        pulumi config set --path 'environmentVariables.A' <value>"
    `);
  });

  test("nested without end", () => {
    const nested = "[".repeat(20_000) + "]".repeat(20_000);
    expect(refusal({ models, routerSettings: `{"fallbacks":${nested}}` })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      routerSettings must be an object, not a text that is no valid JSON
        pulumi config rm routerSettings"
    `);
  });

  test("names that PostgreSQL keeps for itself", () => {
    expect(refusal({ models, database: { name: "template1", role: "postgres" } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      database.name must be a free PostgreSQL name: small letters, digits and _, at most 63, not starting with a digit or pg_, not "template1"
        pulumi config set --path 'database.name' litellm

      database.role must be a free PostgreSQL name: small letters, digits and _, at most 63, not starting with a digit or pg_, not "postgres"
        pulumi config set --path 'database.role' litellm"
    `);
  });

  test("one port twice", () => {
    expect(refusal({ models, deployment: { proxyPort: 5433 }, database: { port: 5433 } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      database.port is the gateway's own port, 5433 (deployment.proxyPort)
        pulumi config set --path 'database.port' 5434"
    `);
  });
});

describe("secrets", () => {
  test("in plain text", () => {
    expect(
      refusal({ models, openaiApiKey: "sk-plain-value", secrets: { groqApiKey: "plain-value" } }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      openaiApiKey is stored in plain text (not shown); store it as a secret, and replace it if it was shared
        pulumi config set --secret openaiApiKey

      secrets.groqApiKey is stored in plain text (not shown); store it as a secret, and replace it if it was shared
        pulumi config set --secret --path 'secrets.groqApiKey'"
    `);
  });

  test.each([
    ["without sk-", "0123456789abcdef0123"],
    ["LiteLLM's example", "sk-1234"],
    ["too short", "sk-0123456789abcde"],
    ["with white space around it", "sk-0123456789abcdef\n"],
    ["empty", " "],
  ])("a master key %s", (_, masterKey) => {
    const message = refusal({ models }, { masterKey });
    expect(message).toMatch(/^invalid settings: 1 error\n\nmasterKey must /);
    expect(message).toMatch(/\n {2}pulumi config set --secret masterKey$/);
    expect(message).not.toContain(masterKey.trim() || "no value");
  });

  test("names that are taken, misspelled or no names", () => {
    expect(
      refusal(
        { models },
        {
          groqApiKey: "value-1",
          openaiKey: "value-2",
          secrets: {
            openaiApiKey: "value-3",
            databaseUrl: "value-4",
            mistralApiKey: "value-5",
            mistralAPIKey: "value-6",
            "not-camel": "value-7",
          },
        },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      secrets.openaiApiKey is a setting of its own, outside secrets
        pulumi config rm --path 'secrets.openaiApiKey' && pulumi config set --secret openaiApiKey

      secrets.databaseUrl is a setting of its own, outside secrets
        pulumi config rm --path 'secrets.databaseUrl' && pulumi config set --secret databaseUrl

      secrets.mistralAPIKey sets the environment variable MISTRAL_API_KEY, as does mistralApiKey; keep one of them
        pulumi config rm --path 'secrets.mistralAPIKey'

      secrets.not-camel must have a name in camelCase: letters and digits, starting with a small letter
        pulumi config rm --path "secrets[\\"not-camel\\"]" && pulumi config set --secret --path 'secrets.notCamel'

      groqApiKey is no setting
        pulumi config rm groqApiKey && pulumi config set --secret --path 'secrets.groqApiKey'

      openaiKey is no setting, did you mean "openaiApiKey"?
        pulumi config rm openaiKey && pulumi config set --secret openaiApiKey"
    `);
  });

  test("inside another setting", () => {
    expect(refusal({}, { models: [{ name: "a", apiKey: "value-1" }] })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      models holds a secret; keep it in secrets, take it out here and refer to it by name
        pulumi config set --secret --path 'secrets.<name>'"
    `);
  });

  test("in an environment variable", () => {
    expect(
      refusal(
        {
          models,
          environmentVariables: {
            GROQ_API_KEY: "plain-value",
            REDIS_URL: "redis://:plain-value@127.0.0.1",
            PORT: "4001",
            DATABASE_URL: "postgresql://u:plain-value@h/d",
            "with space": "x",
            MISTRAL_API_KEY: "plain-value",
          },
        },
        { secrets: { mistralApiKey: "value-1" } },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      environmentVariables.GROQ_API_KEY holds a secret in plain text (not shown); store it as a secret
        pulumi config rm --path 'environmentVariables.GROQ_API_KEY' && pulumi config set --secret --path 'secrets.groqApiKey'

      environmentVariables.REDIS_URL holds a secret in plain text (not shown); store it as a secret
        pulumi config rm --path 'environmentVariables.REDIS_URL' && pulumi config set --secret --path 'secrets.redisUrl'

      environmentVariables.PORT is set by the deployment itself; use deployment.proxyPort instead
        pulumi config rm --path 'environmentVariables.PORT' && pulumi config set --path 'deployment.proxyPort' --type string 4001

      environmentVariables.DATABASE_URL is set by the deployment itself; use database instead
        pulumi config rm --path 'environmentVariables.DATABASE_URL'

      environmentVariables["with space"] is no name of an environment variable: letters, digits and _ only
        pulumi config rm --path 'environmentVariables["with space"]'

      environmentVariables.MISTRAL_API_KEY is what carries the secret "mistralApiKey"
        pulumi config rm --path 'environmentVariables.MISTRAL_API_KEY'"
    `);
  });
});

describe("LiteLLM's own settings", () => {
  test("unknown keys and wrong types", () => {
    expect(
      refusal({
        models,
        generalSettings: { allow_non_registered_models: true, backgroundHealthChecks: true },
        litellmSettings: {
          drop_params: "false",
          callbacks: "prometheus",
          cache_params: { type: "reddis", ttl: "soon" },
        },
        routerSettings: {
          routing_strategy: "simple-shufle",
          num_retries: "two",
          retry_policy: { TimeoutErrorRetry: 1 },
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 9 errors

      routerSettings.routing_strategy must be "cost-based-routing", "lar1", "latency-based-routing", "least-busy", "provider-budget-routing", "simple-shuffle", "usage-based-routing" or "usage-based-routing-v2", not "simple-shufle"
        pulumi config set --path 'routerSettings.routing_strategy' simple-shuffle

      routerSettings.num_retries must be a whole number, not "two"
        pulumi config set --path 'routerSettings.num_retries' <value>

      routerSettings.retry_policy.TimeoutErrorRetry is no key of LiteLLM 1.106.2 in retry_policy, which would ignore it, did you mean "TimeoutErrorRetries"?
        pulumi config rm --path 'routerSettings.retry_policy.TimeoutErrorRetry' && pulumi config set --path 'routerSettings.retry_policy.TimeoutErrorRetries' 1

      litellmSettings.drop_params must be true or false, not "false"
        pulumi config set --path 'litellmSettings.drop_params' false

      litellmSettings.callbacks must be a list, not "prometheus"
        pulumi config set --path 'litellmSettings.callbacks' <value>

      litellmSettings.cache_params.type must be "azure-blob", "disk", "gcs", "local", "qdrant-semantic", "redis", "redis-semantic", "s3" or "valkey-semantic", not "reddis"
        pulumi config set --path 'litellmSettings.cache_params.type' redis

      litellmSettings.cache_params.ttl must be a number, not "soon"
        pulumi config set --path 'litellmSettings.cache_params.ttl' <value>

      generalSettings.allow_non_registered_models is set by the deployment itself; use allowNonRegisteredModels instead
        pulumi config rm --path 'generalSettings.allow_non_registered_models' && pulumi config set allowNonRegisteredModels true

      generalSettings.backgroundHealthChecks is no key of LiteLLM 1.106.2 in general_settings, which would ignore it, did you mean "background_health_checks"?
        pulumi config rm --path 'generalSettings.backgroundHealthChecks' && pulumi config set --path 'generalSettings.background_health_checks' true"
    `);
  });

  test("keys that follow from settings of ours", () => {
    expect(
      refusal({
        models,
        generalSettings: { master_key: "sk-plain-value", database_url: "postgresql://x" },
        litellmSettings: { request_timeout: 60 },
        routerSettings: { fallbacks: [{ hello: ["hello"] }] },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      routerSettings.fallbacks is set by the deployment itself; use models[].fallbacks instead
        pulumi config rm --path 'routerSettings.fallbacks'

      litellmSettings.request_timeout is set by the deployment itself; use requestTimeoutSeconds instead
        pulumi config rm --path 'litellmSettings.request_timeout' && pulumi config set requestTimeoutSeconds 60

      generalSettings.database_url is set by the deployment itself; use database instead
        pulumi config rm --path 'generalSettings.database_url'

      generalSettings.master_key is set by the deployment itself; use masterKey instead
        pulumi config rm --path 'generalSettings.master_key' && pulumi config set --secret masterKey"
    `);
  });

  test("secrets in plain text, and variables that nothing provides", () => {
    expect(
      refusal({
        models,
        generalSettings: { drain_endpoint_token: "plain-value" },
        litellmSettings: {
          cache_params: { password: "os.environ/REDIS_PASSWORD", url: "redis://:plain@h" },
          slack_url: "x",
        },
        routerSettings: { redis_host: "os.environ/REDIS_HOST" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 5 errors

      routerSettings.redis_host refers to REDIS_HOST, which neither a secret nor environmentVariables provides
        pulumi config set --path 'environmentVariables.REDIS_HOST' <value>

      litellmSettings.slack_url is no key of LiteLLM 1.106.2 in litellm_settings, which would ignore it
        pulumi config rm --path 'litellmSettings.slack_url'

      litellmSettings.cache_params.url holds a secret in plain text (not shown); store it as a secret and refer to it
        pulumi config set --secret --path 'secrets.cacheParamsUrl' && pulumi config set --path 'litellmSettings.cache_params.url' os.environ/CACHE_PARAMS_URL

      litellmSettings.cache_params.password refers to REDIS_PASSWORD, which neither a secret nor environmentVariables provides
        pulumi config set --secret redisPassword

      generalSettings.drain_endpoint_token holds a secret in plain text (not shown); store it as a secret and refer to it
        pulumi config set --secret --path 'secrets.drainEndpointToken' && pulumi config set --path 'generalSettings.drain_endpoint_token' os.environ/DRAIN_ENDPOINT_TOKEN"
    `);
  });

  test("what LiteLLM takes is taken", () => {
    const settings = parseSettings(
      rawConfig(
        {
          models,
          environmentVariables: { REDIS_HOST: "127.0.0.1" },
          generalSettings: {
            alerting: ["slack"],
            health_check_interval: 300,
            store_model_in_db: true,
          },
          litellmSettings: {
            cache: true,
            cache_params: {
              type: "redis",
              host: "os.environ/REDIS_HOST",
              port: 6379,
              password: "os.environ/REDIS_PASSWORD",
              ttl: 600,
            },
            callbacks: ["prometheus"],
            num_retries: null,
          },
          routerSettings: {
            routing_strategy: "latency-based-routing",
            timeout: "30",
            allowed_fails: 3,
            retry_policy: { TimeoutErrorRetries: 3 },
            model_group_alias: { hi: "hello" },
            default_fallbacks: ["hi"],
          },
        },
        { redisPassword: "value" },
      ),
    );
    expect(settings.secretNames).toEqual(["redisPassword"]);
  });
});

test("of a choice inside of another its own alternatives are named", () => {
  const deployment = {
    topology: "traefik",
    baseDomain: "example.com",
    certificates: { kind: "acmee", email: "admin@example.com" },
  };
  expect(refusal({ models, deployment })).toContain(
    'deployment.certificates.kind must be "acme", "files" or "private", not "acmee"',
  );
});
