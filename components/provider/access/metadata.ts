import { isDeepStrictEqual } from "node:util";

import { z } from "zod";

import { type Fields, listUnsetInMetadata, type Values } from "./fields.ts";
import { OWNER_KEY } from "./owner.ts";

/** Properties of ours that LiteLLM keeps in `metadata`, and its own reference to a budget. */
const NEVER_USERS = new Set(["model_rpm_limit", "model_tpm_limit", "team_member_budget_id"]);

/**
 * What LiteLLM itself keeps in `metadata` of teams, users and keys.
 * Source: litellm, LiteLLM_ManagementEndpoint_MetadataFields, …_Premium, LiteLLM_Reserved_Metadata_Fields
 * and, for what begins with `scim_`, SCIM_*_METADATA_KEY.
 */
const LITELLM_KEYS = new Set([
  ...NEVER_USERS,
  "model_itpm_limit",
  "model_otpm_limit",
  "default_estimated_output_tokens",
  "default_estimated_output_tokens_per_model",
  "mcp_rpm_limit",
  "tag_rpm_limit",
  "rpm_limit_type",
  "tpm_limit_type",
  "enforced_params",
  "temp_budget_increase",
  "temp_budget_expiry",
  "allowed_vector_store_indexes",
  "enforced_batch_output_expires_after",
  "enforced_file_expires_after",
  "throttle_on_budget_exceeded",
  "enable_prompt_caching",
  "end_user_budget_id",
  "disable_global_guardrails",
  "guardrails",
  "policies",
  "tags",
  "team_member_key_duration",
  "prompts",
  "logging",
  "callback_settings",
  "secret_manager_settings",
  "allowed_passthrough_routes",
  "denied_passthrough_routes",
  "service_account_id",
]);

/** What the user writes into `metadata`: anything but what others write there. */
export const userMetadata = z
  .record(z.string().min(1), z.unknown())
  .superRefine((metadata, context) => {
    for (const key of Object.keys(metadata)) {
      const reason =
        key === OWNER_KEY
          ? "is where the toolkit writes whose it is: choose another name"
          : NEVER_USERS.has(key)
            ? "is LiteLLM's own: use the property for it"
            : undefined;
      if (reason !== undefined) context.addIssue({ code: "custom", path: [key], message: reason });
    }
  })
  .default({});

/**
 * The user's own part of `metadata`: without what LiteLLM keeps there, and without the owner.
 *
 * @param known - as the program has it: a key of LiteLLM's that it names is its own
 */
export function readMetadata(live: unknown, known: Values = {}): Record<string, unknown> {
  const own = Object.fromEntries(
    Object.entries((live ?? {}) as Values).filter(([key]) => isUsers(key, known)),
  );
  return isSameMetadata(own, known) ? { ...known } : own;
}

/**
 * `metadata` as a whole, with what LiteLLM keeps there; none where it is as it must be. LiteLLM replaces
 * what is stored by what is sent.
 */
export function writeMetadata(
  fields: Fields,
  inputs: Values,
  live: Values,
  { owner, serverDefaults }: { readonly owner: string; readonly serverDefaults?: Values },
): { readonly metadata?: Values } {
  const stored = (live["metadata"] ?? {}) as Values;
  const wanted = (inputs["metadata"] ?? {}) as Values;
  const unset = listUnsetInMetadata(fields, inputs, live, serverDefaults);
  const isWanted =
    stored[OWNER_KEY] === owner && isSameMetadata(readMetadata(stored, wanted), wanted);
  if (isWanted && unset.length === 0) return {};
  const kept = Object.entries(stored).filter(
    ([key]) => key !== OWNER_KEY && !isUsers(key, wanted) && !unset.includes(key),
  );
  return { metadata: { ...Object.fromEntries(kept), ...wanted, [OWNER_KEY]: owner } };
}

function isUsers(key: string, known: Values): boolean {
  if (key === OWNER_KEY || NEVER_USERS.has(key)) return false;
  return Object.hasOwn(known, key) || !(LITELLM_KEYS.has(key) || key.startsWith("scim_"));
}

function isSameMetadata(ours: Values, theirs: Values): boolean {
  return isDeepStrictEqual(dropNothing(ours), dropNothing(theirs));
}

/** A key without a value is as good as none. */
function dropNothing(metadata: Values): Values {
  return Object.fromEntries(
    Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined),
  );
}
