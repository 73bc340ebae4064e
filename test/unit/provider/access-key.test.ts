import { expect, test } from "vitest";

import { readMilliseconds } from "../../../components/provider/access/fixed-duration.ts";
import { writeBody, writeChanges } from "../../../components/provider/access/fields.ts";
import {
  describeKeyFields,
  flattenKey,
  orderChanges,
  readOwnBudget,
} from "../../../components/provider/access/key-fields.ts";
import {
  generateKeyValue,
  hashKey,
  isKeyHash,
  isOtherValue,
} from "../../../components/provider/access/key-value.ts";
import { readCarriedSpend } from "../../../components/provider/access/key-rotation.ts";
import { defineVirtualKey } from "../../../components/provider/access/virtual-key.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const UUID = "25250751-0c35-40a1-bd89-a2178d5a07a6";
const fields = describeKeyFields(() => NOW);
const definition = defineVirtualKey({ now: () => NOW });
const LIVE = { token: "0".repeat(64), key_alias: "bot", metadata: {} };

function listFailures(inputs: object, previous?: object): string[] {
  const parse = (given: object) => definition.inputs.parse({ alias: "bot", ...given });
  return definition
    .check(parse(inputs), previous && parse(previous))
    .map(({ property, reason }) => `${property}: ${reason}`);
}

test("a value is random, fit for a header, and known by its hash", () => {
  const values = new Set(Array.from({ length: 100 }, generateKeyValue));
  expect(values.size).toBe(100);
  for (const value of values) expect(value).toMatch(/^sk-[\w-]{43}$/);
  // printf %s sk-test | sha256sum
  expect(hashKey("sk-test")).toBe(
    "f3abf2a6cc4f00987743db5f544ba345b4899ae31f326d8ee9c4816de153c9e0",
  );
  expect([hashKey("sk-test"), "sk-test", ""].map(isKeyHash)).toEqual([true, false, false]);
  expect(isOtherValue(undefined, hashKey("sk-test"))).toBe(false);
  expect(isOtherValue("sk-test", hashKey("sk-test"))).toBe(false);
  expect(isOtherValue("sk-other", hashKey("sk-test"))).toBe(true);
});

