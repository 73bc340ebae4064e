import type { Gateway, LiveMembership, LiveTeam } from "./gateway.ts";
import { isGeneratedId } from "./generated-id.ts";

export function findMembership(team: LiveTeam, userId: string): LiveMembership | undefined {
  return team.team_memberships.find((membership) => membership.user_id === userId);
}

/** The budget that LiteLLM has made for this member alone; undefined where there is none. */
export function findOwnBudget(
  team: LiveTeam,
  membership: LiveMembership | undefined,
): string | undefined {
  const id = membership?.["budget_id"];
  return isGeneratedId(id) && id !== findDefaultBudget(team) ? id : undefined;
}

/** The budget that all members of a team have who have none of their own. */
function findDefaultBudget({ metadata }: LiveTeam): string | undefined {
  const id = metadata?.["team_member_budget_id"];
  return typeof id === "string" ? id : undefined;
}

/** All budgets that LiteLLM has made for this team: it leaves them behind when it deletes the team. */
export function listOwnBudgets(team: LiveTeam): string[] {
  return [
    findDefaultBudget(team),
    ...team.team_memberships.map((membership) => findOwnBudget(team, membership)),
  ].filter((id) => id !== undefined);
}

export async function removeBudgets(
  { api, budgets }: Gateway,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const id of ids) {
    await api.call({ path: "/budget/delete", body: { id }, signal });
    budgets.forget(id);
  }
}
