import { expect, test } from "vitest";

import { Redactor } from "../../../components/provider/server/redaction.ts";

function redactWith(secret: unknown, text: string): string {
  const redactor = new Redactor();
  redactor.learn(secret);
  return redactor.redact(text);
}

test("hides a secret wherever it stands", () => {
  expect(redactWith("s3cret", "login with s3cret failed: s3cret")).toBe(
    "login with [secret] failed: [secret]",
  );
});

test("hides what it looks like in a URL and in JSON", () => {
  expect(redactWith("p@ss/word", "postgresql://u:p%40ss%2Fword@localhost")).toBe(
    "postgresql://u:[secret]@localhost",
  );
  expect(redactWith('quo"ted', String.raw`{"password":"quo\"ted"}`)).toBe(
    '{"password":"[secret]"}',
  );
});

test("hides a line of a secret file", () => {
  expect(redactWith("# header\nTOKEN=abcdefgh\n", "line 2: TOKEN=abcdefgh: no such key")).toBe(
    "line 2: [secret]: no such key",
  );
});

test("hides the longer of two secrets that overlap", () => {
  const redactor = new Redactor();
  redactor.learn("abcd");
  redactor.learn("abcd-efgh");
  expect(redactor.redact("abcd-efgh abcd")).toBe("[secret] [secret]");
});

test("leaves short values of a secret map alone, so that messages stay readable", () => {
  expect(
    redactWith({ KEY: "sk-1234567890", PORT: "4000", DEBUG: true }, "port 4000 of sk-1234567890"),
  ).toBe("port 4000 of [secret]");
});

test("an empty or tiny secret hides nothing", () => {
  expect(redactWith("", "text")).toBe("text");
  expect(redactWith("te", "text")).toBe("text");
  expect(redactWith(null, "text")).toBe("text");
});
