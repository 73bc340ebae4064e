import type { z } from "zod";

import { formatPath, parsePath, type PropertyPath } from "./property-path.ts";
import type { CheckFailure, Properties } from "../resource.ts";
import { containsUnknown, isRecord, UNKNOWN } from "./wire.ts";

/**
 * Parses properties; what a preview does not know yet is accepted and kept.
 * All failures at once.
 */
export function validate(
  schema: z.ZodType,
  properties: Properties,
): { inputs: Properties; failures: CheckFailure[] } {
  const parsed = schema.safeParse(properties, { reportInput: false });
  if (parsed.success) {
    return { inputs: parsed.data as Properties, failures: [] };
  }
  const failures = parsed.error.issues
    .filter((issue) => !concernsUnknown(issue, properties))
    .map((issue) => ({
      property: formatPath(issue.path.map((key) => (typeof key === "symbol" ? String(key) : key))),
      reason: describeIssue(issue),
    }));
  return { inputs: parseKnown(schema, properties) as Properties, failures };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `there is no property ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
  }
  const isMissing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  return isMissing ? "is required" : issue.message.replace(/^Invalid input: /, "");
}

/** Whether a failure of this property says nothing, because its value is not known yet. */
export function isUnknownAt(properties: Properties, property: string): boolean {
  return valueAt(properties, parsePath(property)) === UNKNOWN;
}

function concernsUnknown(issue: z.core.$ZodIssue, properties: Properties): boolean {
  const value = valueAt(properties, issue.path as PropertyPath);
  return (
    value === UNKNOWN ||
    ((issue.code === "custom" || issue.code === "invalid_union") && containsUnknown(value))
  );
}

/** The value at a path, or UNKNOWN when the path leads through an unknown one. */
function valueAt(value: unknown, path: PropertyPath): unknown {
  return path.reduce<unknown>((container, key) => {
    if (container === UNKNOWN) {
      return UNKNOWN;
    }
    return typeof container === "object" && container !== null
      ? (container as Properties)[key]
      : undefined;
  }, value);
}

/**
 * Applies defaults and conversions wherever the value allows it and keeps the
 * rest: inputs with unknown values, and state that an older version wrote.
 */
export function parseKnown(schema: z.core.$ZodType, value: unknown): unknown {
  const parsed = (schema as z.ZodType).safeParse(value);
  if (parsed.success) {
    return parsed.data;
  }
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "optional" || def.type === "default") {
    return parseKnown(def.innerType, value);
  }
  if (def.type === "union") {
    return parseKnownOption(def, value);
  }
  if (def.type === "array" && Array.isArray(value)) {
    return value.map((element) => parseKnown(def.element, element));
  }
  if (def.type === "record" && isRecord(value)) {
    return mapValues(value, (element) => parseKnown(def.valueType, element));
  }
  if (def.type === "object" && isRecord(value)) {
    const properties = new Set([...Object.keys(def.shape), ...Object.keys(value)]);
    return Object.fromEntries(
      [...properties].map((key) => {
        const property = def.shape[key];
        return [key, property === undefined ? value[key] : parseKnown(property, value[key])];
      }),
    );
  }
  return value;
}

/** Of a union whose variants have a discriminator, the variant that the value names. */
function parseKnownOption(def: z.core.$ZodUnionDef, value: unknown): unknown {
  const { discriminator } = def as Partial<z.core.$ZodDiscriminatedUnionDef>;
  if (discriminator === undefined || !isRecord(value)) {
    return value;
  }
  const option = def.options.find((candidate) =>
    candidate._zod.propValues?.[discriminator]?.has(value[discriminator] as z.core.util.Primitive),
  );
  return option === undefined ? value : parseKnown(option, value);
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  map: (value: T, key: string) => unknown,
) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
