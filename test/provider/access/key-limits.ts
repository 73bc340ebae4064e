import { randomUUID } from "node:crypto";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import type { LitellmServer } from "../../support/litellm-server.ts";
import { changeKey, KeyStack } from "./key-stack.ts";
import { sendAdmin } from "./requests.ts";

/** Less than one request to the model `cheap` costs. */
const TINY = 0.00001;

/** What a key may do, as LiteLLM enforces it. */
export function describeKeyLimits(server: () => LitellmServer): void {
  describe("key limits", () => {
    const id = `limited-${randomUUID().slice(0, 8)}`;
    const stacks: KeyStack[] = [];
    let alias: string;

    const makeKey = async (wanted: object) => {
      const stack = new KeyStack(server());
      stacks.push(stack);
      const { value = "", tokenId } = await stack.up({
        alias: `${alias}-${stacks.length}`,
        ...wanted,
      });
      return { value, tokenId, stack };
    };
    const ask = async (value: string, model = "cheap") => {
      const { status, text } = await server().client.as(value).chat(model, "hello");
      return { status, text };
    };
    const refused = (status: number, text: RegExp) => ({
      status,
      text: expect.stringMatching(text) as unknown,
    });
    /** What is spent is counted some milliseconds after the answer. */
    const waitUntilRefused = (value: string, text: RegExp) =>
      vi.waitFor(
        async () => {
          expect(await ask(value)).toEqual(refused(422, text));
        },
        {
          timeout: 5000,
          interval: 200,
        },
      );

    beforeAll(async () => {
      await server().client.succeed("/budget/new", { budget_id: id, max_budget: TINY });
    });

    beforeEach(() => {
      alias = `bot-${randomUUID().slice(0, 8)}`;
    });

    afterEach(async () => {
      for (const stack of stacks.splice(0)) await stack.destroy();
    });

    afterAll(async () => {
      await sendAdmin(server(), "POST", "/budget/delete", { id });
    });

    test("a budget that is spent refuses, until its duration is over", async () => {
      const { value, stack } = await makeKey({ maxBudget: TINY, budgetDuration: "6s" });
      // LiteLLM's periods begin with the clock's: the first may end at once.
      await vi.waitFor(
        async () => {
          expect((await ask(value)).status).toBe(200);
          await waitUntilRefused(value, /Budget has been exceeded! Key=/);
        },
        { timeout: 15_000, interval: 500 },
      );
      await vi.waitFor(
        async () => {
          expect((await ask(value)).status).toBe(200);
        },
        {
          timeout: 15_000,
          interval: 300,
        },
      );
      expect(stack.state?.outputs.value).toBe(value);
    });

    test("the budget of a team is that of all its keys together", async () => {
      const teamId = `team-${alias}`;
      await server().client.succeed("/team/new", { team_id: teamId, max_budget: TINY });
      const [first, second] = [await makeKey({ teamId }), await makeKey({ teamId })];
      expect((await ask(first.value)).status).toBe(200);
      await waitUntilRefused(second.value, /Budget has been exceeded! Team=/);
      await waitUntilRefused(first.value, /Budget has been exceeded! Team=/);
      await sendAdmin(server(), "POST", "/team/delete", { team_ids: [teamId] });
    });

    test("keys that refer to one budget spend each for itself", async () => {
      const [first, second] = [await makeKey({ budgetId: id }), await makeKey({ budgetId: id })];
      expect((await ask(first.value)).status).toBe(200);
      await waitUntilRefused(first.value, /Budget has been exceeded! Key=/);
      expect((await ask(second.value)).status).toBe(200);
    });

    test("more requests a minute than are allowed are refused", async () => {
      const { value } = await makeKey({ rpmLimit: 1 });
      expect((await ask(value)).status).toBe(200);
      await vi.waitFor(
        async () => {
          expect(await ask(value)).toEqual(refused(429, /Limit type: requests/));
        },
        { timeout: 5000, interval: 100 },
      );
    });

    test("the requests to one model are limited", async () => {
      const { value } = await makeKey({ modelRpmLimit: { cheap: 1 } });
      expect((await ask(value)).status).toBe(200);
      await vi.waitFor(
        async () => {
          expect((await ask(value)).status).toBe(429);
        },
        {
          timeout: 5000,
          interval: 100,
        },
      );
      expect((await ask(value, "free")).status).toBe(200);
    });

    test("a model that is not among its own is refused, until it is", async () => {
      const { value, stack } = await makeKey({ alias, models: ["free"] });
      expect((await ask(value, "free")).status).toBe(200);
      expect(await ask(value)).toEqual(refused(403, /not available for this API key/));
      await stack.up({ alias, models: ["free", "cheap"] });
      expect((await ask(value)).status).toBe(200);
    });

    test("a key that is over, or blocked, is refused; to be over is no drift", async () => {
      const expires = new Date(Date.now() + 2000).toISOString();
      const { value, tokenId, stack } = await makeKey({ alias, expires });
      expect((await ask(value, "free")).status).toBe(200);
      await vi.waitFor(
        async () => {
          expect(await ask(value, "free")).toEqual(refused(401, /Expired Key/));
        },
        { timeout: 10_000, interval: 200 },
      );
      expect(await stack.preview({ alias, expires })).toEqual([]);
      await changeKey(server(), tokenId, { duration: null });
      expect(await stack.preview({ alias, expires })).toEqual(["expires"]);
      await stack.up({ alias, expires });
      expect(await ask(value, "free")).toEqual(refused(401, /Expired Key/));
      await stack.up({ alias, blocked: true });
      expect(await ask(value, "free")).toEqual(refused(401, /Key is blocked/));
      await stack.up({ alias });
      expect((await ask(value, "free")).status).toBe(200);
    });
  });
}
