import { randomUUID } from "node:crypto";

import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import { generateKeyValue, hashKey } from "../../../components/provider/access/key-value.ts";
import { defineVirtualKey } from "../../../components/provider/access/virtual-key.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { findKey, findKeys, KeyStack } from "./key-stack.ts";
import { sendAdmin } from "./requests.ts";

const DAY = 86_400_000;

/** A new value for a key, with the old one beside it for a while. */
export function describeKeyRotation(server: () => LitellmServer): void {
  describe("key rotation", () => {
    const suffix = randomUUID().slice(0, 8);
    const [team, user] = [`rotating-${suffix}`, `rita-${suffix}`];
    const stacks: KeyStack[] = [];
    let alias: string;
    /** Milliseconds that the toolkit's clock is ahead of LiteLLM's. */
    let ahead: number;
    const definition = defineVirtualKey({ now: () => Date.now() + ahead });

    const openStack = (name?: string): KeyStack => {
      const stack = new KeyStack(server(), { definition, ...(name !== undefined && { name }) });
      stacks.push(stack);
      return stack;
    };
    const chat = async (value: string | undefined, model = "free") =>
      (
        await server()
          .client.as(value ?? "")
          .chat(model, "hello")
      ).status;
    const readSpend = async () => {
      const { client } = server();
      const found = await client.succeed(`/team/info?team_id=${team}`);
      const { users } = (await client.succeed(`/user/list?user_ids=${user}`)) as {
        users: { spend: number }[];
      };
      const { spend } = (found as { team_info: { spend: number } }).team_info;
      return { team: spend, user: users[0]?.spend };
    };

    beforeEach(async () => {
      ahead = 0;
      alias = `bot-${randomUUID().slice(0, 8)}`;
      const { client } = server();
      if ((await client.request(`/team/info?team_id=${team}`)).status === 200) return;
      await client.succeed("/team/new", { team_id: team });
      await client.succeed("/user/new", { user_id: user, auto_create_key: false });
    });

    afterEach(async () => {
      vi.restoreAllMocks();
      for (const stack of stacks.splice(0)) await stack.destroy();
    });

    afterAll(async () => {
      await sendAdmin(server(), "POST", "/team/delete", { team_ids: [team] });
      await sendAdmin(server(), "POST", "/user/delete", { user_ids: [user] });
    });

    test("keeps both values for the overlap, which LiteLLM ends, and what owners have spent", async () => {
      const stack = openStack();
      const wanted = { alias, teamId: team, userId: user, maxBudget: 5, overlap: "3s" };
      const old = await stack.up(wanted);
      expect(await chat(old.value, "cheap")).toBe(200);
      await vi.waitFor(
        async () => {
          expect((await findKey(server(), old.tokenId))?.["spend"]).toBeGreaterThan(0);
          expect((await readSpend()).user).toBeGreaterThan(0);
        },
        { timeout: 10_000, interval: 200 },
      );
      const spent = await readSpend();

      const next = { ...wanted, generation: 2 };
      expect(await stack.preview(next)).toEqual(["generation"]);
      const made = await stack.up(next);
      expect(made.value).not.toBe(old.value);
      expect(await Promise.all([chat(old.value), chat(made.value)])).toEqual([200, 200]);
      expect(made.previous).toEqual([
        {
          tokenId: old.tokenId,
          alias: expect.stringMatching(
            new RegExp(String.raw`^${alias}-until-\d{8}T\d{6}Z-${old.tokenId.slice(0, 8)}$`),
          ) as unknown,
          until: expect.stringMatching(/Z$/) as unknown,
        },
      ]);
      expect(await stack.preview(next)).toEqual([]);
      expect(await findKey(server(), made.tokenId)).toMatchObject({
        key_alias: alias,
        ...{ team_id: team, user_id: user, max_budget: 5, expires: null, spend: spent.user },
      });
      expect(await readSpend()).toEqual(spent);

      await vi.waitFor(
        async () => {
          expect(await chat(old.value)).toBe(401);
        },
        {
          timeout: 10_000,
          interval: 200,
        },
      );
      expect(await chat(made.value)).toBe(200);
      expect(await stack.preview(next)).toEqual(["previous"]);
      expect(await stack.up(next)).toMatchObject({ value: made.value, previous: [] });
      expect(await findKey(server(), old.tokenId)).toBeUndefined();
      expect(await stack.preview(next)).toEqual([]);
    });

    test("without an overlap ends the old value at once", async () => {
      const stack = openStack();
      const old = await stack.up({ alias, softBudget: 1, overlap: "0s" });
      const made = await stack.up({ alias, softBudget: 1, overlap: "0s", generation: 2 });
      expect(made.previous).toEqual([]);
      expect(await Promise.all([chat(old.value), chat(made.value)])).toEqual([401, 200]);
      expect(await findKey(server(), old.tokenId)).toBeUndefined();
    });

    test("is due at an age, and the preview says that the value is another", async () => {
      const stack = openStack();
      const wanted = { alias, rotateAfter: "90d", overlap: "7d" };
      const old = await stack.up(wanted);
      ahead = 89 * DAY;
      expect(await stack.preview(wanted)).toEqual([]);
      ahead = 91 * DAY;
      expect(await stack.preview(wanted)).toEqual(["tokenId"]);
      expect(listVolatile(wanted)).toContain("value");
      // A value that LiteLLM makes now is as old by this clock as the one before.
      const made = await stack.up(wanted);
      expect(made.tokenId).not.toBe(old.tokenId);
      ahead = 0;
      expect(await stack.preview(wanted)).toEqual([]);
      expect(listVolatile({ ...wanted, maxBudget: 3 })).toEqual([]);

      function listVolatile(inputs: object): readonly string[] {
        const { state } = stack;
        if (state === undefined) throw new Error("there is no state");
        return definition.volatileOutputs({
          inputs: definition.inputs.parse(inputs),
          previousInputs: state.inputs,
          outputs: state.outputs,
        });
      }
    });

    test("a change of anything else leaves the value alone", async () => {
      const stack = openStack();
      const { value } = await stack.up({ alias });
      for (const change of [
        { maxBudget: 1 },
        { models: ["free"] },
        { overlap: "1h" },
        { blocked: true },
      ]) {
        expect((await stack.up({ alias, ...change })).value).toBe(value);
      }
    });

    test("goes on where it was interrupted, and leaves nothing behind", async () => {
      const next = { alias, generation: 2, overlap: "1h" };

      const beforeCreation = openStack();
      const first = await beforeCreation.up({ alias });
      vi.spyOn(GatewayApi.prototype, "create").mockRejectedValueOnce(new Error("killed"));
      await expect(beforeCreation.up(next)).rejects.toThrow("killed");
      expect(await chat(first.value)).toBe(200);
      const until = (await findKey(server(), first.tokenId))?.["expires"];
      const finished = await beforeCreation.up(next);
      expect(finished.previous).toMatchObject([{ tokenId: first.tokenId }]);
      expect((await findKey(server(), first.tokenId))?.["expires"]).toBe(until);
      expect(await findKeys(server(), alias)).toMatchObject([{ token: finished.tokenId }]);

      const { state } = beforeCreation;
      const lost = await beforeCreation.up({ ...next, generation: 3 });
      beforeCreation.state = state;
      const again = await beforeCreation.up({ ...next, generation: 3 });
      expect(again.previous.map(({ tokenId }) => tokenId)).toEqual([
        first.tokenId,
        finished.tokenId,
      ]);
      expect(await findKeys(server(), alias)).toMatchObject([{ token: again.tokenId }]);
      expect(await findKey(server(), lost.tokenId)).toBeUndefined();
      expect(await Promise.all([first, finished, again].map(({ value }) => chat(value)))).toEqual([
        200, 200, 200,
      ]);
    });

    test("is taken back where the program was changed back in between", async () => {
      const stack = openStack();
      const { value, tokenId } = await stack.up({ alias });
      const { state } = stack;
      const lost = await stack.up({ alias, generation: 2 });
      stack.state = state;
      expect(await stack.preview({ alias })).toEqual(["alias", "expires"]);
      expect(await stack.up({ alias })).toMatchObject({ value, tokenId, previous: [] });
      expect(await findKeys(server(), alias)).toMatchObject([{ token: tokenId, expires: null }]);
      expect(await findKey(server(), lost.tokenId)).toBeUndefined();
      expect(await chat(value)).toBe(200);
    });

    test("is no way to a fresh budget", async () => {
      const stack = openStack();
      const wanted = { alias, models: ["cheap"], maxBudget: 0.00001, budgetDuration: "30d" };
      const { value, tokenId } = await stack.up(wanted);
      expect(await chat(value, "cheap")).toBe(200);
      await vi.waitFor(
        async () => {
          expect((await findKey(server(), tokenId))?.["spend"]).toBeGreaterThan(0);
        },
        { timeout: 10_000, interval: 200 },
      );
      const made = await stack.up({ ...wanted, generation: 2 });
      expect(await chat(made.value, "cheap")).toBe(422);
      const [before, after] = await Promise.all(
        [tokenId, made.tokenId].map((token) => findKey(server(), token)),
      );
      expect(after?.["budget_reset_at"]).toBe(before?.["budget_reset_at"]);
    });

    test("another value that is given is one too", async () => {
      const [first, second] = [generateKeyValue(), generateKeyValue()];
      const stack = openStack();
      await stack.up({ alias, value: first });
      await expect(stack.up({ alias, value: first, generation: 2 })).rejects.toThrow(
        /generation: a value that is given is not made anew/,
      );
      const { state } = stack;
      await stack.up({ alias, value: second });
      stack.state = state;
      expect(await stack.up({ alias, value: second })).toMatchObject({
        value: second,
        previous: [{ tokenId: hashKey(first) }],
      });
      expect(await Promise.all([chat(first), chat(second)])).toEqual([200, 200]);
      await stack.destroy();
      expect(stack.messages.at(-1)).toMatch(
        /is deleted, with the old values that still work: requests/,
      );
      expect(await Promise.all([chat(first), chat(second)])).toEqual([401, 401]);
    });

    test("a key that was taken over gets a value that is known", async () => {
      const value = await server().client.generateKey(alias);
      const stack = openStack();
      await stack.up({ alias, adopt: true });
      const made = await stack.up({ alias, adopt: true, generation: 2 });
      expect(await Promise.all([chat(value), chat(made.value)])).toEqual([200, 200]);
    });

    test("an end that comes before the overlap is over stays, also for several", async () => {
      const stack = openStack();
      const wanted = { alias, expires: new Date(Date.now() + 600_000).toISOString() };
      const values = [
        await stack.up(wanted),
        await stack.up({ ...wanted, generation: 2 }),
        await stack.up({ ...wanted, generation: 3 }),
      ];
      expect(values[2]?.previous).toHaveLength(2);
      for (const { until } of values[2]?.previous ?? []) {
        expect(Math.abs(Date.parse(until) - Date.parse(wanted.expires))).toBeLessThan(60_000);
      }
      expect(await Promise.all(values.map(({ value }) => chat(value)))).toEqual([200, 200, 200]);
    });
  });
}
