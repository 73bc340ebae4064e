import fc from "fast-check";
import { expect, test } from "vitest";

import {
  parseOperation,
  type Operation,
  type QueryObject,
  type QueryValue,
  type Selection,
  type TaggedValue,
} from "../../../tools/prisma-engine/graphql.ts";

test("reads what prisma-client-py writes", () => {
  const text = `query {
  result: findManyUser
  (
    take: 2
    where: {
      name: "q\\"uo\\\\te\\n☃"
      OR: [{
        id: 9007199254740993
      },
      {
        spend: 1e-07
      }]
      parent: null
    }
    orderBy: { id: asc }
  )
  {
    id
    posts(
      where: { isPublic: true }
    )
    {
      title
    }
    author {
      name
    }
  }
}`;
  expect(parseOperation(text)).toEqual({
    field: "findManyUser",
    arguments: {
      take: 2,
      where: {
        name: 'q"uo\\te\n☃',
        OR: [{ id: { $type: "BigInt", value: "9007199254740993" } }, { spend: 1e-7 }],
        parent: null,
      },
      orderBy: { id: "asc" },
    },
    selection: {
      id: true,
      posts: { arguments: { where: { isPublic: true } }, selection: { title: true } },
      author: { arguments: {}, selection: { name: true } },
    },
  });
});

test("reads an operation without alias, arguments and selection", () => {
  expect(parseOperation("mutation{deleteManyUser{count}}")).toEqual({
    field: "deleteManyUser",
    arguments: {},
    selection: { count: true },
  });
  expect(parseOperation("mutation { executeRaw }")).toEqual({
    field: "executeRaw",
    arguments: {},
    selection: {},
  });
});

test.each([
  ["", "query syntax: expected query or mutation at character 0"],
  ["query {", "query syntax: expected a field at character 7"],
  ["query { a(b 1) }", "query syntax: expected `:` at character 12"],
  ["query { a(b: ) }", "query syntax: expected a value at character 13"],
  ['query { a(b: "x', "query syntax: expected the end of the string at character 13"],
  ['query { a(b: "\\x") }', "query syntax: expected a string at character 13"],
  ["query { a } x", "query syntax: expected the end at character 12"],
])("refuses %j", (text, message) => {
  expect(() => parseOperation(text)).toThrow(new SyntaxError(message));
});

const name = fc.stringMatching(/^[a-z][A-Za-z0-9_]{0,8}$/).filter((text) => !(text in {}));
const value = fc.letrec<{ value: QueryValue; object: QueryObject }>((tie) => ({
  object: fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc
      // An integer past 2^53 is written like a BigInt, and read as one.
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((number) => !Number.isInteger(number) || Number.isSafeInteger(number))
      .filter((number) => !Object.is(number, -0)),
    fc.string({ unit: "binary" }),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }).map(toTagged),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
}));
const nested = fc.letrec<{ nested: Operation; selection: Selection }>((tie) => ({
  selection: fc.dictionary(name, fc.oneof(fc.constant<true>(true), tie("nested")), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
  nested: fc.record(
    { arguments: value.object, selection: tie("selection") },
    { noNullPrototype: true },
  ) as fc.Arbitrary<Operation>,
}));

test("reads back every operation that can be written", () => {
  fc.assert(
    fc.property(name, value.object, nested.selection, (field, given, selection) => {
      const operation = { field, arguments: given, selection };
      expect(parseOperation(renderOperation(operation))).toEqual(operation);
    }),
  );
});

test("never fails other than with a syntax error", () => {
  const noise = fc.array(
    fc.constantFrom(
      "query",
      "{",
      "}",
      "(",
      ")",
      "[",
      "]",
      ":",
      '"',
      "\\",
      "-",
      "1",
      "a",
      " ",
      "null",
    ),
  );
  fc.assert(
    fc.property(noise, (tokens) => {
      try {
        parseOperation(tokens.join(""));
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
  );
});

function toTagged(integer: bigint): QueryValue {
  return { $type: "BigInt", value: String(integer) };
}

function isTagged(item: QueryObject | TaggedValue): item is TaggedValue {
  return "$type" in item;
}

/** Writes as prisma-client-py does. */
function renderOperation({ field, ...rest }: Operation): string {
  return `query {\n  result: ${field}${renderNested(rest)}\n}`;
}

function renderNested({ arguments: given, selection }: Omit<Operation, "field">): string {
  const pairs = Object.entries(given).map(([key, item]) => `${key}: ${renderValue(item)}`);
  const fields = Object.entries(selection).map(([key, child]) =>
    child === true ? key : `${key}${renderNested(child) || " { }"}`,
  );
  return (
    (pairs.length > 0 ? `(\n${pairs.join("\n")}\n)` : "") +
    (fields.length > 0 ? `\n{\n${fields.join("\n")}\n}` : "")
  );
}

function renderValue(item: QueryValue): string {
  if (Array.isArray(item)) {
    return `[${item.map(renderValue).join(",\n")}]`;
  }
  if (typeof item === "object" && item !== null) {
    if (isTagged(item)) {
      return item.value;
    }
    return `{ ${Object.entries(item)
      .map(([key, child]) => `${key}: ${renderValue(child)}`)
      .join("\n")} }`;
  }
  return JSON.stringify(item);
}
