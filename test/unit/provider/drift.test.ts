import { expect, test } from "vitest";

import type { PlannedChange } from "../../../components/provider/server/diff.ts";
import { describeDrift } from "../../../components/provider/server/drift.ts";
import { markSecret } from "../../../components/provider/server/wire.ts";

const drifted = (...path: (string | number)[]): PlannedChange => ({
  path,
  kind: "update",
  replaces: false,
  ofInputs: false,
});

test("tells what is there, beside what was made", () => {
  const changes = [drifted("maxBudget"), drifted("limits", "rpm"), drifted("models", 0)];
  const recorded = { maxBudget: 200, limits: {}, models: ["gpt"] };
  const found = { maxBudget: 9999, limits: { rpm: 3 }, models: [] };
  expect(describeDrift(changes, recorded, found)).toBe(
    "changed by somebody else: maxBudget is 9999 there, and was 200; limits.rpm is 3 there, and was not set; " +
      'models[0] is not set there, and was "gpt"',
  );
});

test("says that it is gone", () => {
  expect(describeDrift([drifted("name")], { name: "a" }, undefined)).toBe(
    "it is not there any more: up makes it again",
  );
});

test("tells no secret, and nothing long", () => {
  const changes = [drifted("values", "api_key"), drifted("content"), drifted("text")];
  const recorded = { values: markSecret({ api_key: "old" }), content: "a\nb", text: "x" };
  const found = { values: { api_key: "new" }, content: "a\nc", text: "x".repeat(100) };
  expect(describeDrift(changes, recorded, found)).toBeUndefined();
});

test("is silent about what the program has changed", () => {
  const change = { ...drifted("maxBudget"), ofInputs: true };
  expect(describeDrift([change], { maxBudget: 1 }, { maxBudget: 1 })).toBeUndefined();
});
