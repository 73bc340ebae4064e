import { isDeepStrictEqual } from "node:util";

/** How one property of ours stands in LiteLLM's objects. */
export interface Field {
  /** LiteLLM's name. */
  readonly name: string;
  /** LiteLLM keeps it inside `metadata`, and takes it beside it; it is unset by rewriting `metadata`. Default: false. */
  readonly isInMetadata?: boolean;
  /** What LiteLLM stores where it is not set. Default: null. */
  readonly empty?: null | readonly [] | Readonly<Record<string, never>> | false;
  /** What is sent to unset it. Default: `empty`. */
  readonly unset?: unknown;
  /** Whether two values mean the same. Default: equal but for rounding, lists in any order. */
  isSame?(ours: unknown, theirs: unknown): boolean;
  /** Our value as LiteLLM takes it. Default: as it is. */
  write?(value: unknown): unknown;
  /** LiteLLM's value as ours; undefined where it means that nothing is set. Default: as it is. */
  read?(value: unknown): unknown;
}

/** By the name of our property. */
export type Fields = Readonly<Record<string, Field>>;

export type Values = Readonly<Record<string, unknown>>;

/** Relative; LiteLLM keeps floating-point numbers. */
const ROUNDING = 1e-9;

/** The body that makes an object: what is given, by LiteLLM's names. */
export function writeBody(fields: Fields, inputs: Values): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([property, field]) => isGiven(field, inputs[property]))
      .map(([property, field]) => [field.name, write(field, inputs[property])]),
  );
}

/**
 * What must be sent to make a live object as it is wanted: the fields that differ, and no others. What
 * LiteLLM has filled in by itself, as `serverDefaults` say, is left alone where nothing else is wanted.
 * What is to be unset inside `metadata` is not among it: see `writeMetadata`.
 */
export function writeChanges(
  fields: Fields,
  inputs: Values,
  live: Values,
  serverDefaults: Values = {},
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([property, field]) => {
      const ours = inputs[property];
      const theirs = readField(field, live);
      if (isGiven(field, ours)) {
        return isSame(field, ours, theirs) ? [] : [[field.name, write(field, ours)]];
      }
      const isLeft = field.isInMetadata === true || isUnset(theirs, serverDefaults[property]);
      return isLeft ? [] : [[field.name, field.unset ?? field.empty ?? null]];
    }),
  );
}

/** LiteLLM's names of the fields that are to be unset inside `metadata`. */
export function listUnsetInMetadata(
  fields: Fields,
  inputs: Values,
  live: Values,
  serverDefaults: Values = {},
): string[] {
  return Object.entries(fields)
    .filter(
      ([property, field]) =>
        field.isInMetadata === true &&
        !isGiven(field, inputs[property]) &&
        !isUnset(readField(field, live), serverDefaults[property]),
    )
    .map(([, field]) => field.name);
}

/**
 * A live object as the program would write it: what is empty is left out, what means the same is as the
 * program has it, and so is what LiteLLM has filled in by itself.
 *
 * @param known - inputs of the program; none on import
 */
export function readInputs(
  fields: Fields,
  live: Values,
  known: Values = {},
  serverDefaults: Values = {},
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([property, field]) => {
      const theirs = readField(field, live);
      const ours = known[property];
      const isAsKnown = isGiven(field, ours)
        ? isSame(field, ours, theirs)
        : isUnset(theirs, serverDefaults[property]);
      const value = isAsKnown ? ours : theirs;
      return value === undefined ? [] : [[property, value]];
    }),
  );
}

/** What LiteLLM has filled in by itself when an object was made: its settings have defaults for some. */
export function readServerDefaults(
  fields: Fields,
  inputs: Values,
  live: Values,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([property, field]) => {
      const theirs = readField(field, live);
      return isGiven(field, inputs[property]) || theirs === undefined ? [] : [[property, theirs]];
    }),
  );
}

/** Whether two values of JSON mean the same: but for rounding, and texts in any order. */
export function isSameValue(ours: unknown, theirs: unknown): boolean {
  if (typeof ours === "number" && typeof theirs === "number") {
    return Math.abs(ours - theirs) <= ROUNDING * Math.max(Math.abs(ours), Math.abs(theirs));
  }
  return isDeepStrictEqual(sortTexts(ours), sortTexts(theirs));
}

function write(field: Field, value: unknown): unknown {
  return field.write === undefined ? value : field.write(value);
}

/** undefined where it is not set. */
function readField(field: Field, live: Values): unknown {
  const holder = field.isInMetadata === true ? live["metadata"] : live;
  const value = (holder as Values | null | undefined)?.[field.name];
  return isEmpty(value, field) ? undefined : field.read === undefined ? value : field.read(value);
}

function isGiven(field: Field, ours: unknown): boolean {
  return !isEmpty(ours, field);
}

function isUnset(theirs: unknown, serverDefault: unknown): boolean {
  return theirs === undefined || isSameValue(theirs, serverDefault);
}

function isEmpty(value: unknown, { empty = null }: Field): boolean {
  return value === undefined || value === null || value === "" || isDeepStrictEqual(value, empty);
}

function isSame(field: Field, ours: unknown, theirs: unknown): boolean {
  return (field.isSame ?? isSameValue)(ours, theirs);
}

function sortTexts(value: unknown): unknown {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string")
    ? value.toSorted()
    : value;
}
