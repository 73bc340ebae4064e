import fc from "fast-check";
import { expect, test } from "vitest";

import { type AccessPlan, planAccess } from "../../../stacks/plan/access-plan.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { accessSettings, type RawAccess } from "../../support/access-settings.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { mockModels, rawConfig } from "../../unit/settings/raw-config.ts";
import { AccessEngine } from "./access-engine.ts";
import { uniqueId } from "./life-cycle.ts";
import { expectRawAccess, readRawAccess } from "./raw-access.ts";

const RUNS = 5;
const MOST_TREES = 4;
const SECONDS = 180;

export function describeProperty(server: () => LitellmServer): void {
  test(
    "whatever is wanted, and then wanted otherwise, is what the gateway has",
    { timeout: SECONDS * 1000 },
    async () => {
      const prefix = `${uniqueId("random")}-`;
      const { client } = server();
      const countBudgets = async () => ((await client.succeed("/budget/list")) as object[]).length;

      const expectState = async (engine: AccessEngine, plan: AccessPlan | undefined) => {
        const retired = (plan?.keys ?? [])
          .flatMap(({ name }) => engine.read(`key-${name}`)["previous"] as { tokenId: string }[])
          .map(({ tokenId }) => tokenId)
          .sort();
        expect(await readRawAccess(client, prefix)).toEqual({ ...expectRawAccess(plan), retired });
      };

      const edits = fc.array(accessSettings({ prefix }), { minLength: 2, maxLength: MOST_TREES });
      const property = fc.asyncProperty(edits, async (trees) => {
        const engine = new AccessEngine(server());
        const budgets = await countBudgets();
        try {
          for (const tree of trees) {
            const plan = planTree(tree);
            await engine.up(plan);
            await expectState(engine, plan);
            expect(await engine.up(plan), "what a second `up` changes").toEqual([]);
          }
        } finally {
          await engine.up(undefined);
        }
        await expectState(engine, undefined);
        // Nor is one left that LiteLLM itself has made.
        expect(await countBudgets()).toBe(budgets);
      });
      // To look for a smaller counterexample would take minutes.
      await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
    },
  );
}

/** undefined for a tree that is empty. */
function planTree(access: RawAccess): AccessPlan | undefined {
  return planAccess(parseSettings(rawConfig({ models: mockModels, access })));
}
