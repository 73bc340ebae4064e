import { z } from "zod";

import type { Issue, Path } from "./issue.ts";
import {
  describe,
  findSimilar,
  isHidden,
  listAlternatives,
  removeCommand,
  renameCommand,
  setCommand,
  suggest,
} from "./issue.ts";

/**
 * What a value breaks in a schema, in the user's words.
 * @param path where the value is among the settings
 */
export function checkSchema<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  path: Path,
): { readonly data: z.output<Schema> | undefined; readonly issues: readonly Issue[] } {
  const result = schema.safeParse(value);
  if (result.success) return { data: result.data, issues: [] };
  const explained = result.error.issues.map((issue) => ({
    issue,
    explanations: explain(schema, value, path, issue),
  }));
  const issues = explained.flatMap(({ explanations }) => explanations);
  const repaired = repairDiscriminators(schema, value, result.error.issues);
  if (repaired === undefined) return { data: undefined, issues };
  // With the variant that was meant, the rest of it can be checked as well.
  const choices = explained.filter(({ issue }) => issue.code === "invalid_union");
  return {
    data: undefined,
    issues: [
      ...choices.flatMap(({ explanations }) => explanations),
      ...checkSchema(schema, repaired, path).issues,
    ],
  };
}

/** The value with misspelled names of variants put right; `undefined` when there are none. */
function repairDiscriminators(
  schema: z.ZodType,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
): unknown {
  const replacements = issues.flatMap((issue) => {
    if (issue.code !== "invalid_union") return [];
    const path = issue.path.filter((segment) => typeof segment !== "symbol");
    const given = readPath(value, path);
    const meant =
      typeof given === "string"
        ? findSimilar(given, discriminatorValues(schema, value, path))
        : undefined;
    return meant === undefined ? [] : [{ path, meant }];
  });
  if (replacements.length === 0) return undefined;
  return replacements.reduce(
    (repaired, { path, meant }) => replaceAt(repaired, path, meant),
    value,
  );
}

function replaceAt(
  value: unknown,
  path: readonly (string | number)[],
  replacement: unknown,
): unknown {
  const [segment, ...rest] = path;
  if (segment === undefined) return replacement;
  const child = replaceAt(readPath(value, [segment]), rest, replacement);
  return Array.isArray(value)
    ? value.with(Number(segment), child)
    : { ...(value as Record<string, unknown>), [segment]: child };
}

function explain(schema: z.ZodType, root: unknown, base: Path, issue: z.core.$ZodIssue): Issue[] {
  const inner = issue.path.filter((segment) => typeof segment !== "symbol");
  const path = [...base, ...inner];
  const value = readPath(root, inner);
  const field = findSchema(schema, root, inner);
  const fix = (): string => fixCommand(path, value, field);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = field === undefined ? [] : knownKeys(field);
      return issue.keys.map((key) => {
        const similar = findSimilar(key, known);
        return {
          path: [...path, key],
          message: `is no setting${suggest(key, known)}${similar === undefined ? `, known are ${known.join(", ")}` : ""}`,
          command: renameCommand(path, key, similar, readPath(value, [key])),
        };
      });
    }
    case "invalid_type":
      return [
        {
          path,
          message:
            value === undefined
              ? "is required"
              : `must be ${nameType(issue.expected, field)}, not ${describe(path, value)}`,
          command: fix(),
        },
      ];
    case "invalid_value":
      return [explainChoice(path, value, issue.values.map(String), fix)];
    case "invalid_union":
      if (issue.discriminator === undefined) {
        const message =
          value === undefined ? "is required" : `${issue.message}, not ${describe(path, value)}`;
        return [{ path, message, command: fix() }];
      }
      return [explainChoice(path, value, discriminatorValues(schema, root, inner), fix)];
    case "too_small":
    case "too_big":
      return [{ path, message: explainSize(issue, path, value), command: fix() }];
    case "invalid_key":
      return [
        {
          path,
          message: issue.issues.map(({ message }) => message).join(" and "),
          command: removeCommand(path),
        },
      ];
    case "custom":
    case "invalid_format":
    case "invalid_element":
    case "not_multiple_of":
      return [
        {
          path,
          message: isHidden(path, value)
            ? `${issue.message} (value not shown)`
            : `${issue.message}, not ${describe(path, value)}`,
          command: fix(),
        },
      ];
  }
}

const typeNames: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "an object",
  record: "an object",
  string: "a text",
};

function nameType(expected: string, field: z.ZodType | undefined): string {
  const isWhole = field !== undefined && unwrap(field) instanceof z.ZodNumberFormat;
  return typeNames[isWhole ? "int" : expected] ?? expected;
}

