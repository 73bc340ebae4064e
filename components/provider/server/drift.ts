import type { Properties } from "../resource.ts";
import type { PlannedChange } from "./diff.ts";
import { formatPath, type PropertyPath } from "./property-path.ts";
import { isSecret } from "./wire.ts";

/** What is longer, or has several lines, is no help in one line. */
const LONGEST_TEXT = 80;

/**
 * What was found otherwise than it was made. Pulumi itself shows for it what the state remembers and what
 * the program wants, which are the same.
 *
 * @param recorded - inputs in the state, secrets marked
 * @param found - inputs as they are there; undefined when the resource is gone
 * @returns undefined where there is nothing to tell
 */
export function describeDrift(
  changes: readonly PlannedChange[],
  recorded: Properties,
  found: Properties | undefined,
): string | undefined {
  const drifted = changes.filter(({ ofInputs }) => !ofInputs);
  if (drifted.length === 0) return undefined;
  if (found === undefined) return "it is not there any more: up makes it again";
  const told = drifted.flatMap(({ path }) => {
    if (passesSecret(recorded, path)) return [];
    const [theirs, ours] = [valueAt(found, path), valueAt(recorded, path)].map(describe);
    return theirs === undefined || ours === undefined || theirs === ours
      ? []
      : [`${formatPath(path)} is ${theirs} there, and was ${ours}`];
  });
  return told.length === 0 ? undefined : `changed by somebody else: ${told.join("; ")}`;
}

function describe(value: unknown): string | undefined {
  if (value === undefined) return "not set";
  const text = JSON.stringify(value);
  return text.length > LONGEST_TEXT || text.includes("\\n") ? undefined : text;
}

function valueAt(value: unknown, path: PropertyPath): unknown {
  return path.reduce<unknown>(
    (container, key) =>
      typeof container === "object" && container !== null
        ? (container as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

/** Whether a value at a path, or what holds it, is secret. */
function passesSecret(properties: Properties, path: PropertyPath): boolean {
  return path.some((_, index) => isSecret(valueAt(properties, path.slice(0, index + 1))));
}
