import { randomUUID } from "node:crypto";

import pluginpb from "@pulumi/pulumi/proto/plugin_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import { openGateway } from "../../../components/provider/access/gateway.ts";
import { generateKeyValue, hashKey } from "../../../components/provider/access/key-value.ts";
import { virtualKey } from "../../../components/provider/access/virtual-key.ts";
import type { ResourceDefinition } from "../../../components/provider/resource.ts";
import { serve } from "../../../components/provider/server/server.ts";
import { encode, markSecret, reveal, UNKNOWN } from "../../../components/provider/server/wire.ts";
import { ProxyClient } from "../../../components/proxy-client.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { call, listenForLogs, ProviderClient } from "../../support/provider-client.ts";
import { changeKey, findKey, findKeys, KeyStack } from "./key-stack.ts";
import { listChanging, sendAdmin } from "./requests.ts";

/** Life cycle of a key, and how it may be had already. */
export function describeKeys(server: () => LitellmServer): void {
  describe("key", () => {
    const suffix = randomUUID().slice(0, 8);
    const [team, otherTeam, user, budget] = ["one", "two", "ana", "trial"].map(
      (name) => `${name}-${suffix}`,
    ) as [string, string, string, string];
    const stacks: KeyStack[] = [];
    let alias: string;

    const openStack = (name?: string): KeyStack => {
      const stack = new KeyStack(server(), name === undefined ? {} : { name });
      stacks.push(stack);
      return stack;
    };
    const chat = async (value: string | undefined) =>
      (
        await server()
          .client.as(value ?? "")
          .chat("free", "hello")
      ).status;
    const watch = () => [
      vi.spyOn(GatewayApi.prototype, "call"),
      vi.spyOn(GatewayApi.prototype, "create"),
    ];

    beforeEach(async () => {
      alias = `bot-${randomUUID().slice(0, 8)}`;
      const { client } = server();
      if ((await client.request(`/team/info?team_id=${team}`)).status === 200) return;
      for (const team_id of [team, otherTeam]) await client.succeed("/team/new", { team_id });
      await client.succeed("/user/new", { user_id: user, auto_create_key: false });
      await client.succeed("/budget/new", { budget_id: budget, max_budget: 3, soft_budget: 2 });
    });

    afterEach(async () => {
      vi.restoreAllMocks();
      for (const stack of stacks.splice(0)) await stack.destroy();
    });

    afterAll(async () => {
      await sendAdmin(server(), "POST", "/team/delete", { team_ids: [team, otherTeam] });
      await sendAdmin(server(), "POST", "/user/delete", { user_ids: [user] });
      await sendAdmin(server(), "POST", "/budget/delete", { id: budget });
    });

    test("lives from creation to deletion, and only what differs is sent", async () => {
      const stack = openStack();
      const wanted = { alias, models: ["free"], maxBudget: 5, metadata: { purpose: "ci" } };
      const { value, tokenId } = await stack.up(wanted);
      expect(value).toMatch(/^sk-[\w-]{43}$/);
      expect(tokenId).toBe(hashKey(value ?? ""));
      expect(stack.concealed).toContain(value);
      expect(await chat(value)).toBe(200);
      expect(await stack.preview(wanted)).toEqual([]);

      const calls = watch();
      const dearer = { ...wanted, maxBudget: 6 };
      expect(await stack.preview(dearer)).toEqual(["maxBudget"]);
      expect((await stack.up(dearer)).value).toBe(value);
      expect(listChanging(...calls)).toEqual([
        ["POST", "/key/update", { key: tokenId, max_budget: 6 }],
      ]);
      expect(await stack.preview(dearer)).toEqual([]);

      await changeKey(server(), tokenId, { rpm_limit: 7, metadata: { purpose: "other" } });
      expect(await stack.preview(dearer)).toEqual(["metadata.purpose", "rpmLimit"]);
      await stack.up(dearer);
      expect(await findKey(server(), tokenId)).toMatchObject({
        rpm_limit: null,
        metadata: {
          purpose: "ci",
          managed_by: expect.stringMatching(/^pulumi:test\/[\w-]+:key$/) as unknown,
        },
      });
      expect(await stack.preview(dearer)).toEqual([]);

      await stack.destroy();
      expect(stack.messages.at(-1)).toBe(
        `key "${alias}" (sk-...${value?.slice(-4)}) is deleted: requests with it are refused from now on`,
      );
      expect(await findKey(server(), tokenId)).toBeUndefined();
      expect(await chat(value)).toBe(401);
      expect(stack.messages.join()).not.toContain(value);
    });

    test("its value is a secret of the state, and unknown to a preview only when it changes", async () => {
      const { url, masterKey } = server();
      const plugin = await serve({
        name: "litellm",
        version: "1.0.0",
        definitions: [virtualKey as unknown as ResourceDefinition],
      });
      const engine = new ProviderClient(plugin.port, virtualKey.token);
      const logs = await listenForLogs();
      try {
        await call(
          engine.raw.attach.bind(engine.raw),
          new pluginpb.PluginAttach().setAddress(logs.address),
        );
        await call(
          engine.raw.configure.bind(engine.raw),
          new pb.ConfigureRequest().setArgs(encode({ url, masterKey })),
        );
        const { inputs } = await engine.check({ alias });
        expect((await engine.create(inputs, { preview: true })).properties["value"]).toEqual(
          markSecret(UNKNOWN),
        );
        const { id, properties } = await engine.create(inputs);
        const { value, tokenId } = reveal(properties) as { value: string; tokenId: string };
        expect(properties["value"]).toEqual(markSecret(value));
        expect(id).toBe(tokenId);

        const update = (news: object) =>
          engine.update(
            { oldInputs: inputs, olds: properties, news: { ...inputs, ...news } },
            { preview: true },
          );
        expect(reveal(await update({ maxBudget: 1 }))).toMatchObject({
          value,
          tokenId,
          maxBudget: 1,
        });
        expect(reveal(await update({ generation: 2 }))).toMatchObject({
          ...{ value: UNKNOWN, tokenId: UNKNOWN, previous: UNKNOWN, createdAt: UNKNOWN },
        });

        const found = await engine.read(id, inputs, properties);
        expect(found.inputs).toEqual(inputs);
        expect(found.properties["value"]).toEqual(markSecret(value));
        const imported = await engine.read(id);
        expect(imported.inputs).toEqual(inputs);
        expect(imported.properties).not.toHaveProperty("value");

        await engine.delete(id, properties, inputs);
        expect(logs.lines.map(({ message }) => message).join()).toMatch(
          /is deleted: requests with it/,
        );
        expect(JSON.stringify(logs.lines)).not.toContain(value);
      } finally {
        engine.close();
        logs.close();
        await plugin.stop();
      }
    });

    test("every property is set, changed and unset", async () => {
      const stack = openStack();
      const full = {
        alias,
        teamId: team,
        userId: user,
        models: ["free", "cheap"],
        maxBudget: 0.1 + 0.2,
        softBudget: 0.2,
        budgetDuration: "30d",
        rpmLimit: 100,
        tpmLimit: 10_000,
        maxParallelRequests: 4,
        modelRpmLimit: { free: 50 },
        modelTpmLimit: { free: 5000 },
        expires: new Date(Date.now() + 3_600_000).toISOString(),
        blocked: true,
        allowedRoutes: ["/chat/completions"],
        metadata: { user: "ana@example.com", nested: { list: [2, 1] } },
      };
      const { tokenId } = await stack.up(full);
      await changeKey(server(), tokenId, { models: ["cheap", "free"] });
      expect(await stack.preview(full)).toEqual([]);
      expect(await findKey(server(), tokenId)).toMatchObject({
        team_id: team,
        user_id: user,
        metadata: { model_rpm_limit: { free: 50 }, model_tpm_limit: { free: 5000 } },
        litellm_budget_table: { soft_budget: 0.2 },
      });

      const other = {
        ...full,
        alias: `${alias}-renamed`,
        teamId: otherTeam,
        userId: undefined,
        models: ["free"],
        maxBudget: 1,
        softBudget: 0.5,
        budgetDuration: "7d",
        rpmLimit: 90,
        tpmLimit: 9000,
        maxParallelRequests: 3,
        modelRpmLimit: { cheap: 40 },
        modelTpmLimit: { free: 4000 },
        expires: new Date(Date.now() + 7_200_000).toISOString(),
        blocked: false,
        allowedRoutes: ["/embeddings"],
        metadata: { user: "ben@example.com" },
      };
      expect((await stack.up(other)).tokenId).toBe(tokenId);
      expect(await stack.preview(other)).toEqual([]);

      const bare = { alias };
      await stack.up(bare);
      expect(await stack.preview(bare)).toEqual([]);
      expect(await findKey(server(), tokenId)).toMatchObject({
        key_alias: alias,
        ...{ team_id: null, user_id: null, max_budget: null, budget_duration: null },
        ...{ rpm_limit: null, tpm_limit: null, max_parallel_requests: null, expires: null },
        ...{ models: [], allowed_routes: [], blocked: false },
        metadata: { managed_by: expect.any(String) as unknown },
      });
    });

    test("what is deleted by hand is made again with another value", async () => {
      const stack = openStack();
      const { value, tokenId } = await stack.up({ alias });
      await sendAdmin(server(), "POST", "/key/delete", { keys: [tokenId] });
      // LiteLLM answers for it still, from its archive.
      expect((await server().client.request(`/key/info?key=${tokenId}`)).status).toBe(200);
      expect(await stack.preview({ alias })).toContain("alias");
      const again = await stack.up({ alias });
      expect(again.value).not.toBe(value);
      expect(await chat(again.value)).toBe(200);
      expect(await chat(value)).toBe(401);
      expect(stack.messages.join()).toContain("was deleted in LiteLLM");
    });

    test("keeps its value when LiteLLM deletes it with a team that it leaves", async () => {
      const stack = openStack();
      const teamId = `left-${alias}`;
      await server().client.succeed("/team/new", { team_id: teamId });
      const { value } = await stack.up({ alias, teamId });
      await sendAdmin(server(), "POST", "/team/delete", { team_ids: [teamId] });
      expect((await stack.up({ alias, teamId: otherTeam })).value).toBe(value);
      expect((await findKeys(server(), alias)).map(({ team_id }) => team_id)).toEqual([otherTeam]);
    });

    test("is imported by its hash or its alias, and never by its value", async () => {
      const wanted = { alias, teamId: team, maxBudget: 1, metadata: { purpose: "ci" } };
      const body = { key_alias: alias, team_id: team, max_budget: 1, metadata: { purpose: "ci" } };
      const { key, token } = (await server().client.succeed("/key/generate", body)) as {
        key: string;
        token: string;
      };
      for (const id of [token, alias]) {
        const stack = openStack();
        expect(await stack.import(id)).toMatchObject({ ...wanted, adopt: false });
        expect(await stack.preview(wanted)).toEqual([]);
        expect(stack.state?.outputs).toMatchObject({ value: undefined, tokenId: token });
      }
      const calls = watch();
      await expect(openStack().import(key)).rejects.toThrow(/by its alias or by its hash/);
      expect(calls[0]?.mock.calls).toEqual([]);
      expect(await openStack().import("nobody")).toBeUndefined();
    });

    test("an alias that is taken is an error that tells how to have it", async () => {
      const first = openStack("first");
      const { tokenId, value } = await first.up({ alias, rpmLimit: 5 });
      const second = openStack("second");
      await expect(second.up({ alias })).rejects.toThrow(
        `key "${alias}" exists already, and is not this stack's (managed by pulumi:test/first:key): take it ` +
          "over with adopt: true, or import it as it is: " +
          `pulumi import litellm:access:VirtualKey key ${tokenId}`,
      );
      expect(await findKeys(server(), alias)).toHaveLength(1);

      const wanted = { alias, maxBudget: 2, adopt: true };
      expect(await second.up(wanted)).toMatchObject({ tokenId, value: undefined, previous: [] });
      expect(second.messages.join()).toContain("LiteLLM does not tell its value");
      expect(await findKey(server(), tokenId)).toMatchObject({
        rpm_limit: null,
        max_budget: 2,
        metadata: { managed_by: "pulumi:test/second:key" },
      });
      expect(await second.preview(wanted)).toEqual([]);
      expect(await chat(value)).toBe(200);
      await openStack("third").up({ alias: `${alias}-3` });
      await expect(second.up({ ...wanted, alias: `${alias}-3` })).rejects.toThrow(
        `key "${alias}-3" exists already`,
      );
    });

    test("what a killed run has left is made anew, and taken over where somebody uses it", async () => {
      const killed = openStack("killed");
      const lost = await killed.up({ alias, softBudget: 1 });
      const again = openStack("killed");
      const found = await again.up({ alias, softBudget: 1 });
      expect(found.tokenId).not.toBe(lost.tokenId);
      expect(await findKeys(server(), alias)).toMatchObject([{ token: found.tokenId }]);

      expect(await chat(found.value)).toBe(200);
      await vi.waitFor(
        async () => {
          expect((await findKey(server(), found.tokenId))?.["last_active"]).not.toBeNull();
        },
        { timeout: 10_000, interval: 200 },
      );
      const restored = openStack("killed");
      expect(await restored.up({ alias })).toMatchObject({
        tokenId: found.tokenId,
        value: undefined,
      });
      expect(restored.messages.join()).toContain("LiteLLM does not tell its value");
      expect(await findKeys(server(), alias)).toMatchObject([{ token: found.tokenId }]);
    });

    test("what a backup has brought back is taken over, whether or not it was used", async () => {
      const stack = openStack("restored");
      const { tokenId } = await stack.up({ alias });
      await server().client.succeed("/key/delete", { keys: [tokenId] });
      const backup = await openStack("restored").up({ alias });
      expect(await stack.up({ alias })).toMatchObject({
        tokenId: backup.tokenId,
        value: undefined,
      });
      expect(await chat(backup.value)).toBe(200);
      expect(await stack.preview({ alias })).toEqual([]);
    });

    test("a value that is given is used as it is, and a key that has it is not overlooked", async () => {
      const value = generateKeyValue();
      const stack = openStack("given");
      expect(await stack.up({ alias, value })).toMatchObject({ value, tokenId: hashKey(value) });
      expect(await chat(value)).toBe(200);
      expect(await stack.preview({ alias, value })).toEqual([]);
      expect(await stack.preview({ alias })).toEqual(["value"]);
      expect((await stack.up({ alias })).value).toBe(value);

      expect(await openStack("given").up({ alias, value })).toMatchObject({ value });
      await expect(openStack().up({ alias: `${alias}-2`, value })).rejects.toThrow(
        `key "${alias}" exists already`,
      );
      await expect(
        openStack().up({ alias, value: generateKeyValue(), adopt: true }),
      ).rejects.toThrow(/exists already with another value/);
    });

    test("an answer that is lost makes no second key", async () => {
      interceptCreation(loseFirst((send, ...request) => send(...request)));
      const stack = openStack();
      const { value, tokenId } = await stack.up({ alias });
      expect(await findKeys(server(), alias)).toMatchObject([{ token: tokenId }]);
      expect(await chat(value)).toBe(200);
    });

    test("a gateway that takes no values makes its own, and none twice", async () => {
      interceptCreation(refuseValue);
      const stack = openStack();
      await expect(stack.up({ alias, value: generateKeyValue() })).rejects.toThrow(
        /takes no values of its users'.*leave `value` out/,
      );
      interceptCreation(loseFirst(refuseValue));
      const { value, tokenId } = await stack.up({ alias });
      expect(await findKeys(server(), alias)).toMatchObject([{ token: tokenId }]);
      expect(stack.concealed).toContain(value);
      expect(await chat(value)).toBe(200);
    });

    test("a value that LiteLLM drops silently is noticed", async () => {
      interceptCreation(dropValue);
      const stack = openStack();
      await expect(stack.up({ alias, value: generateKeyValue() })).rejects.toThrow(
        /has made a key with another value than the one that was given/,
      );
      expect(await findKeys(server(), alias)).toEqual([]);
      const { value, tokenId } = await stack.up({ alias });
      expect(tokenId).toBe(hashKey(value ?? ""));
      expect(await chat(value)).toBe(200);
    });

    test("what LiteLLM's settings fill in is no drift, and can be set and unset", async () => {
      interceptCreation((send, path, options) =>
        send(path, { ...options, body: { rpm_limit: 60, duration: "1h", ...options?.body } }),
      );
      const stack = openStack();
      const { tokenId, serverDefaults } = await stack.up({ alias });
      expect(serverDefaults).toEqual({
        rpmLimit: 60,
        expires: expect.stringMatching(/Z$/) as unknown,
      });
      expect(await stack.preview({ alias })).toEqual([]);
      await stack.up({ alias, rpmLimit: 5 });
      expect(await findKey(server(), tokenId)).toMatchObject({ rpm_limit: 5 });
      await stack.up({ alias });
      expect(await findKey(server(), tokenId)).toMatchObject({
        rpm_limit: null,
        expires: expect.any(String) as unknown,
      });
      expect(await stack.preview({ alias })).toEqual([]);
      expect(await openStack().import(alias)).toHaveProperty("expires");
    });

    test("an owner that does not exist is named before anything is made", async () => {
      for (const [property, noun] of [
        ["teamId", "team"],
        ["userId", "user"],
        ["budgetId", "budget"],
      ] as const) {
        await expect(openStack().up({ alias, [property]: "serch" })).rejects.toThrow(
          `${property}: there is no ${noun} "serch" in the gateway`,
        );
      }
      expect(await findKeys(server(), alias)).toEqual([]);
    });

    test("many of one process ask for their owners once, and are deleted together", async () => {
      const { url, masterKey } = server();
      const { context } = operationContext(undefined, { url, masterKey, process: randomUUID() });
      const calls = watch();
      const tokenIds: string[] = [];
      for (const name of ["a", "b", "c"]) {
        const inputs = virtualKey.inputs.parse({ alias: `${alias}-${name}`, teamId: team });
        tokenIds.push((await virtualKey.create(context, inputs)).id);
      }
      const asked = calls[0]?.mock.calls.filter(([{ path }]) => path.startsWith("/team/info"));
      expect(asked).toHaveLength(1);

      for (const call of calls) call.mockClear();
      const { keyDeletions } = openGateway(context);
      // One of them has been deleted by hand.
      const keys = [...tokenIds, hashKey(generateKeyValue())];
      await Promise.all(keys.map((tokenId) => keyDeletions.delete(tokenId, context.signal)));
      expect(listChanging(...calls)).toEqual([["POST", "/key/delete", { keys }]]);
      for (const tokenId of tokenIds) expect(await findKey(server(), tokenId)).toBeUndefined();
    });

    test("a soft budget of its own leaves the budget that others share alone", async () => {
      const stack = openStack();
      await stack.up({ alias, budgetId: budget });
      expect(await stack.preview({ alias, budgetId: budget })).toEqual([]);
      const { tokenId } = await stack.up({ alias, softBudget: 1 });
      const own = (await findKey(server(), tokenId))?.["budget_id"] as string;
      expect(await stack.preview({ alias, softBudget: 1 })).toEqual([]);
      expect(await readSoftBudget(budget)).toBe(2);
      expect(await readSoftBudget(own)).toBe(1);
      await stack.up({ alias, budgetId: budget });
      expect(await stack.preview({ alias, budgetId: budget })).toEqual([]);
      expect(await readSoftBudget(own)).toBeUndefined();
      await stack.destroy();
      expect(await readSoftBudget(budget)).toBe(2);
    });

    test("the commands of LiteLLM's guides work with what was made", async () => {
      const { client } = server();
      const stack = openStack();
      const metadata = { user: "user@example.com", purpose: "production" };
      const { value, tokenId } = await stack.up({ alias, models: ["all-proxy-models"], metadata });
      const headers = client.as(value ?? "");
      expect(await headers.converse("free", "Hello!")).toBe("hello");
      expect(JSON.stringify(await headers.succeed("/v1/models"))).toContain("free");
      expect(await client.succeed("/key/list?size=100&sort_by=created_at")).toMatchObject({
        keys: expect.arrayContaining([tokenId]) as unknown,
      });
      await client.succeed("/key/update", { key: value, models: ["free"] });
      expect(await stack.preview({ alias, models: ["all-proxy-models"], metadata })).toEqual([
        "models[0]",
      ]);
      await client.succeed("/key/delete", { keys: [value] });
      expect(await chat(value)).toBe(401);
    });

    async function readSoftBudget(id: string): Promise<unknown> {
      const found = await server().client.succeed("/budget/info", { budgets: [id] });
      return (found as { soft_budget: unknown }[])[0]?.soft_budget;
    }
  });
}

