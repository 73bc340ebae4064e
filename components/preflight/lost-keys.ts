import type { Plan } from "../../stacks/plan/plan.ts";
import type { RecordedStack } from "./recorded-stack.ts";

/**
 * Says which keys the deployment takes away from those who use them: unlike all else it makes, nobody can
 * make them again.
 */
export function describeLostKeys(
  { access }: Pick<Plan, "access">,
  { virtualKeys }: Pick<RecordedStack, "virtualKeys">,
): string | undefined {
  const lost = virtualKeys.filter((name) => !access?.keys.some((key) => key.name === name));
  if (lost.length === 0) return undefined;
  const names = lost.map((name) => JSON.stringify(name)).join(", ");
  return lost.length === 1
    ? `key ${names} is in access.keys no more: it is DELETED, and requests with it are refused from then on`
    : `keys ${names} are in access.keys no more: they are DELETED, and requests with them are refused from then on`;
}
