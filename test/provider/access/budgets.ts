import { describe, expect, test } from "vitest";

import { budget } from "../../../components/provider/access/budget.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { openContext, testLifeCycle, uniqueId } from "./life-cycle.ts";

export function describeBudgets(server: () => LitellmServer): void {
  describe("budgets", () => {
    testLifeCycle(server, () => {
      const id = uniqueId("budget");
      return {
        definition: budget,
        id,
        identity: { budgetId: id },
        full: {
          maxBudget: 5.1,
          softBudget: 4,
          budgetDuration: "30d",
          rpmLimit: 10,
          tpmLimit: 3_000_000_000,
          maxParallelRequests: 3,
        },
        edit: { inputs: { maxBudget: 0 }, body: { budget_id: id, max_budget: 0 } },
        byHand: {
          path: "/budget/update",
          body: { budget_id: id, rpm_limit: 11 },
          inputs: { rpmLimit: 11 },
        },
        deleteByHand: { path: "/budget/delete", body: { id } },
        makeByHand: { path: "/budget/new", body: { budget_id: id, tpm_limit: 1 } },
        hasOwner: false,
      };
    });

    test("one that keys refer to is deleted, and the keys stay", async () => {
      const { client } = server();
      const { context } = openContext(server());
      const budgetId = uniqueId("budget");
      await budget.create(context, budget.inputs.parse({ budgetId, maxBudget: 1 }));
      const { token_id: key } = (await client.succeed("/key/generate", {
        budget_id: budgetId,
        key_alias: budgetId,
      })) as { token_id: string };
      await budget.delete(context, budgetId);
      const { info } = (await client.succeed(`/key/info?key=${key}`)) as {
        info: { budget_id: string | null };
      };
      expect(info.budget_id).toBeNull();
      await client.succeed("/key/delete", { keys: [key] });
    });
  });
}
