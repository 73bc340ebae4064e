import { expect, test } from "vitest";
import { parse } from "yaml";

import type { AccessTree } from "../../../tools/access/access-tree.ts";
import { compareTrees, formatSettings } from "../../../tools/access/settings-text.ts";

const NOTHING: AccessTree = {
  budgets: {},
  users: {},
  teams: {},
  keys: {},
  credentials: {},
  models: {},
};

test("is ready to be put below `config:`, with the notes above it", () => {
  const tree = { ...NOTHING, teams: { search: { maxBudget: 200, models: ["gpt"] } } };
  expect(formatSettings("gateway", tree, ["one", "two"])).toBe(
    [
      "# one",
      "# two",
      "  gateway:access:",
      "    teams:",
      "      search:",
      "        maxBudget: 200",
      "        models:",
      "          - gpt",
      "",
    ].join("\n"),
  );
});

test("a text stays a text in every version of YAML, and is never folded", () => {
  const metadata = {
    ...{ answer: "yes", when: "2027-01-01T00:00:00Z", number: "4711", octal: "0o17", hex: "1e3" },
    ...{ long: "word ".repeat(60).trim(), lines: "one\ntwo\n", sexagesimal: "1:30" },
  };
  const text = formatSettings("p", { ...NOTHING, keys: { ci: { metadata } } }, []);
  const read = (version: "1.1" | "1.2") =>
    (parse(text, { version }) as { "p:access": AccessTree })["p:access"].keys["ci"]?.["metadata"];
  expect(read("1.1")).toEqual(metadata);
  expect(read("1.2")).toEqual(metadata);
});

test("an empty gateway is an empty setting", () => {
  expect(formatSettings("p", NOTHING, [])).toBe("  p:access: {}\n");
});

test("what differs is shown entry by entry", () => {
  const before = {
    ...NOTHING,
    teams: { ops: { maxBudget: 1 }, search: { alias: "Search", maxBudget: 200 } },
  };
  const after = {
    ...NOTHING,
    teams: { search: { alias: "Search", maxBudget: 300 } },
    keys: { ci: { team: "search" } },
  };
  expect(compareTrees(before, after)).toBe(
    [
      "@@ teams.ops @@",
      "-ops:",
      "-  maxBudget: 1",
      "@@ teams.search @@",
      " search:",
      "   alias: Search",
      "-  maxBudget: 200",
      "+  maxBudget: 300",
      "@@ keys.ci @@",
      "+ci:",
      "+  team: search",
    ].join("\n"),
  );
  expect(compareTrees(before, before)).toBe("");
});
