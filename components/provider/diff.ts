import { isWithin, parsePath, type PropertyPath } from "./property-path.ts";
import type { Properties, ResourceDefinition } from "./resource.ts";
import { isRecord } from "./wire.ts";

export interface Change {
  readonly path: PropertyPath;
  readonly kind: "add" | "delete" | "update";
}

/** One line of a preview. */
export interface PlannedChange extends Change {
  /** The resource has to be replaced for it. */
  readonly replaces: boolean;
  /** Found in the inputs; otherwise what is there has drifted. */
  readonly ofInputs: boolean;
}

/** What an update would have to change, without the paths the user ignores. */
export function planChanges(
  definition: ResourceDefinition,
  state: {
    readonly outputs: Properties;
    readonly previousInputs: Properties;
    readonly inputs: Properties;
  },
  ignoredPaths: readonly string[],
): PlannedChange[] {
  const ignored = ignoredPaths.map(parsePath);
  const drifted = definition.drift?.(state.outputs, state.inputs) ?? [];
  const replaces = ([property]: PropertyPath): boolean =>
    definition.update === undefined ||
    (definition.replaceOnChanges ?? []).some((name) => name === property);
  return [
    ...listChanges(state.previousInputs, state.inputs).map((change) => ({
      ...change,
      replaces: replaces(change.path),
      ofInputs: true,
    })),
    ...drifted.map((property) => ({
      path: [property],
      kind: "update" as const,
      replaces: definition.update === undefined,
      ofInputs: false,
    })),
  ].filter(({ path }) => !ignored.some((pattern) => isWithin(path, pattern)));
}

/** The innermost places where two values differ. */
export function listChanges(before: unknown, after: unknown, path: PropertyPath = []): Change[] {
  if (before === after) {
    return [];
  }
  if (before === undefined) {
    return [{ path, kind: "add" }];
  }
  if (after === undefined) {
    return [{ path, kind: "delete" }];
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }).flatMap((_, index) =>
      listChanges(before[index], after[index], [...path, index]),
    );
  }
  if (isRecord(before) && isRecord(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => listChanges(before[key], after[key], [...path, key]));
  }
  return [{ path, kind: "update" }];
}
