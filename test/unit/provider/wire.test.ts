import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  conceal,
  containsUnknown,
  decode,
  encode,
  isSecret,
  listSecrets,
  markSecret,
  reveal,
  UNKNOWN,
} from "../../../components/provider/server/wire.ts";

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.string(),
    fc.constant(UNKNOWN),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z.]+$/), tie("value"), { maxKeys: 3 }),
  ),
})).value;
const properties = fc.dictionary(fc.stringMatching(/^[a-z.]+$/), json);

describe("over the wire", () => {
  test("properties come back as they were sent", () => {
    fc.assert(
      fc.property(properties, (sent) => {
        expect(decode(encode(sent))).toEqual(sent);
      }),
    );
  });

  test("what is undefined is left out, and null in a list, whose order matters", () => {
    expect(
      decode(
        encode({
          kept: 1,
          dropped: undefined,
          nested: { dropped: undefined },
          list: [undefined, 2],
        }),
      ),
    ).toEqual({ kept: 1, nested: {}, list: [null, 2] });
  });

  test("no message means no properties", () => {
    expect(decode(undefined)).toEqual({});
  });
});

describe("secrets", () => {
  test("are revealed at any depth, even one within another", () => {
    const marked = {
      password: markSecret({ inner: markSecret("p") }),
      list: [1, markSecret("q")],
      plain: "r",
    };
    expect(decode(encode(marked))).toEqual(marked);
    expect(reveal(marked)).toEqual({ password: { inner: "p" }, list: [1, "q"], plain: "r" });
  });

  test("are listed", () => {
    const marked = { a: markSecret("p"), b: { c: [markSecret({ d: "q" })] }, e: "plain" };
    expect([...listSecrets(marked)]).toEqual(["p", { d: "q" }]);
  });

  test("are concealed where the pattern has them, a list as a whole", () => {
    const pattern = {
      environment: { KEY: markSecret("old"), PLAIN: "x" },
      command: ["a", markSecret("b")],
      whole: markSecret({ any: 1 }),
      gone: markSecret("gone"),
    };
    const concealed = conceal(
      { environment: { KEY: "new", PLAIN: "y" }, command: ["c"], whole: { other: 2 }, added: "z" },
      pattern,
    );
    expect(concealed).toEqual({
      environment: { KEY: markSecret("new"), PLAIN: "y" },
      command: markSecret(["c"]),
      whole: markSecret({ other: 2 }),
      added: "z",
    });
  });

  test("concealing changes no value, and hides every secret of its own pattern", () => {
    fc.assert(
      fc.property(properties, (plain) => {
        const marked = Object.fromEntries(
          Object.entries(plain).map(([key, value], index) => [
            key,
            index % 2 === 0 ? markSecret(value) : value,
          ]),
        );
        const concealed = conceal(plain, marked);
        expect(reveal(concealed)).toEqual(plain);
        expect(concealed).toEqual(marked);
      }),
    );
  });

  test("a plain map is no secret", () => {
    expect(isSecret({ value: "x" })).toBe(false);
  });
});

test("an unknown value is found at any depth", () => {
  expect(containsUnknown({ a: [{ b: UNKNOWN }] })).toBe(true);
  expect(containsUnknown({ a: [{ b: "known" }] })).toBe(false);
});
