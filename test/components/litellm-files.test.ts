import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";

import { createGateway } from "../../components/gateway.ts";
import { GatewaySecrets } from "../../components/secrets.ts";
import { planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { record, type Registration } from "../support/mock-engine.ts";

const TEAM = "model_list: []\n";

function deploy(files: Readonly<Record<string, string>>): Promise<Registration[]> {
  const settings = parseSettings({
    plain: {
      models: [{ name: "hello", provider: "mock" }],
      database: { kind: "none" },
      modelFiles: { groupBy: "provider" },
      includes: ["config/team.yaml"],
    },
    secret: {},
  });
  const plan = planDeployment(settings, imagineCircumstances({ files }));
  return record(() => createGateway("gateway", { plan, secrets: {}, migrationAttempt: 1 }));
}

test("each file that LiteLLM reads is a resource, and another text restarts the process", async () => {
  const registrations = await deploy({ "config/team.yaml": TEAM });
  const files = registrations.filter(({ type }) => type === "litellm:host:File");
  expect(files.map(({ name, inputs }) => [name, inputs["path"]])).toEqual([
    ["gateway-proxy-config", ".stacks/test/litellm-config.yaml"],
    ["gateway-proxy-config-models/mock.yaml", ".stacks/test/models/mock.yaml"],
    ["gateway-proxy-config-models/team.yaml", ".stacks/test/models/team.yaml"],
  ]);
  const process = registrations.find(({ type }) => type === "litellm:host:Process");
  expect(process?.inputs["restartOn"]).toMatchObject({
    config: sha256(String(files[0]?.inputs["content"])),
    ".stacks/test/models/mock.yaml": sha256(String(files[1]?.inputs["content"])),
    ".stacks/test/models/team.yaml": sha256(TEAM),
  });
});

test("Redis has a password where the stack has one of its own, or the user has set one", async () => {
  const passwords = async (args: ConstructorParameters<typeof GatewaySecrets>[1]) => {
    let secrets: GatewaySecrets | undefined;
    const registrations = await record(() => {
      secrets = new GatewaySecrets("secrets", args);
    });
    const generated = registrations.filter(({ name }) => name === "secrets-redis-password");
    return { generated: generated.length, isKnown: secrets?.forProxy.redisPassword !== undefined };
  };
  const given = { redisPassword: pulumi.secret("value") };
  expect(await passwords({ given: {}, protect: true })).toEqual({ generated: 0, isKnown: false });
  expect(await passwords({ given: {}, protect: true, hasRedis: true })).toEqual({
    generated: 1,
    isKnown: true,
  });
  expect(await passwords({ given, protect: true, hasRedis: true })).toEqual({
    generated: 0,
    isKnown: true,
  });
});
