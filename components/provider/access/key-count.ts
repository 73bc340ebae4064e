import type { OperationContext } from "../resource.ts";
import type { Gateway } from "./gateway.ts";

/** How many keys a team has, or one member of it. */
export async function countKeys(
  { signal }: OperationContext,
  { api }: Gateway,
  { teamId, userId }: { readonly teamId: string; readonly userId?: string },
): Promise<number> {
  const query = new URLSearchParams({
    size: "1",
    team_id: teamId,
    ...(userId !== undefined && { user_id: userId }),
  });
  const path = `/key/list?${query.toString()}`;
  const { total_count: count } = (await api.call({ path, signal })) as { total_count: number };
  return count;
}
