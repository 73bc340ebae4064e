import { isDeepStrictEqual } from "node:util";

import type { LiveModel } from "./gateway.ts";
import { isHiddenParam, maskParams } from "./masking.ts";
import { OWNER_KEY } from "./owner.ts";

type Values = Readonly<Record<string, unknown>>;

/** An update that does not name them sets them to false. Source: litellm, GenericLiteLLMParams. */
export const RESET_PARAMS: ReadonlySet<string> = new Set([
  "allow_client_keepalive_override",
  "merge_reasoning_content_in_choices",
  "use_in_pass_through",
  "use_litellm_proxy",
  "use_xai_oauth",
]);

/** What LiteLLM itself keeps in `model_info`. */
export const SERVER_INFO: ReadonlySet<string> = new Set([
  OWNER_KEY,
  "access_via_team_ids",
  "blocked",
  "created_at",
  "created_by",
  "db_model",
  "direct_access",
  "id",
  "key",
  "member_auto_router",
  "pricing_overrides",
  "team_id",
  "team_public_model_name",
  "updated_at",
  "updated_by",
]);

/** After it, `/v2/model/info` lists what it has looked up about the model: nobody has stored that. */
const FIRST_LOOKED_UP = "pricing_overrides";

/** Parameters as the program would write them; what cannot be seen is as it has them. */
export function readParams(live: Values, known: Values): Record<string, unknown> {
  const masked = maskParams(dropNothing(known));
  const ours = Object.entries(known).filter(
    ([name, value]) => isUnseen(name, value) || isSame(masked[name], live[name]),
  );
  const theirs = Object.entries(live).filter(
    ([name, value]) => !isUnset(value) && !isUnseen(name, known[name]),
  );
  return { ...Object.fromEntries(theirs), ...Object.fromEntries(ours) };
}

/**
 * What an update has to set, and what it has to unset.
 *
 * @param previous - as they were sent the last time: what cannot be seen is sent when it has changed
 */
export function listParamChanges(
  wanted: Values,
  live: Values,
  previous: Values,
): { readonly changed: Values; readonly removed: readonly string[] } {
  const masked = maskParams(dropNothing(wanted));
  const changed = Object.entries(wanted).filter(([name, value]) => {
    const isChangedByUs = !isDeepStrictEqual(value, previous[name]);
    if (isUnseen(name, value)) return isChangedByUs;
    const isMasked = value !== null && !isDeepStrictEqual(masked[name], value);
    return !isSame(masked[name], live[name]) || (isMasked && isChangedByUs);
  });
  const present = [
    ...Object.keys(live).filter((name) => !isUnset(live[name])),
    ...Object.keys(previous).filter((name) => isHiddenParam(name)),
  ];
  return {
    changed: Object.fromEntries(changed),
    removed: [...new Set(present)].filter((name) => isUnset(wanted[name])),
  };
}

/** What somebody has stored in `model_info`, as the program would write it. */
export function readModelInfo(
  { model_info: live, litellm_params: params }: LiveModel,
  known: Values,
): Record<string, unknown> {
  const entries = Object.entries(live);
  const end = entries.findIndex(([key]) => key === FIRST_LOOKED_UP);
  // An older LiteLLM does not tell what was stored.
  const stored = end === -1 ? entries.filter(([key]) => key in known) : entries.slice(0, end);
  const theirs = stored.filter(
    ([key, value]) =>
      // A price is copied from the parameters.
      !SERVER_INFO.has(key) && !isUnset(value) && !isDeepStrictEqual(value, params[key]),
  );
  const ours = Object.entries(known).filter(([key, value]) => isSame(value, live[key]));
  return { ...Object.fromEntries(theirs), ...Object.fromEntries(ours) };
}

/** LiteLLM does not return it, or not as it was given: it replaces the name of a variable by its value. */
function isUnseen(name: string, value: unknown): boolean {
  return isHiddenParam(name) || (typeof value === "string" && value.startsWith("os.environ/"));
}

/** LiteLLM stores no parameter without a value. */
function dropNothing(params: Values): Values {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== null));
}

/** Nothing, or what LiteLLM writes where nothing is given. */
function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === false;
}

/** LiteLLM turns a text into a number where it needs one. */
function isSame(ours: unknown, theirs: unknown): boolean {
  if (isUnset(ours)) return isUnset(theirs);
  const isNumber = typeof ours === "number" || typeof theirs === "number";
  if (isNumber && [ours, theirs].every((value) => ["number", "string"].includes(typeof value))) {
    return Number(ours) === Number(theirs);
  }
  return isDeepStrictEqual(ours, theirs);
}
