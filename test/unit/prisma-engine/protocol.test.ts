import fc from "fast-check";
import { expect, test } from "vitest";

import { parseOperation } from "../../../tools/prisma-engine/graphql.ts";
import { toEngineQuery, toRawRows, untag } from "../../../tools/prisma-engine/protocol.ts";
import { parseSchema } from "../../../tools/prisma-engine/schema.ts";

const schema = parseSchema(`
model User {
  id       String @id
  metadata Json
  history  Json[]
  name     String
  data     Json?
  keys     Key[]
  team     Team?
}
model Key {
  id    String @id
  scope Json
  user  User
}
model Team {
  id    String @id
  rules Json
}`);

const convert = (text: string) => toEngineQuery(schema, parseOperation(text));
const argumentsOf = (text: string) => convert(text).query.arguments;
const json = (value: string) => ({ $type: "Json", value });

test("names model and action", () => {
  expect(
    convert('query { result: findUniqueUserOrThrow(where: { id: "a" }) { id name } }'),
  ).toEqual({
    modelName: "User",
    action: "findUniqueOrThrow",
    query: { arguments: { where: { id: "a" } }, selection: { id: true, name: true } },
  });
  expect(convert("query { result: aggregateKey { _count { _all } } }")).toMatchObject({
    modelName: "Key",
    action: "aggregate",
  });
});

test("passes raw queries on", () => {
  expect(convert('mutation { result: queryRaw(query: "SELECT $1", parameters: "[1]") }')).toEqual({
    action: "queryRaw",
    query: { arguments: { query: "SELECT $1", parameters: "[1]" }, selection: {} },
  });
  expect(argumentsOf('mutation { result: executeRaw(query: "VACUUM") }')).toEqual({
    query: "VACUUM",
    parameters: "[]",
  });
});

test.each(["dropOneUser", "findUniqueStranger", "findUnique"])("does not know %s", (field) => {
  expect(() => convert(`query { ${field} { id } }`)).toThrow(`unknown operation \`${field}\``);
});

test.each([
  [
    "written",
    'createOneUser(data: { name: "{}", metadata: "{}" })',
    { data: { name: "{}", metadata: json("{}") } },
  ],
  [
    "written in a list",
    'createOneUser(data: { history: ["1", "2"] })',
    { data: { history: [json("1"), json("2")] } },
  ],
  [
    "of many records",
    'createManyUser(data: [{ metadata: "1" }, { metadata: "2" }])',
    { data: [{ metadata: json("1") }, { metadata: json("2") }] },
  ],
  [
    "of an upsert",
    'upsertOneUser(where: { id: "a" } create: { metadata: "1" } update: { metadata: { set: "2" } })',
    {
      where: { id: "a" },
      create: { metadata: json("1") },
      update: { metadata: { set: json("2") } },
    },
  ],
  [
    "of a field named like an argument",
    'updateOneUser(data: { data: "1" } where: { id: "a" })',
    { data: { data: json("1") }, where: { id: "a" } },
  ],
  [
    "in filters, but not their paths and texts",
    'findFirstUser(where: { OR: [{ metadata: { path: ["a"], equals: "1" } }, { NOT: { metadata: { string_contains: "x" } } }] })',
    {
      where: {
        OR: [
          { metadata: { path: ["a"], equals: json("1") } },
          { NOT: { metadata: { string_contains: "x" } } },
        ],
      },
    },
  ],
  [
    "of related records that are created",
    'createOneUser(data: { keys: { create: [{ scope: "1" }], connectOrCreate: [{ where: { id: "k" } create: { scope: "2" } }] } })',
    {
      data: {
        keys: {
          create: [{ scope: json("1") }],
          connectOrCreate: [{ where: { id: "k" }, create: { scope: json("2") } }],
        },
      },
    },
  ],
  [
    "of related records that are updated",
    'updateOneUser(data: { keys: { update: [{ where: { id: "k" } data: { scope: "1" } }] } team: { update: { rules: "2" } } } where: { id: "a" })',
    {
      data: {
        keys: { update: [{ where: { id: "k" }, data: { scope: json("1") } }] },
        team: { update: { rules: json("2") } },
      },
      where: { id: "a" },
    },
  ],
  [
    "in filters on relations",
    'findManyUser(where: { keys: { some: { scope: { equals: "1" } } } team: { rules: { equals: "2" } } })',
    {
      where: {
        keys: { some: { scope: { equals: json("1") } } },
        team: { rules: { equals: json("2") } },
      },
    },
  ],
])("tags JSON %s", (_where, operation, expected) => {
  expect(argumentsOf(`mutation { result: ${operation} { id } }`)).toEqual(expected);
});

test("tags JSON in the filters of included relations", () => {
  const { selection } = convert(
    'query { result: findManyUser { id keys(where: { scope: { equals: "1" } }) { id } } }',
  ).query;
  expect(selection).toEqual({
    id: true,
    keys: { arguments: { where: { scope: { equals: json("1") } } }, selection: { id: true } },
  });
});

test("takes tags off results", () => {
  expect(
    untag({
      id: "a",
      limit: { $type: "BigInt", value: "9007199254740993" },
      at: { $type: "DateTime", value: "2026-01-02T03:04:05.000Z" },
      price: { $type: "Decimal", value: "1.5" },
      metadata: { $type: "Json", value: '{"$type":"x"}' },
      keys: [{ scope: null }],
    }),
  ).toEqual({
    id: "a",
    limit: "9007199254740993",
    at: "2026-01-02T03:04:05.000Z",
    price: 1.5,
    metadata: '{"$type":"x"}',
    keys: [{ scope: null }],
  });
});

test("leaves results without tags alone", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(!JSON.stringify(value).includes("$type"));
      expect(untag(structuredClone(value))).toEqual(value);
    }),
  );
});

test("gives raw rows the shape of older engines", () => {
  expect(
    toRawRows({
      columns: ["id", "tags", "nothing", "kind"],
      types: ["bigint", "string-array", "int", "unknown"],
      rows: [["1", ["a", null], null, "x"]],
    }),
  ).toEqual([
    {
      id: { prisma__type: "bigint", prisma__value: "1" },
      tags: {
        prisma__type: "array",
        prisma__value: [
          { prisma__type: "string", prisma__value: "a" },
          { prisma__type: "null", prisma__value: null },
        ],
      },
      nothing: { prisma__type: "null", prisma__value: null },
      kind: { prisma__type: "string", prisma__value: "x" },
    },
  ]);
});
