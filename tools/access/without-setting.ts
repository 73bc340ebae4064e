import type { LiveObject } from "../../components/provider/access/gateway.ts";
import { OWNER_KEY } from "../../components/provider/access/owner.ts";

/**
 * What LiteLLM keeps of things that no setting says, by LiteLLM's names. Most of it needs LiteLLM's licence.
 * Source: litellm, proxy/schema.prisma.
 */
const COLUMNS = {
  budget: ["allowed_models", "model_max_budget", "temp_budget_increase", "tpd_limit"],
  user: [
    ...["allowed_cache_controls", "max_parallel_requests", "model_max_budget"],
    ...["object_permission_id", "organization_id", "policies"],
  ],
  team: [
    ...["access_group_ids", "budget_limits", "default_team_member_models", "max_parallel_requests"],
    ...["model_id", "model_max_budget", "object_permission_id", "organization_id", "policies"],
    ...["router_settings", "team_member_permissions", "tpd_limit"],
  ],
  key: [
    ...["access_group_ids", "agent_id", "aliases", "allowed_cache_controls", "auto_rotate"],
    ...["budget_fallbacks", "budget_limits", "config", "model_max_budget", "object_permission_id"],
    ...["org_id", "permissions", "policies", "project_id", "router_settings", "tpd_limit"],
  ],
} as const satisfies Record<string, readonly string[]>;

/** Kept in `metadata` by LiteLLM, and said by settings of their own. */
const SAID = new Set([OWNER_KEY, "model_rpm_limit", "model_tpm_limit"]);

export type Kind = keyof typeof COLUMNS;

/** What is set of a live thing and stays as it is, for the settings have no word for it. */
export function listWithoutSetting(
  kind: Kind,
  live: LiveObject,
  { metadata = {} }: { readonly metadata?: Readonly<Record<string, unknown>> },
): string[] {
  const reserved = Object.keys(live["metadata"] ?? {}).filter(
    (name) => !SAID.has(name) && !Object.hasOwn(metadata, name),
  );
  return [...COLUMNS[kind].filter((name) => isSet(live[name])), ...reserved].toSorted();
}

function isSet(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== "" && value !== false;
}
