import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseEnvFile, renderEnvFile } from "../../../templates/env-file.ts";

test("values are quoted for docker compose", () => {
  const values = {
    masterKey: "sk-0123",
    odd: `it's "$5" \\ #1`,
    lines: "one\r\ntwo\n",
  };
  expect(renderEnvFile(values, ["Secrets."])).toBe(
    [
      "# Secrets.",
      'masterKey="sk-0123"',
      'odd="it\'s \\"\\$5\\" \\\\ #1"',
      'lines="one\\r\\ntwo\\n"',
      "",
    ].join("\n"),
  );
});

test("whatever the values, they are read back, one line each", () => {
  const name = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,10}$/);
  fc.assert(
    fc.property(fc.dictionary(name, fc.string({ unit: "binary" })), (values) => {
      const text = renderEnvFile(values, ["a comment"]);
      expect(text.split("\n")).toHaveLength(Object.keys(values).length + 2);
      expect({ ...parseEnvFile(text) }).toEqual({ ...values });
    }),
  );
});

describe("a line in another form is refused, and not shown", () => {
  test.each([
    "saltKey=0123456789",
    "saltKey='0123456789'",
    'saltKey="01234$56789"',
    'saltKey="0123456789',
    'saltKey="01234"56789"',
    'saltKey="0123456789\\t"',
    "export saltKey",
  ])("%s", (line) => {
    const parse = () => parseEnvFile(`# a comment\nmasterKey="sk-1"\n${line}\n`);
    expect(parse).toThrow(/^line 3 is not NAME="value"/);
    expect(parse).not.toThrow(/01234/);
  });
});
