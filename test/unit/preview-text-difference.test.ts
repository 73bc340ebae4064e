import { expect, test } from "vitest";

import { describeTextDifference } from "../../tools/preview/text-difference.ts";

const lines = (...texts: string[]): string => `${texts.join("\n")}\n`;

test("shows a changed line with three lines around it", () => {
  const before = lines("1", "2", "3", "4", "5", "6", "7", "8", "9");
  const after = lines("1", "2", "3", "4", "five", "6", "7", "8", "9");
  expect(describeTextDifference(before, after)).toBe(
    ["@@ -2 +2 @@", " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8"].join("\n"),
  );
});

test("numbers each place by its lines in the old and the new text", () => {
  const middle = Array.from({ length: 10 }, (_, index) => `middle ${index}`);
  const before = lines("a", ...middle, "z");
  const after = lines("new", "a", ...middle, "y");
  expect(describeTextDifference(before, after)).toBe(
    [
      ...["@@ -1 +1 @@", "+new", " a", " middle 0", " middle 1"],
      ...["@@ -9 +10 @@", " middle 7", " middle 8", " middle 9", "-z", "+y"],
    ].join("\n"),
  );
});

test("of nothing and a text is the text", () => {
  expect(describeTextDifference("", lines("a", "b"))).toBe("@@ -1 +1 @@\n+a\n+b");
  expect(describeTextDifference(lines("a", "b"), "")).toBe("@@ -1 +1 @@\n-a\n-b");
});

test("of a text with thousands of lines is their number", () => {
  const large = lines(...Array.from({ length: 3000 }, (_, index) => `line ${index}`));
  expect(describeTextDifference("a\n", large)).toBe("@@ 1 lines become 3000 @@");
});