function explainChoice(
  path: Path,
  value: unknown,
  allowed: readonly string[],
  fix: () => string,
): Issue {
  const choices = listAlternatives(allowed.map((name) => JSON.stringify(name)));
  if (value === undefined) {
    return { path, message: `is required: ${choices}`, command: fix() };
  }
  const similar = typeof value === "string" ? findSimilar(value, allowed) : undefined;
  return {
    path,
    message: `must be ${choices}, not ${describe(path, value)}`,
    command: similar === undefined ? fix() : setCommand(path, similar),
  };
}

function explainSize(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  path: Path,
  value: unknown,
): string {
  if (issue.code === "too_small") {
    if (issue.origin === "string") return "must not be empty";
    if (issue.origin === "array") return "must have at least one entry";
    const bound = issue.inclusive === false ? "more than" : "at least";
    return `must be ${bound} ${issue.minimum}, not ${describe(path, value)}`;
  }
  return `must be at most ${issue.maximum}, not ${describe(path, value)}`;
}

/** The command that mends a value: its example or default, or its removal where it may be missing. */
function fixCommand(path: Path, value: unknown, field: z.ZodType | undefined): string {
  const example = field === undefined ? undefined : exampleOf(field);
  if (typeof example === "object" && example !== null) {
    return value === undefined ? setCommand(path) : removeCommand(path);
  }
  const isContainer =
    field !== undefined && ["object", "array", "record", "union"].includes(unwrap(field).type);
  if (isContainer && value !== undefined) return removeCommand(path);
  return setCommand(path, example);
}

function readPath(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) {
      return undefined;
    }
    value = (value as Record<PropertyKey, unknown>)[segment];
  }
  return value;
}

/** The schema itself, without defaults, optionality and coercion around it. */
function unwrap(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional
  ) {
    return unwrap(schema.def.innerType as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? unwrap(schema.def.out as z.ZodType) : schema;
}

function exampleOf(schema: z.ZodType): unknown {
  const examples = schema.meta()?.examples;
  if (Array.isArray(examples) && examples.length > 0) return examples[0] as unknown;
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options[0];
  if (inner instanceof z.ZodLiteral) return inner.value;
  if (inner !== schema) return exampleOf(inner);
  return undefined;
}

/** The schema of what is at a path; of a union, the variant that the value has chosen. */
function findSchema(
  schema: z.ZodType,
  root: unknown,
  path: readonly (string | number)[],
): z.ZodType | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const variant = findVariant(inner, root);
    if (variant !== undefined) return findSchema(variant, root, path);
    return path.length === 0 ? schema : findSchema(inner.options[0] as z.ZodType, root, path);
  }
  const [segment, ...rest] = path;
  if (segment === undefined) return inner instanceof z.ZodObject ? inner : schema;
  const child = readPath(root, [segment]);
  if (inner instanceof z.ZodObject) {
    const field = (inner.shape as Record<string, z.ZodType>)[segment];
    return field === undefined ? undefined : findSchema(field, child, rest);
  }
  if (inner instanceof z.ZodArray) return findSchema(inner.element as z.ZodType, child, rest);
  if (inner instanceof z.ZodRecord) return findSchema(inner.valueType as z.ZodType, child, rest);
  return undefined;
}

function findVariant(union: z.ZodDiscriminatedUnion, value: unknown): z.ZodType | undefined {
  const chosen = readPath(value, [union.def.discriminator]);
  return (union.options as z.ZodObject[]).find((option) => {
    const literal = option.shape[union.def.discriminator] as z.ZodType;
    return (
      literal.safeParse(chosen).success && (chosen !== undefined || literal instanceof z.ZodDefault)
    );
  });
}

/** The names that the field which chooses a variant can have. */
function discriminatorValues(
  schema: z.ZodType,
  root: unknown,
  path: readonly (string | number)[],
): string[] {
  const parent = path.slice(0, -1);
  const union = findUnion(schema, root, parent);
  if (union === undefined) return [];
  return (union.options as z.ZodObject[]).flatMap((option) => {
    const literal = unwrap(option.shape[union.def.discriminator] as z.ZodType);
    return literal instanceof z.ZodLiteral ? [String(literal.value)] : [];
  });
}

function findUnion(
  schema: z.ZodType,
  root: unknown,
  path: readonly (string | number)[],
): z.ZodDiscriminatedUnion | undefined {
  const found = path.length === 0 ? schema : findSchema(schema, root, path);
  const unwrapped = found === undefined ? undefined : unwrap(found);
  return unwrapped instanceof z.ZodDiscriminatedUnion ? unwrapped : undefined;
}

function knownKeys(schema: z.ZodType): string[] {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}
