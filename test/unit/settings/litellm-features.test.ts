import { describe, expect, test } from "vitest";

import { keysOf } from "../../../stacks/settings/litellm-keys.ts";
import { routingStrategies } from "../../../stacks/settings/router-settings.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { listWarnings } from "../../../stacks/settings/warnings.ts";
import { mockModels, rawConfig, refusal } from "./raw-config.ts";

const models = mockModels;
const traefik = {
  topology: "traefik",
  baseDomain: "example.com",
  certificates: { kind: "private" },
};

describe("router", () => {
  test("has the strategies of the pinned LiteLLM", () => {
    const known = keysOf("router_settings").get("routing_strategy")?.split("|") ?? [];
    expect([...routingStrategies].sort()).toEqual(
      known.map((name) => JSON.parse(name) as string).sort(),
    );
  });

  const three = ["small", "large", "other"].map((name) => ({ name, provider: "mock" }));

  test("what LiteLLM takes is taken, numbers as texts too", () => {
    const { router } = parseSettings(
      rawConfig({
        models: three,
        router: {
          strategy: "usage-based-routing-v2",
          retries: "0",
          allowedFails: 2,
          cooldownSeconds: "1.5",
          timeoutSeconds: 600,
          contextWindowFallbacks: { small: ["large", "other"] },
          contentPolicyFallbacks: { large: ["other"] },
          defaultFallbacks: ["other"],
        },
      }),
    );
    expect(router).toEqual({
      strategy: "usage-based-routing-v2",
      retries: 0,
      allowedFails: 2,
      cooldownSeconds: 1.5,
      timeoutSeconds: 600,
      contextWindowFallbacks: { small: ["large", "other"] },
      contentPolicyFallbacks: { large: ["other"] },
      defaultFallbacks: ["other"],
    });
  });

  test("a strategy that there is not, and fallbacks that name no model", () => {
    expect(
      refusal({
        models: three,
        router: { strategy: "simple-shufle", contextWindowFallbacks: { small: [] } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      router.strategy must be "simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing", "usage-based-routing-v2", "cost-based-routing", "provider-budget-routing" or "lar1", not "simple-shufle"
        pulumi config set --path 'router.strategy' simple-shuffle

      router.contextWindowFallbacks.small must have at least one entry
        pulumi config rm --path 'router.contextWindowFallbacks.small'"
    `);
    expect(
      refusal({
        models: three,
        router: {
          timeoutSeconds: 601,
          contextWindowFallbacks: { small: ["small", "larg"], smal: ["large"] },
          contentPolicyFallbacks: { large: ["nobody"] },
          defaultFallbacks: ["othr"],
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      router.timeoutSeconds is 601, longer than requestTimeoutSeconds (600), after which a stop cuts requests off
        pulumi config set requestTimeoutSeconds 601

      router.contextWindowFallbacks.small[0] is "small", the model itself
        pulumi config rm --path 'router.contextWindowFallbacks.small[0]'

      router.contextWindowFallbacks.small[1] is "larg", but no model has this name, did you mean "large"?
        pulumi config set --path 'router.contextWindowFallbacks.small[1]' large

      router.contextWindowFallbacks.smal names "smal", but no model has this name, did you mean "small"?
        pulumi config rm --path 'router.contextWindowFallbacks.smal'

      router.contentPolicyFallbacks.large[0] is "nobody", but no model has this name
        pulumi config rm --path 'router.contentPolicyFallbacks.large[0]'

      router.defaultFallbacks[0] is "othr", but no model has this name, did you mean "other"?
        pulumi config set --path 'router.defaultFallbacks[0]' other"
    `);
  });

  test("an alias is a name too", () => {
    const { router } = parseSettings(
      rawConfig({
        models: three,
        router: { defaultFallbacks: ["big"] },
        routerSettings: { model_group_alias: { big: "large" } },
      }),
    );
    expect(router.defaultFallbacks).toEqual(["big"]);
  });

  test("a key that is given typed and by LiteLLM's own name", () => {
    expect(
      refusal({
        models: three,
        router: {
          strategy: "least-busy",
          retries: 3,
          timeoutSeconds: 5,
          defaultFallbacks: ["other"],
        },
        routerSettings: { routing_strategy: "least-busy", timeout: 5, allowed_fails: 1 },
        litellmSettings: { num_retries: 3, default_fallbacks: ["other"] },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      routerSettings.routing_strategy is given together with router.strategy; give one of them
        pulumi config rm --path 'routerSettings.routing_strategy'

      routerSettings.timeout is given together with router.timeoutSeconds; give one of them
        pulumi config rm --path 'routerSettings.timeout'

      litellmSettings.num_retries is given together with router.retries; give one of them
        pulumi config rm --path 'litellmSettings.num_retries'

      litellmSettings.default_fallbacks is given together with router.defaultFallbacks; give one of them
        pulumi config rm --path 'litellmSettings.default_fallbacks'"
    `);
  });
});

describe("redis and cache", () => {
  test("a Redis of the stack's own behind Traefik", () => {
    const { redis, cache } = parseSettings(
      rawConfig({
        models,
        deployment: traefik,
        redis: { kind: "managed" },
        cache: { enabled: true },
      }),
    );
    expect(redis).toEqual({
      kind: "managed",
      version: 8,
      memoryMegabytes: 256,
      evictionPolicy: "allkeys-lru",
      persistence: "none",
      cpus: 1,
      keepVolume: false,
    });
    expect(cache).toEqual({
      enabled: true,
      ttlSeconds: 600,
      mode: "default_on",
      sharedBetweenKeys: false,
    });
  });

  test("an external one", () => {
    const { redis, secretNames } = parseSettings(
      rawConfig(
        {
          models,
          redis: { kind: "external", host: "127.0.0.1", tls: "true", username: "gateway" },
          routerSettings: { redis_db: 1 },
        },
        { redisPassword: "value" },
      ),
    );
    expect(redis).toEqual({
      kind: "external",
      host: "127.0.0.1",
      port: 6379,
      tls: true,
      username: "gateway",
    });
    expect(secretNames).toEqual(["redisPassword"]);
  });

  test("elsewhere than a topology can have it, or a container can reach it", () => {
    expect(refusal({ models, redis: { kind: "managed" } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      redis.kind is "managed", which topology "local" does not have; it has none, external
        pulumi config set --path 'redis.kind' external"
    `);
    expect(
      refusal({
        models,
        deployment: { topology: "single-host" },
        redis: { kind: "external", host: "localhost", username: "gateway" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      redis.host is "localhost", which inside a container is the container itself; the Docker host is host.docker.internal
        pulumi config set --path 'redis.host' host.docker.internal

      redisPassword is required with redis.username
        pulumi config set --secret redisPassword"
    `);
    expect(
      refusal({
        models,
        deployment: traefik,
        redis: { kind: "managed", image: "redis:alpine", evictionPolicy: "lru" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      redis.evictionPolicy must be "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl" or "noeviction", not "lru"
        pulumi config set --path 'redis.evictionPolicy' allkeys-lru"
    `);
    expect(
      refusal({
        models,
        deployment: traefik,
        redis: { kind: "managed", image: "redis:alpine" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      redis.image is "redis:alpine", which may be another image tomorrow: name a version or a digest
        pulumi config rm --path 'redis.image', or to accept it: pulumi config set --path 'deployment.allowMovingTags' true"
    `);
  });

  test("a cache without Redis, and what is said twice", () => {
    expect(refusal({ models, cache: { enabled: true } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      cache.enabled is true, but there is no Redis to keep answers in
        pulumi config set --path 'redis.kind' external && pulumi config set --path 'redis.host' <value>"
    `);
    expect(refusal({ models, deployment: traefik, cache: { enabled: true } })).toMatch(
      /\n {2}pulumi config set --path 'redis.kind' managed$/,
    );
    expect(
      refusal({
        models,
        redis: { kind: "external", host: "redis.example.com" },
        cache: { enabled: true },
        litellmSettings: { cache: true, cache_params: { type: "redis", ttl: 60 } },
        routerSettings: { redis_host: "redis.example.com" },
        environmentVariables: { REDIS_HOST: "redis.example.com" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      routerSettings.redis_host is given together with redis; give one of them
        pulumi config rm --path 'routerSettings.redis_host'

      litellmSettings.cache is given together with cache.enabled; give one of them
        pulumi config rm --path 'litellmSettings.cache'

      litellmSettings.cache_params is given together with cache; give one of them
        pulumi config rm --path 'litellmSettings.cache_params'

      environmentVariables.REDIS_HOST is set by the deployment itself; use redis instead
        pulumi config rm --path 'environmentVariables.REDIS_HOST'"
    `);
  });

  test("with Redis, LiteLLM's own settings may refer to where it is", () => {
    const settings = rawConfig({
      models,
      deployment: traefik,
      redis: { kind: "managed" },
      litellmSettings: {
        cache: true,
        cache_params: {
          type: "redis",
          host: "os.environ/REDIS_HOST",
          port: "os.environ/REDIS_PORT",
          password: "os.environ/REDIS_PASSWORD",
        },
      },
    });
    expect(parseSettings(settings).redis.kind).toBe("managed");
  });
});

describe("callbacks and alerting", () => {
  const all = [
    { kind: "langfuse", host: "https://langfuse.example.com" },
    { kind: "otel", endpoint: "http://collector.example.com:4317", protocol: "grpc" },
    { kind: "prometheus" },
    { kind: "s3", bucket: "logs", region: "eu-central-1" },
    { kind: "datadog", site: "datadoghq.eu" },
    { kind: "langsmith" },
  ];

  test("all that there are, with their secrets", () => {
    const { callbacks } = parseSettings(
      rawConfig(
        { models, deployment: { topology: "single-host" }, callbacks: all },
        {
          secrets: {
            langfusePublicKey: "value-1",
            langfuseSecretKey: "value-2",
            ddApiKey: "value-3",
            langsmithApiKey: "value-4",
            awsAccessKeyId: "value-5",
            awsSecretAccessKey: "value-6",
          },
        },
      ),
    );
    expect(callbacks.map(({ kind }) => kind)).toEqual(all.map(({ kind }) => kind));
  });

  test("without their secrets or packages, twice, or unknown", () => {
    expect(
      refusal(
        {
          models,
          callbacks: [...all, { kind: "prometheus" }],
          litellmSettings: { callbacks: ["otel"], s3_callback_params: { s3_bucket_name: "logs" } },
        },
        { secrets: { awsAccessKeyId: "value-1" } },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 10 errors

      callbacks[0].kind is "langfuse", which needs the secret "langfusePublicKey", which is not set
        pulumi config set --secret --path 'secrets.langfusePublicKey'

      callbacks[0].kind is "langfuse", which needs the secret "langfuseSecretKey", which is not set
        pulumi config set --secret --path 'secrets.langfuseSecretKey'

      callbacks[0].kind is "langfuse", which needs the Python package langfuse: LiteLLM's image has it, topology "local" does not
        pulumi config rm --path 'callbacks[0]'

      callbacks[1].kind is "otel", which needs the Python package opentelemetry-exporter-otlp: LiteLLM's image has it, topology "local" does not
        pulumi config rm --path 'callbacks[1]'

      callbacks[3].kind is "s3", which needs the secret "awsSecretAccessKey", which is not set
        pulumi config set --secret --path 'secrets.awsSecretAccessKey'

      callbacks[4].kind is "datadog", which needs the secret "ddApiKey", which is not set
        pulumi config set --secret --path 'secrets.ddApiKey'

      callbacks[5].kind is "langsmith", which needs the secret "langsmithApiKey", which is not set
        pulumi config set --secret --path 'secrets.langsmithApiKey'

      callbacks[6].kind is "prometheus", as in callbacks[2]; LiteLLM has one of each kind
        pulumi config rm --path 'callbacks[6]'

      litellmSettings.callbacks[0] is "otel", as is callbacks[1]; give one of them
        pulumi config rm --path 'litellmSettings.callbacks[0]'

      litellmSettings.s3_callback_params is given together with callbacks; give one of them
        pulumi config rm --path 'litellmSettings.s3_callback_params'"
    `);
    expect(refusal({ models, callbacks: [{ kind: "promethius" }, { kind: "otel" }] }))
      .toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      callbacks[0].kind must be "langfuse", "otel", "prometheus", "s3", "datadog" or "langsmith", not "promethius"
        pulumi config set --path 'callbacks[0].kind' prometheus

      callbacks[1].endpoint is required
        pulumi config set --path 'callbacks[1].endpoint' http://otel-collector.example.com:4318"
    `);
  });

  test("alerts without a place to go, or said twice", () => {
    expect(
      refusal({
        models,
        alerting: { slack: true, webhook: true, types: ["llm_exception"] },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      alerting.types[0] must be "llm_exceptions", "llm_too_slow", "llm_requests_hanging", "budget_alerts", "spend_reports", "failed_tracking_spend", "user_spend_thresholds", "user_spend_anomalies", "db_exceptions", "daily_reports", "cooldown_deployment", "new_model_added", "model_deprecation_warnings", "outage_alerts", "region_outage_alerts" or "fallback_reports", not "llm_exception"
        pulumi config set --path 'alerting.types[0]' llm_exceptions"
    `);
    expect(
      refusal(
        {
          models,
          alerting: { slack: true, webhook: true },
          generalSettings: { alerting: ["slack"], alerting_threshold: 60 },
        },
        { slackWebhookUrl: "hooks.slack.com/services/secret-part" },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      generalSettings.alerting is given together with alerting; give one of them
        pulumi config rm --path 'generalSettings.alerting'

      generalSettings.alerting_threshold is given together with alerting; give one of them
        pulumi config rm --path 'generalSettings.alerting_threshold'

      slackWebhookUrl must be an http:// or https:// URL (not shown)
        pulumi config set --secret slackWebhookUrl

      alertWebhookUrl is required with alerting.webhook
        pulumi config set --secret alertWebhookUrl"
    `);
    expect(refusal({ models, alerting: { types: ["llm_exceptions"] } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      alerting.types is not used without alerting.slack or alerting.webhook
        pulumi config set --path 'alerting.slack' true"
    `);
  });
});

describe("secrets with a form of their own", () => {
  const hash = `$2y$05$${"a".repeat(53)}`;
  const key = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n";

  test("are taken in it", () => {
    const { secretNames } = parseSettings(
      rawConfig(
        { models },
        {
          adminUsers: `alice:${hash}\nbob:${hash}\n`,
          tlsPrivateKey: key,
          redisPassword: "p-_~%+/=",
          slackWebhookUrl: "http://127.0.0.1:1/hook",
        },
      ),
    );
    expect(secretNames).toEqual([
      "adminUsers",
      "redisPassword",
      "slackWebhookUrl",
      "tlsPrivateKey",
    ]);
  });

  test("are refused in another, and not shown", () => {
    const message = refusal(
      { models },
      {
        adminUsers: "alice:clear-value",
        tlsPrivateKey: "-----BEGIN CERTIFICATE-----\nclear-value\n",
        redisPassword: 'clear"value',
        alertWebhookUrl: "clear-value",
      },
    );
    expect(message).not.toMatch(/clear/);
    expect(message).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      redisPassword must be ASCII without white space, quotes and backslashes (not shown)
        pulumi config set --secret redisPassword

      alertWebhookUrl must be an http:// or https:// URL (not shown)
        pulumi config set --secret alertWebhookUrl

      adminUsers must be lines \`name:hash\` as htpasswd -nB writes them (not shown)
        pulumi config set --secret adminUsers

      tlsPrivateKey must be an unencrypted private key in PEM (not shown)
        pulumi config set --secret tlsPrivateKey"
    `);
  });
});

describe("model files", () => {
  test("a group that makes no file", () => {
    expect(refusal({ models: [{ name: "hello", provider: "mock", group: "team" }] }))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      models[0].group is not used with modelFiles.groupBy "none"
        pulumi config set --path 'modelFiles.groupBy' group"
    `);
    expect(
      refusal({
        models: [{ name: "hello", provider: "mock", group: "../team" }],
        modelFiles: { groupBy: "group" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      models[0].group must be a name of letters, digits and -, starting with a small letter, not "../team"
        pulumi config set --path 'models[0].group' chat-models"
    `);
  });
});

describe("warnings", () => {
  const warningsOf = (plain: Record<string, unknown>, secret = {}) =>
    listWarnings(parseSettings(rawConfig({ models, ...plain }, secret)));

  test("none by default", () => {
    expect(warningsOf({})).toEqual([]);
    expect(warningsOf({ router: { strategy: "least-busy" } })).toEqual([]);
    expect(warningsOf({ deployment: traefik, router: { strategy: "simple-shuffle" } })).toEqual([]);
  });

  test("what is on and should be known", () => {
    expect(
      warningsOf(
        {
          deployment: { ...traefik, replicas: 2 },
          database: { kind: "none" },
          detailedDebug: true,
          router: { strategy: "least-busy" },
          alerting: { webhook: true },
        },
        { alertWebhookUrl: "http://127.0.0.1/hook" },
      ).join("\n\n"),
    ).toMatchInlineSnapshot(`
      "detailedDebug is on: the proxy's log holds prompts and answers, and those secrets that LiteLLM does not recognise and hide. Turn it off when the fault is found, and delete the log:
        pulumi config rm detailedDebug

      router.strategy is "least-busy", which goes by what was used before, but without Redis each of the 4 worker processes knows only its own requests:
        pulumi config set --path redis.kind managed

      alerting.webhook tells of budgets only, which there are none of without a database:
        pulumi config set --path alerting.slack true"
    `);
    expect(
      warningsOf({
        redis: { kind: "external", host: "redis.example.com" },
        cache: { enabled: true, sharedBetweenKeys: true },
        router: { strategy: "least-busy" },
      }).join("\n\n"),
    ).toMatchInlineSnapshot(`
      "cache.sharedBetweenKeys is on: whoever asks what another key has asked gets that key's answer, whatever the teams of the two:
        pulumi config rm --path cache.sharedBetweenKeys"
    `);
  });
});