test.each([
  ["0s", 0],
  ["90s", 90_000],
  ["15m", 900_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["2w", 1_209_600_000],
])("%s is %d milliseconds", (duration, milliseconds) => {
  expect(readMilliseconds(duration)).toBe(milliseconds);
});

test("an instant is sent as the time until it, rounded up", () => {
  expect(writeBody(fields, { expires: "2026-11-22T13:00:00.5+01:00" })).toEqual({ duration: "1s" });
  expect(writeBody(fields, { expires: "2026-11-29T12:00:00Z" })).toEqual({ duration: "604800s" });
  expect(writeBody(fields, { expires: "2026-11-01T12:00:00Z" })).toEqual({ duration: "0s" });
});

test.each([
  ["the same second by another zone", "2027-01-01T01:00:00+01:00", "2027-01-01T00:00:00Z", false],
  ["half a minute", "2027-01-01T00:00:00Z", "2027-01-01T00:00:30.123000+00:00", false],
  ["two minutes", "2027-01-01T00:00:00Z", "2027-01-01T00:02:00Z", true],
  ["never", "2027-01-01T00:00:00Z", null, true],
  ["both over", "2026-01-01T00:00:00Z", "2026-11-22T11:59:00Z", false],
  ["over, and not", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", true],
])("an end that differs by %s", (_name, expires, live, isSent) => {
  const changes = writeChanges(
    fields,
    { alias: "bot", expires },
    flattenKey({ ...LIVE, expires: live }, undefined),
  );
  expect("duration" in changes).toBe(isSent);
});

test("an end is taken away by sending null", () => {
  const live = flattenKey({ ...LIVE, expires: "2027-01-01T00:00:00Z" }, undefined);
  expect(writeChanges(fields, { alias: "bot" }, live)).toEqual({ duration: null });
});

test("a soft budget is told from a budget that the program names", () => {
  const withBudget = (budget_id: string, budget: object) => ({
    ...LIVE,
    budget_id,
    litellm_budget_table: { budget_id, soft_budget: 2, max_budget: null, ...budget },
  });
  const own = withBudget(UUID, {});
  expect(readOwnBudget(own, undefined)).toBe(UUID);
  expect(flattenKey(own, undefined)).toMatchObject({ budget_id: null, soft_budget: 2 });
  for (const [live, named] of [
    [own, UUID],
    [withBudget("trial", {}), undefined],
    [withBudget(UUID, { max_budget: 5 }), undefined],
    [{ ...LIVE, budget_id: null, litellm_budget_table: null }, undefined],
  ] as const) {
    expect(readOwnBudget(live, named)).toBeUndefined();
    const { budget_id, soft_budget } = flattenKey(live, named);
    expect({ budget_id, soft_budget }).toEqual({ budget_id: live.budget_id, soft_budget: null });
  }
});

test("a change is split where LiteLLM would take it amiss", () => {
  const alone = { ...LIVE, budget_id: null };
  const sharing = { ...LIVE, budget_id: "trial", litellm_budget_table: { budget_id: "trial" } };
  expect(orderChanges({ max_budget: 1 }, sharing, undefined)).toEqual([{ max_budget: 1 }]);
  expect(orderChanges({ soft_budget: 1 }, alone, undefined)).toEqual([{ soft_budget: 1 }]);
  expect(orderChanges({ soft_budget: 1 }, sharing, undefined)).toEqual([
    { budget_id: null },
    { soft_budget: 1 },
  ]);
  expect(orderChanges({ team_id: "a" }, alone, undefined)).toEqual([{ team_id: "a" }]);
  expect(orderChanges({ team_id: "a", user_id: "b" }, alone, undefined)).toEqual([
    { user_id: "b" },
    { team_id: "a" },
  ]);
  expect(orderChanges({ team_id: null, user_id: "b" }, alone, undefined)).toEqual([
    { team_id: null, user_id: "b" },
  ]);
});

test("a new value starts with what was spent, unless the period is over", () => {
  expect(readCarriedSpend({ ...LIVE, spend: 2 }, NOW)).toBe(2);
  const spent = { ...LIVE, spend: 2, budget_reset_at: "2026-11-22T12:00:01Z" };
  expect(readCarriedSpend(spent, NOW)).toBe(2);
  expect(readCarriedSpend(spent, NOW + 1000)).toBe(0);
});

test("what cannot be is refused by name", () => {
  expect(listFailures({})).toEqual([]);
  expect(listFailures({ budgetId: "trial", softBudget: 1 })).toEqual([
    "softBudget: is that of the budget which budgetId names: leave one of them out",
  ]);
  const over = { expires: "2026-01-01T00:00:00Z" };
  expect(listFailures(over)).toEqual([
    "expires: 2026-01-01T00:00:00Z is over: a key that is made now would never work",
  ]);
  expect(listFailures(over, over)).toEqual([]);
  expect(listFailures({ rotateAfter: "12h" })).toEqual([
    "rotateAfter: must be longer than overlap, which is 24h",
  ]);
  const value = "sk-0123456789abcdef";
  expect(listFailures({ rotateAfter: "90d", value })).toEqual([
    "rotateAfter: a value that is given is not made anew: leave one of them out",
  ]);
  expect(listFailures({ value, generation: 2 }, { value })).toEqual([
    "generation: a value that is given is not made anew: give another value instead",
  ]);
  expect(listFailures({ value: `${value}0`, generation: 2 }, { value })).toEqual([]);
});

test.each([
  ["value", "sk-short"],
  ["value", "0123456789abcdef0123"],
  ["overlap", "1mo"],
  ["overlap", "soon"],
  ["expires", "2027-01-01"],
  ["expires", "30d"],
  ["generation", 0],
  ["alias", ""],
  ["metadata", { managed_by: "me" }],
  ["rpmLimit", -1],
  ["guardrails", []],
])("refuses %s: %j", (property, value) => {
  const given = { alias: "bot", [property]: value };
  expect(definition.inputs.safeParse(given).success).toBe(false);
});

test("a value is always secret", () => {
  expect(definition.secretOutputs).toEqual(["value"]);
});
