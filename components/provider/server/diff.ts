import { isWithin, parsePath, type PropertyPath } from "./property-path.ts";
import type { Properties, ResourceDefinition } from "../resource.ts";
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

interface State {
  readonly inputs: Properties;
  readonly outputs: Properties;
}

/** What an update would have to change, without the paths the user ignores. */
export function planChanges(
  definition: ResourceDefinition,
  {
    recorded,
    observed,
    inputs,
  }: {
    readonly recorded: State;
    /** What is there now; undefined when it is gone. */
    readonly observed: State | undefined;
    readonly inputs: Properties;
  },
  ignoredPaths: readonly string[],
): PlannedChange[] {
  const ignored = ignoredPaths.map(parsePath);
  const wanted = listChanges(recorded.inputs, inputs).map((change) => ({
    ...change,
    replaces: isReplacing(definition, change.path),
    ofInputs: true,
  }));
  const drifted = listDrift(definition, recorded, observed, inputs).filter(
    ({ path }) => !wanted.some((change) => isWithin(path, change.path)),
  );
  return [...wanted, ...drifted].filter(
    ({ path }) => !ignored.some((pattern) => isWithin(path, pattern)),
  );
}

function isReplacing(definition: ResourceDefinition, [property]: PropertyPath): boolean {
  return (
    definition.update === undefined ||
    (definition.replaceOnChanges ?? []).some((name) => name === property)
  );
}

function listDrift(
  definition: ResourceDefinition,
  recorded: State,
  observed: State | undefined,
  inputs: Properties,
): PlannedChange[] {
  const replaces = definition.update === undefined;
  if (observed === undefined) {
    return Object.keys(inputs).map((property) => ({
      path: [property],
      kind: "add",
      replaces,
      ofInputs: false,
    }));
  }
  const outputs = { ...recorded.outputs, ...observed.inputs, ...observed.outputs };
  return [
    ...listChanges(recorded.inputs, observed.inputs).map(({ path }) => path),
    ...(definition.drift?.(outputs, inputs) ?? []).map((property) => [property]),
  ].map((path) => ({ path, kind: "update", replaces, ofInputs: false }));
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
