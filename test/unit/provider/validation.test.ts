import { describe, expect, test } from "vitest";
import { z } from "zod";

import {
  isUnknownAt,
  parseKnown,
  validate,
} from "../../../components/provider/server/validation.ts";
import { UNKNOWN } from "../../../components/provider/server/wire.ts";

const schema = z
  .strictObject({
    name: z.string().min(1),
    port: z.int().max(65535).default(4000),
    mode: z
      .string()
      .regex(/^0[0-7]{3}$/, 'must be an octal mode such as "0640"')
      .optional(),
    readiness: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("http"), url: z.url(), deadline: z.number().default(60) }),
        z.strictObject({ kind: z.literal("none") }),
      ])
      .optional(),
    volumes: z
      .array(z.strictObject({ size: z.number(), readOnly: z.boolean().default(false) }))
      .default([]),
    limits: z
      .record(z.string(), z.strictObject({ soft: z.number(), hard: z.number().default(9) }))
      .default({}),
  })
  .refine(({ name, mode }) => name !== mode, "name and mode must differ");

describe("inputs", () => {
  test("get their defaults", () => {
    expect(validate(schema, { name: "a" })).toEqual({
      inputs: { name: "a", port: 4000, volumes: [], limits: {} },
      failures: [],
    });
  });

  test("fail all at once, each with its path, in the user's words", () => {
    const { failures } = validate(schema, {
      mode: "999",
      port: "x",
      nmae: "typo",
      volumes: [{ size: 1 }, { size: "big" }],
      readiness: { kind: "tcp" },
    });
    expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([
      "name: is required",
      "port: expected number, received string",
      'mode: must be an octal mode such as "0640"',
      expect.stringMatching(/^readiness\.kind: /),
      "volumes[1].size: expected number, received string",
      ': there is no property "nmae"',
    ]);
  });
});

describe("values that a preview does not know yet", () => {
  test("are accepted, and everything beside them gets its defaults", () => {
    expect(
      validate(schema, {
        name: UNKNOWN,
        mode: UNKNOWN,
        readiness: { kind: "http", url: UNKNOWN },
        volumes: [{ size: UNKNOWN }, { size: 2 }],
        limits: { files: { soft: UNKNOWN } },
      }),
    ).toEqual({
      inputs: {
        name: UNKNOWN,
        port: 4000,
        mode: UNKNOWN,
        readiness: { kind: "http", url: UNKNOWN, deadline: 60 },
        volumes: [
          { size: UNKNOWN, readOnly: false },
          { size: 2, readOnly: false },
        ],
        limits: { files: { soft: UNKNOWN, hard: 9 } },
      },
      failures: [],
    });
  });

  test("are accepted for whole lists, maps and variants", () => {
    const unknown = { name: "a", readiness: UNKNOWN, volumes: UNKNOWN, limits: UNKNOWN };
    expect(validate(schema, unknown)).toEqual({
      inputs: { ...unknown, port: 4000 },
      failures: [],
    });
  });

  test("do not hide what is wrong beside them", () => {
    const { failures } = validate(schema, { name: UNKNOWN, port: 70000, nmae: "typo" });
    expect(failures.map(({ property }) => property)).toEqual(["port", ""]);
  });

  test("settle no rule over the whole object", () => {
    const refined = z.object({ a: z.number(), b: z.string() }).refine(() => false, "a or b");
    expect(validate(refined, { a: 1, b: UNKNOWN }).failures).toEqual([]);
    expect(validate(refined, { a: 1, b: "known" }).failures).toEqual([
      { property: "", reason: "a or b" },
    ]);
  });

  test("are found on the way to a property", () => {
    const properties = { a: { b: UNKNOWN }, c: "known" };
    expect(isUnknownAt(properties, "a.b")).toBe(true);
    expect(isUnknownAt(properties, "a.b.deeper[0]")).toBe(true);
    expect(isUnknownAt(properties, "c")).toBe(false);
    expect(isUnknownAt(properties, "missing.too")).toBe(false);
  });
});

test("state of an older version keeps what today's schema does not know, and gets its defaults", () => {
  expect(parseKnown(schema, { name: "a", retired: true, port: "4000" })).toEqual({
    name: "a",
    retired: true,
    port: "4000",
    volumes: [],
    limits: {},
  });
});