type Send = ProxyClient["request"];

const { value: sendReally } = Object.getOwnPropertyDescriptor(ProxyClient.prototype, "request") as {
  value: Send;
};

type Intercept = (send: Send, ...request: Parameters<Send>) => ReturnType<Send>;

/** Requests that make a key meet this instead of the gateway. */
function interceptCreation(intercept: Intercept): void {
  vi.spyOn(ProxyClient.prototype, "request").mockImplementation(async function (
    this: ProxyClient,
    ...request
  ) {
    const send = sendReally.bind(this);
    return request[0] === "/key/generate" ? intercept(send, ...request) : send(...request);
  });
}

/** The first time that it succeeds, the key is made and the connection ends before the answer. */
function loseFirst(intercept: Intercept): Intercept {
  let isLost = false;
  return async (...request) => {
    const answer = await intercept(...request);
    if (isLost || answer.status !== 200) return answer;
    isLost = true;
    throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
  };
}

const REFUSAL = JSON.stringify({
  error: {
    message:
      "{'error': 'Custom API key values are disabled by your administrator. Keys must be auto-generated.'}",
  },
});

/** As with `general_settings.disable_custom_api_keys`. */
const refuseValue: Intercept = async (send, path, options) =>
  options?.body !== undefined && "key" in options.body
    ? { status: 403, headers: {}, text: REFUSAL, json: JSON.parse(REFUSAL) as unknown }
    : send(path, options);

/** As versions of LiteLLM did that overlooked `key`. */
const dropValue: Intercept = (send, path, options) => {
  return send(path, { ...options, body: { ...options?.body, key: undefined } });
};
