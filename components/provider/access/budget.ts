import { z } from "zod";

import type { Fields } from "./fields.ts";
import type { LiveBudget } from "./gateway.ts";
import { budgetDuration, dollars, limit, LIMIT_FIELDS } from "./limits.ts";
import { manage } from "./managed.ts";

const inputs = z.strictObject({
  /** Changing it replaces the budget. */
  budgetId: z.string().min(1),
  /** In US dollars, for each key that refers to it. Default: none. */
  maxBudget: dollars.optional(),
  /** Spending more is reported, and not refused. Default: none. */
  softBudget: dollars.optional(),
  /** After it the spending starts at zero again. Default: never. */
  budgetDuration: budgetDuration.optional(),
  rpmLimit: limit.optional(),
  tpmLimit: limit.optional(),
  maxParallelRequests: limit.optional(),
  adopt: z.boolean().default(false),
});

export type BudgetInputs = z.output<typeof inputs>;

/** `model_max_budget` is for holders of LiteLLM's licence. */
const FIELDS: Fields = {
  ...LIMIT_FIELDS,
  softBudget: { name: "soft_budget" },
  maxParallelRequests: { name: "max_parallel_requests" },
};

/** Limits that several keys refer to; each of them spends for itself. LiteLLM does not keep whose it is. */
export const budget = manage<BudgetInputs, z.input<typeof inputs>, LiveBudget>({
  token: "litellm:access:Budget",
  noun: "budget",
  inputs,
  idProperty: "budgetId",
  idName: "budget_id",
  fields: FIELDS,
  hasMetadata: false,
  createPath: "/budget/new",
  updatePath: "/budget/update",
  lookup: ({ budgets }) => budgets,
  readUpdated: (answer) => answer as LiveBudget,
  async remove({ signal }, { api }, { budget_id: id }) {
    await api.call({ path: "/budget/delete", body: { id }, signal });
  },
});
