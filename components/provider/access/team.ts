import { z } from "zod";

import type { Fields, Values } from "./fields.ts";
import type { LiveTeam } from "./gateway.ts";
import { countKeys } from "./key-count.ts";
import {
  budgetDuration,
  dollars,
  limit,
  LIMIT_FIELDS,
  MODEL_LIMIT_FIELDS,
  modelLimits,
} from "./limits.ts";
import { manage } from "./managed.ts";
import { listOwnBudgets, removeBudgets } from "./member-budget.ts";
import { userMetadata } from "./metadata.ts";

const inputs = z
  .strictObject({
    /** Changing it replaces the team, and with it its keys. */
    teamId: z.string().min(1),
    /** Shown in LiteLLM's pages. Default: none. */
    alias: z.string().min(1).optional(),
    /** Names of models, and of groups of them. Default: all. */
    models: z.array(z.string().min(1)).default([]),
    /** In US dollars, for all keys of the team together. Default: none. */
    maxBudget: dollars.optional(),
    /** Spending more is reported, and not refused; less than `maxBudget`. Default: none. */
    softBudget: dollars.optional(),
    /** After it the spending starts at zero again. Default: never. */
    budgetDuration: budgetDuration.optional(),
    /** Requests per minute of all keys of the team together. Default: none. */
    rpmLimit: limit.optional(),
    /** Tokens per minute of all keys of the team together. Default: none. */
    tpmLimit: limit.optional(),
    modelRpmLimit: modelLimits.optional(),
    modelTpmLimit: modelLimits.optional(),
    /** Whether all requests of the team are refused. */
    blocked: z.boolean().default(false),
    metadata: userMetadata,
    adopt: z.boolean().default(false),
  })
  .refine(
    ({ softBudget, maxBudget }) =>
      softBudget === undefined || maxBudget === undefined || softBudget < maxBudget,
    { path: ["softBudget"], error: "must be less than maxBudget" },
  );

export type TeamInputs = z.output<typeof inputs>;

const FIELDS: Fields = {
  alias: { name: "team_alias" },
  models: { name: "models", empty: [] },
  ...LIMIT_FIELDS,
  softBudget: { name: "soft_budget" },
  ...MODEL_LIMIT_FIELDS,
  blocked: { name: "blocked", empty: false },
};

/**
 * A team. With it LiteLLM deletes its keys. Whom LiteLLM makes admin of every team that is made with the
 * master key, `default_user_id`, is no member for us.
 */
export const team = manage<TeamInputs, z.input<typeof inputs>, LiveTeam>({
  token: "litellm:access:Team",
  noun: "team",
  inputs,
  idProperty: "teamId",
  idName: "team_id",
  fields: FIELDS,
  hasMetadata: true,
  createPath: "/team/new",
  updatePath: "/team/update",
  lookup: ({ teams }) => teams,
  readUpdated: (answer) => (answer as { data: LiveTeam }).data,
  split: splitBudgets,

  async remove(context, gateway, live) {
    const id = live.team_id;
    const { signal } = context;
    const keys = await countKeys(context, gateway, { teamId: id });
    if (keys > 0) {
      context.log(
        `with team "${id}" LiteLLM deletes its ${keys === 1 ? "key" : `${keys} keys`}: ` +
          "requests with them are refused from now on",
        { severity: "warning" },
      );
    }
    await gateway.api.call({ path: "/team/delete", body: { team_ids: [id] }, signal });
    await removeBudgets(gateway, listOwnBudgets(live), context.signal);
  },
});

/**
 * LiteLLM compares each budget of a change with the other as it is stored, also where that is to be unset
 * by the same request: it has to be unset before.
 */
function splitBudgets(changes: Values): readonly Values[] {
  const { max_budget: max, soft_budget: soft, ...others } = changes;
  if (max === null && soft != null) return [{ max_budget: null }, { soft_budget: soft, ...others }];
  if (soft === null && max != null) return [{ soft_budget: null }, { max_budget: max, ...others }];
  return [changes];
}
