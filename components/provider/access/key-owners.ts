import type { Values } from "./fields.ts";
import type { Gateway } from "./gateway.ts";
import type { VirtualKeyInputs } from "./key-inputs.ts";

/**
 * LiteLLM takes a key for a team or user that does not exist, and refuses its requests later.
 *
 * @throws Error that names what is missing
 */
export async function requireOwners(
  { teams, users, budgets }: Gateway,
  { teamId, userId, budgetId }: Partial<VirtualKeyInputs>,
  signal: AbortSignal,
): Promise<void> {
  const owners = [
    { property: "teamId", noun: "team", id: teamId, things: teams },
    { property: "userId", noun: "user", id: userId, things: users },
    { property: "budgetId", noun: "budget", id: budgetId, things: budgets },
  ];
  for (const { property, noun, id, things } of owners) {
    if (id !== undefined && !(await things.has(id, signal))) {
      throw new Error(
        `${property}: there is no ${noun} "${id}" in the gateway; add it, or correct it`,
      );
    }
  }
}

/** Those that a change of a key names anew. */
export function pickChanged(inputs: VirtualKeyInputs, changes: Values): Partial<VirtualKeyInputs> {
  const { teamId, userId, budgetId } = inputs;
  return {
    ...("team_id" in changes && { teamId }),
    ...("user_id" in changes && { userId }),
    ...("budget_id" in changes && { budgetId }),
  };
}
