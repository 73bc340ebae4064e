import { readFileSync } from "node:fs";

import Ajv from "ajv";
import { format } from "prettier";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

import { litellmModes } from "../../stacks/settings/litellm-keys.ts";
import { modelModes } from "../../stacks/settings/models.ts";
import { buildSettingsSchema } from "../../stacks/settings/settings-schema.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";

const committed = readFileSync("stacks/settings.schema.json", "utf8");
const validate = new Ajv({ unknownFormats: "ignore" }).compile(JSON.parse(committed) as object);

function errorsOf(document: unknown): string[] {
  void validate(document);
  return (validate.errors ?? []).map(({ dataPath, message }) => `${dataPath} ${message ?? ""}`);
}

test("the committed JSON Schema follows from the settings", async () => {
  const text = await format(JSON.stringify(buildSettingsSchema()), {
    filepath: "stacks/settings.schema.json",
    printWidth: 100,
  });
  expect(committed).toBe(text);
});

test("every mode of a model is one that the pinned LiteLLM knows", () => {
  expect(modelModes.filter((mode) => !litellmModes.includes(mode))).toEqual([]);
});

describe.each(["Pulumi.dev.yaml", "Pulumi.prod.yaml"])("%s", (path) => {
  const text = readFileSync(path, "utf8");
  const document = parse(text) as { config: Record<string, unknown> };

  test("names the JSON Schema for editors in its first line", () => {
    expect(text.split("\n")[0]).toBe(
      "# yaml-language-server: $schema=./stacks/settings.schema.json",
    );
  });

  test("is valid by the JSON Schema", () => {
    expect(errorsOf(document)).toEqual([]);
  });

  test("holds valid settings, once its provider keys are set", () => {
    const entries = Object.entries(document.config).map(
      ([key, value]) => [key.replace("litellm-gateway:", ""), JSON.stringify(value)] as const,
    );
    const plain = Object.fromEntries(
      entries.map(([key, value]) => [key, value.replace(/^"(.*)"$/, "$1")]),
    );
    const secret = {
      openaiApiKey: "sk-openai",
      anthropicApiKey: "sk-anthropic",
      secrets: { upstreamApiKey: "sk-upstream" },
    };
    expect(parseSettings({ plain, secret }).models.map(({ name }) => name)).toContain("hello");
  });
});

describe("the JSON Schema", () => {
  const models = [{ name: "hello", provider: "mock" }];

  test("accepts secrets, other namespaces and Pulumi's own keys", () => {
    const document = {
      secretsprovider: "passphrase",
      encryptionsalt: "v1:abc",
      config: {
        "aws:region": "eu-central-1",
        "litellm-gateway:models": models,
        "litellm-gateway:openaiApiKey": { secure: "v1:abc" },
        "litellm-gateway:secrets": { groqApiKey: { secure: "v1:abc" } },
        "litellm-gateway:requestTimeoutSeconds": "60",
        "litellm-gateway:routerSettings": { num_retries: "os.environ/RETRIES" },
      },
    };
    expect(errorsOf(document)).toEqual([]);
  });

  test.each([
    ["a secret in plain text", { openaiApiKey: "sk-1" }],
    ["a secret in plain text among secrets", { secrets: { groqApiKey: "gsk" } }],
    ["an unknown setting", { modles: models }],
    ["an unknown field", { deployment: { proxyprot: 4000 } }],
    ["an unknown key of LiteLLM's", { routerSettings: { rooting_strategy: "simple-shuffle" } }],
    ["a wrong type of LiteLLM's", { litellmSettings: { drop_params: "yes" } }],
    ["an unknown provider", { models: [{ name: "a", provider: "litellm", model: "a" }] }],
  ])("refuses %s", (_, config) => {
    const namespaced = Object.entries<unknown>(config).map(([key, value]) => [
      `litellm-gateway:${key}`,
      value,
    ]);
    expect(
      errorsOf({ config: Object.fromEntries(namespaced) as Record<string, unknown> }),
    ).not.toEqual([]);
  });
});
