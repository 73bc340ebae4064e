import { z } from "zod";

/*
 * `pulumi config set` without `--path` stores every value as a string, so a number or a boolean may
 * arrive as its text. Only the unambiguous texts are taken: `"1e3"`, `"yes"` and `""` stay errors.
 */

function readNumber(value: unknown): unknown {
  return typeof value === "string" && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value)
    ? Number(value)
    : value;
}

function readBoolean(value: unknown): unknown {
  if (value === "true") return true;
  if (value === "false") return false;
  return value;
}

/** A whole number, or the text of one. */
export function integer({ min, max }: { min?: number; max?: number }) {
  let schema = z.int();
  if (min !== undefined) schema = schema.min(min);
  if (max !== undefined) schema = schema.max(max);
  return z.preprocess(readNumber, schema);
}

/** A number, or the text of one. */
export function number({ min, above }: { min?: number; above?: number }) {
  let schema = z.number();
  if (min !== undefined) schema = schema.min(min);
  if (above !== undefined) schema = schema.gt(above);
  return z.preprocess(readNumber, schema);
}

/** A text; a number or a boolean is taken as its text, for `pulumi config set --path` stores those. */
export function text() {
  return z.preprocess(
    (value) => (typeof value === "number" || typeof value === "boolean" ? String(value) : value),
    z.string(),
  );
}

/** `true` or `false`, or the text of one. */
export function boolean() {
  return z.preprocess(readBoolean, z.boolean());
}

/** A TCP port that an unprivileged process can listen on. */
export function port() {
  return integer({ min: 1024, max: 65535 });
}

/** An IP address of either version. */
export function ipAddress() {
  return z.union([z.ipv4(), z.ipv6()], { error: "must be an IP address" });
}

/** What Go makes of an unquoted time in YAML, and Pulumi hands on as a text: `2027-01-01 00:00:00 +0000 UTC`. */
const GO_TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d\d)(\d\d)(?: \S+)?$/;

function readInstant(value: unknown): unknown {
  const [, date, time, hours, minutes] =
    (typeof value === "string" ? GO_TIME.exec(value) : null) ?? [];
  if (date === undefined) return value;
  const offset = `${hours ?? "+00"}:${minutes ?? "00"}`;
  return `${date}T${time ?? ""}${offset === "+00:00" ? "Z" : offset}`;
}

/** A moment, ISO 8601 with its offset; also as Pulumi reads one that is not quoted in YAML. */
export function instant() {
  return z.preprocess(
    readInstant,
    z.iso.datetime({
      offset: true,
      error: "must be a date and a time such as 2027-01-01T00:00:00Z",
    }),
  );
}
