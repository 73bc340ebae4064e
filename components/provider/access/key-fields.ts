import type { Field, Fields, Values } from "./fields.ts";
import type { LiveObject } from "./gateway.ts";
import { isGeneratedId } from "./generated-id.ts";
import { LIMIT_FIELDS, MODEL_LIMIT_FIELDS } from "./limits.ts";

/** LiteLLM keeps an instant, and takes the time until it: what is nearer than this was meant to be equal. */
const EXPIRY_MILLISECONDS = 60_000;

/**
 * How a key's properties stand in LiteLLM.
 *
 * @param now - the time, in milliseconds since 1970
 */
export function describeKeyFields(now: () => number): Fields {
  return {
    alias: { name: "key_alias" },
    teamId: { name: "team_id" },
    userId: { name: "user_id" },
    budgetId: { name: "budget_id" },
    models: { name: "models", empty: [] },
    ...LIMIT_FIELDS,
    softBudget: { name: "soft_budget" },
    maxParallelRequests: { name: "max_parallel_requests" },
    ...MODEL_LIMIT_FIELDS,
    expires: describeExpiry(now),
    blocked: { name: "blocked", empty: false },
    allowedRoutes: { name: "allowed_routes", empty: [] },
  };
}

/** LiteLLM takes a duration, counted from the request. */
function describeExpiry(now: () => number): Field {
  return {
    name: "duration",
    write: (expires) => writeDuration(Date.parse(expires as string) - now()),
    read: (expires) => roundToSecond(expires as string),
    isSame(ours, theirs) {
      if (theirs === undefined) return false;
      const [wanted, live] = [Date.parse(ours as string), Date.parse(theirs as string)];
      return Math.abs(wanted - live) <= EXPIRY_MILLISECONDS || Math.max(wanted, live) < now();
    },
  };
}

/** LiteLLM counts a duration from some moment within a second. */
function roundToSecond(instant: string): string {
  return new Date(Math.round(Date.parse(instant) / 1000) * 1000).toISOString().replace(".000", "");
}

/** As LiteLLM takes it; what is over is over at once. */
export function writeDuration(milliseconds: number): string {
  return `${Math.max(0, Math.ceil(milliseconds / 1000))}s`;
}

/** LiteLLM writes the same instant in several ways. */
export function formatInstant(instant: string): string {
  return new Date(instant).toISOString();
}

/**
 * A live key with everything where the fields look for it: a soft budget lives in a budget of the key's
 * own, which LiteLLM makes for it and which is no budget that the program has named.
 *
 * @param budgetId - what the program names
 */
export function flattenKey(live: LiveObject, budgetId: string | undefined): Values {
  const isOwn = readOwnBudget(live, budgetId) !== undefined;
  const budget = live["litellm_budget_table"] as LiveObject | null;
  return {
    ...live,
    duration: live["expires"],
    budget_id: isOwn ? null : live["budget_id"],
    soft_budget: isOwn ? budget?.["soft_budget"] : null,
  };
}

/**
 * Id of the budget that LiteLLM has made for this key's soft budget; it says nothing else.
 *
 * @param budgetId - what the program names: that is no key's own
 */
export function readOwnBudget(live: LiveObject, budgetId: string | undefined): string | undefined {
  const budget = live["litellm_budget_table"] as LiveObject | null | undefined;
  const { budget_id: id } = budget ?? {};
  if (budget === null || budget === undefined || id === budgetId) return undefined;
  if (!isGeneratedId(id)) return undefined;
  const limits = [
    "max_budget",
    "budget_duration",
    "rpm_limit",
    "tpm_limit",
    "max_parallel_requests",
  ];
  return limits.every((name) => (budget[name] ?? null) === null) ? id : undefined;
}

/**
 * A change in the requests that LiteLLM needs for it.
 *
 * @param budgetId - what the program names
 */
export function orderChanges(
  changes: Values,
  live: LiveObject,
  budgetId: string | undefined,
): Values[] {
  const { team_id, ...others } = changes;
  const isSharing = live["budget_id"] !== null && readOwnBudget(live, budgetId) === undefined;
  return [
    // It would change the soft budget of all keys that share the budget.
    ...("soft_budget" in changes && isSharing ? [{ budget_id: null }] : []),
    // It asks whether the key as it was, with its user and its models, may be in the new team.
    ...(typeof team_id === "string" ? [others, { team_id }] : [changes]),
  ].filter((step) => Object.keys(step).length > 0);
}
