import type { RecordedGenerations } from "./plan.ts";
import { sha256 } from "../sha256.ts";

/** Label of a proxy's container whose value is its generation. */
export const GENERATION_LABEL = "litellm-gateway.generation";

/**
 * The same name for the same proxies, so that nothing is made anew; a further one where what has the
 * name is broken, such as proxies that were refused or that somebody has removed.
 */
export function nameGeneration(
  blueprint: unknown,
  { serving, broken }: RecordedGenerations,
): string {
  const name = sha256(JSON.stringify(blueprint)).slice(0, 8);
  if (serving?.split("-")[0] === name && !broken.includes(serving)) return serving;
  for (let attempt = 1; ; attempt += 1) {
    const candidate = attempt === 1 ? name : `${name}-${attempt}`;
    if (!broken.includes(candidate)) return candidate;
  }
}
