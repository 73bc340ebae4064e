import { describe, expect, test } from "vitest";

import { planLocal } from "../../../stacks/plan/local-plan.ts";
import {
  planArguments,
  planRedisVariables,
  planSecretVariables,
  planVariables,
} from "../../../stacks/plan/proxy-plan.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { mockModels, rawConfig } from "../settings/raw-config.ts";

const models = mockModels;
const place = { configFile: "/etc/litellm/c.yaml", host: "0.0.0.0", port: 4000 };

describe("arguments", () => {
  const base = ["--config=/etc/litellm/c.yaml", "--host=0.0.0.0", "--port=4000"];

  test("several workers are recycled, unless that would cut connections", () => {
    expect(planArguments({ ...place, workers: 1, recycle: false })).toEqual([
      ...base,
      "--num_workers=1",
    ]);
    expect(planArguments({ ...place, workers: 2, recycle: false })).toEqual([
      ...base,
      "--num_workers=2",
      "--run_gunicorn",
    ]);
    expect(planArguments({ ...place, workers: 2 })).toEqual([
      ...base,
      "--num_workers=2",
      "--run_gunicorn",
      "--max_requests_before_restart=10000",
      "--max_requests_before_restart_jitter=1000",
    ]);
  });

  test("details are logged when asked for", () => {
    expect(planArguments({ ...place, workers: 1, detailedDebug: true })).toEqual([
      ...base,
      "--num_workers=1",
      "--detailed_debug",
    ]);
  });
});

describe("variables", () => {
  test("of callbacks, and behind a proxy", () => {
    const settings = parseSettings(
      rawConfig(
        {
          models,
          deployment: { topology: "single-host" },
          callbacks: [
            { kind: "langfuse", host: "https://langfuse.example.com" },
            { kind: "otel", endpoint: "http://collector.example.com:4318" },
            { kind: "datadog", site: "datadoghq.eu" },
            { kind: "langsmith", project: "gateway" },
            { kind: "prometheus" },
          ],
        },
        {
          secrets: {
            langfusePublicKey: "value-1",
            langfuseSecretKey: "value-2",
            ddApiKey: "value-3",
            langsmithApiKey: "value-4",
          },
        },
      ),
    );
    expect(planVariables(settings, { behindProxy: true })).toMatchObject({
      FORWARDED_ALLOW_IPS: "*",
      LANGFUSE_HOST: "https://langfuse.example.com",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector.example.com:4318",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      DD_SITE: "datadoghq.eu",
      LANGSMITH_PROJECT: "gateway",
    });
    expect(planVariables(settings)).not.toHaveProperty("FORWARDED_ALLOW_IPS");
  });

  test("of the log: details are hidden by no level", () => {
    const levelOf = (plain: object) =>
      planVariables(parseSettings(rawConfig({ models, ...plain })))["LITELLM_LOG"];
    expect(levelOf({})).toBeUndefined();
    expect(levelOf({ logLevel: "ERROR" })).toBe("ERROR");
    expect(levelOf({ logLevel: "ERROR", detailedDebug: true })).toBe("DEBUG");
  });

  test("of secrets: those that LiteLLM reads, and none of the gateway's others", () => {
    const settings = parseSettings(
      rawConfig(
        { models, alerting: { slack: true, webhook: true } },
        {
          slackWebhookUrl: "https://hooks.example.com/1",
          alertWebhookUrl: "https://hooks.example.com/2",
          tlsPrivateKey: "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
          secrets: { groqApiKey: "gsk" },
        },
      ),
    );
    expect(planSecretVariables(settings)).toEqual({
      GROQ_API_KEY: "groqApiKey",
      LITELLM_MASTER_KEY: "masterKey",
      LITELLM_SALT_KEY: "saltKey",
      SLACK_WEBHOOK_URL: "slackWebhookUrl",
      UI_PASSWORD: "uiPassword",
      WEBHOOK_URL: "alertWebhookUrl",
    });
  });
});

describe("Redis", () => {
  const none = { variables: {}, secretVariables: {} };

  test("none", () => {
    expect(planRedisVariables({ redis: { kind: "none" }, secretNames: [] })).toEqual(none);
  });

  test("of the stack's own: its password is generated where none is set", () => {
    const { redis, secretNames } = parseSettings(
      rawConfig({
        models,
        deployment: {
          topology: "traefik",
          baseDomain: "example.com",
          certificates: { kind: "private" },
        },
        redis: { kind: "managed" },
      }),
    );
    expect(planRedisVariables({ redis, secretNames }, { host: "redis", port: 6379 })).toEqual({
      variables: { REDIS_HOST: "redis", REDIS_PORT: "6379" },
      secretVariables: { REDIS_PASSWORD: "redisPassword" },
    });
    expect(() => planRedisVariables({ redis, secretNames })).toThrow("address of its Redis");
  });

  test("an external one, with TLS and a user or with nothing of that", () => {
    const redis = { kind: "external", host: "redis.example.com", port: 6380 } as const;
    expect(planRedisVariables({ redis: { ...redis, tls: false }, secretNames: [] })).toEqual({
      variables: { REDIS_HOST: "redis.example.com", REDIS_PORT: "6380" },
      secretVariables: {},
    });
    expect(
      planRedisVariables({
        redis: { ...redis, tls: true, username: "gateway" },
        secretNames: ["redisPassword"],
      }),
    ).toEqual({
      variables: {
        REDIS_HOST: "redis.example.com",
        REDIS_PORT: "6380",
        REDIS_SSL: "true",
        REDIS_USERNAME: "gateway",
      },
      secretVariables: { REDIS_PASSWORD: "redisPassword" },
    });
  });
});

test("processes on this machine have every file in the stack's folder", () => {
  const settings = parseSettings(
    rawConfig(
      {
        models,
        modelFiles: { groupBy: "provider" },
        includes: ["config/team.yaml"],
        redis: { kind: "external", host: "127.0.0.1" },
        cache: { enabled: true },
        detailedDebug: true,
      },
      { redisPassword: "value" },
    ),
  );
  if (settings.deployment.topology !== "local") throw new Error("another topology is the default");
  const { proxy } = planLocal(settings, settings.deployment, {
    stack: "dev",
    platform: "linux-x64",
    requirementsSha256: "0".repeat(64),
    serverUser: undefined,
    files: {
      "config/team.yaml": "model_list: []\n",
      "templates/cache_isolation.py": "isolation",
    },
    fingerprints: {},
    generations: { serving: undefined, broken: [] },
  });
  expect(proxy.configFile).toBe(".stacks/dev/litellm-config.yaml");
  expect(Object.keys(proxy.furtherFiles ?? {})).toEqual([
    ".stacks/dev/models/mock.yaml",
    ".stacks/dev/models/team.yaml",
    ".stacks/dev/cache_isolation.py",
  ]);
  expect(proxy.arguments).toContain("--detailed_debug");
  expect(proxy.variables).toMatchObject({ REDIS_HOST: "127.0.0.1", REDIS_PORT: "6379" });
  expect(proxy.secretVariables).toMatchObject({ REDIS_PASSWORD: "redisPassword" });
});
