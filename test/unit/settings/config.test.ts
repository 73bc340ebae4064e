import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";

import { loadConfig } from "../../../stacks/config.ts";

beforeEach(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
      call: () => ({}),
    },
    "litellm-gateway",
    "dev",
  );
});

function setConfig(values: Record<string, string>, secretKeys: string[] = []): void {
  const namespaced = (key: string) => `litellm-gateway:${key}`;
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [namespaced(key), value])),
    secretKeys.map(namespaced),
  );
}

const models = JSON.stringify([{ name: "hello", provider: "mock" }]);

const readOutput = async <T>(output: pulumi.Output<T>) => ({
  value: await new Promise<T>((resolve) => {
    output.apply(resolve);
  }),
  isSecret: await pulumi.isSecret(output),
});

test("secrets are secret outputs by name, and are not among the settings", async () => {
  setConfig(
    {
      models,
      openaiApiKey: "sk-openai-value",
      secrets: JSON.stringify({ groqApiKey: "gsk-value" }),
    },
    ["openaiApiKey", "secrets"],
  );
  const { settings, secrets } = await loadConfig();
  expect(settings.secretNames).toEqual(["groqApiKey", "openaiApiKey"]);
  expect(Object.keys(secrets)).toEqual(["groqApiKey", "openaiApiKey"]);
  const { openaiApiKey, groqApiKey } = secrets;
  if (openaiApiKey === undefined || groqApiKey === undefined)
    throw new Error("secrets are missing");
  expect(await readOutput(openaiApiKey)).toEqual({ value: "sk-openai-value", isSecret: true });
  expect(await readOutput(groqApiKey)).toEqual({ value: "gsk-value", isSecret: true });
  expect(JSON.stringify(settings)).not.toContain("value");
});

test("other namespaces are not read", async () => {
  setConfig({ models });
  pulumi.runtime.setConfig("aws:region", "eu-central-1");
  expect((await loadConfig()).settings.models).toHaveLength(1);
});

test("mistakes are reported without a stack", async () => {
  setConfig({ models, openaiApiKey: "sk-openai-value" });
  await expect(loadConfig()).rejects.toThrow(
    new pulumi.RunError(
      "invalid settings: 1 error\n\n" +
        "openaiApiKey is stored in plain text (not shown); store it as a secret, and replace it if it was shared\n" +
        "  pulumi config set --secret openaiApiKey",
    ),
  );
});
