import { describe, expect, test } from "vitest";

import {
  type Fields,
  readInputs,
  readServerDefaults,
  writeBody,
  writeChanges,
} from "../../../components/provider/access/fields.ts";
import {
  readMetadata,
  userMetadata,
  writeMetadata,
} from "../../../components/provider/access/metadata.ts";
import { budgetDuration } from "../../../components/provider/access/limits.ts";
import { isOtherStack, nameOwner } from "../../../components/provider/access/owner.ts";

const FIELDS: Fields = {
  maxBudget: { name: "max_budget" },
  alias: { name: "user_alias", unset: "" },
  models: { name: "models", empty: [] },
  blocked: { name: "blocked", empty: false },
  modelRpmLimit: { name: "model_rpm_limit", isInMetadata: true, empty: {} },
  seconds: {
    name: "milliseconds",
    write: (value) => Number(value) * 1000,
    read: (value) => Number(value) / 1000,
  },
};
const EMPTY = { max_budget: null, user_alias: null, models: [], blocked: null, metadata: {} };

describe("the body that makes an object", () => {
  test("has what is given, by LiteLLM's names", () => {
    const inputs = {
      maxBudget: 0,
      models: [],
      blocked: false,
      seconds: 2,
      modelRpmLimit: { a: 1 },
    };
    expect(writeBody(FIELDS, inputs)).toEqual({
      max_budget: 0,
      milliseconds: 2000,
      model_rpm_limit: { a: 1 },
    });
  });
});

describe("the changes of an object", () => {
  test("are none where all means the same", () => {
    const inputs = { maxBudget: 0.3, models: ["a", "b"], blocked: false, seconds: 2 };
    const live = { ...EMPTY, max_budget: 0.1 + 0.2, models: ["b", "a"], milliseconds: 2000 };
    expect(writeChanges(FIELDS, inputs, live)).toEqual({});
  });

  test("are the fields that differ, and no others", () => {
    const live = { ...EMPTY, max_budget: 1, models: ["a"], blocked: true };
    const inputs = { maxBudget: 2, models: ["a"], blocked: true };
    expect(writeChanges(FIELDS, inputs, live)).toEqual({ max_budget: 2 });
  });

  test("unset what the program does not give", () => {
    const live = { ...EMPTY, max_budget: 1, user_alias: "a", models: ["a"], blocked: true };
    expect(writeChanges(FIELDS, { models: [], blocked: false }, live)).toEqual({
      max_budget: null,
      user_alias: "",
      models: [],
      blocked: false,
    });
  });

  test("take a budget of nothing for a budget", () => {
    expect(writeChanges(FIELDS, { maxBudget: 0 }, EMPTY)).toEqual({ max_budget: 0 });
    expect(writeChanges(FIELDS, {}, { ...EMPTY, max_budget: 0 })).toEqual({ max_budget: null });
  });
});

describe("what LiteLLM's settings have filled in", () => {
  const live = { ...EMPTY, max_budget: 7, models: ["a", "b"], user_alias: "x" };
  const inputs = { alias: "x", models: [] };
  const defaults = readServerDefaults(FIELDS, inputs, live);

  test("is what nobody has asked for", () => {
    expect(defaults).toEqual({ maxBudget: 7, models: ["a", "b"] });
  });

  test("is neither drift nor changed", () => {
    expect(readInputs(FIELDS, live, inputs, defaults)).toEqual(inputs);
    expect(writeChanges(FIELDS, inputs, live, defaults)).toEqual({});
  });

  test("is drift when somebody makes something else of it", () => {
    const changed = { ...live, max_budget: 8 };
    expect(readInputs(FIELDS, changed, inputs, defaults)).toEqual({ ...inputs, maxBudget: 8 });
    expect(writeChanges(FIELDS, inputs, changed, defaults)).toEqual({ max_budget: null });
  });

  test("gives way to the program", () => {
    expect(writeChanges(FIELDS, { ...inputs, maxBudget: 9 }, live, defaults)).toEqual({
      max_budget: 9,
    });
  });
});

describe("what is read", () => {
  test("is as the program has it where it means the same", () => {
    const known = { models: ["b", "a"], blocked: false, modelRpmLimit: {} };
    expect(readInputs(FIELDS, { ...EMPTY, models: ["a", "b"] }, known)).toEqual(known);
  });

  test("is everything that is set, on import", () => {
    const metadata = { model_rpm_limit: { a: 1 } };
    const live = { ...EMPTY, blocked: true, milliseconds: 2000, metadata };
    expect(readInputs(FIELDS, live)).toEqual({
      blocked: true,
      seconds: 2,
      modelRpmLimit: { a: 1 },
    });
  });

  test("shows what is gone", () => {
    expect(readInputs(FIELDS, EMPTY, { maxBudget: 1, models: ["a"] })).toEqual({});
  });

  test("does without metadata", () => {
    expect(readInputs(FIELDS, { metadata: null })).toEqual({});
  });
});

describe("metadata", () => {
  const owner = "pulumi:gateway/dev:access-team-search";
  const own = { team_member_budget_id: "b", guardrails: ["g"], scim_enterprise: {} };

  test("of the user is what is neither LiteLLM's nor the owner's", () => {
    expect(readMetadata({ ...own, managed_by: owner, a: 1 })).toEqual({ a: 1 });
    expect(readMetadata(null)).toEqual({});
  });

  test("is the user's where the program names a key of LiteLLM's", () => {
    expect(readMetadata({ tags: ["a"], guardrails: [] }, { tags: [] })).toEqual({ tags: ["a"] });
  });

  test("is sent only where it differs", () => {
    const live = { metadata: { ...own, a: 1, managed_by: owner } };
    expect(writeMetadata(FIELDS, { metadata: { a: 1 } }, live, { owner })).toEqual({});
    expect(writeMetadata(FIELDS, { metadata: { a: 1, b: null } }, live, { owner })).toEqual({});
  });

  test("is sent as a whole, with what LiteLLM keeps there", () => {
    const live = { metadata: { ...own, a: 1, gone: 2, managed_by: owner } };
    expect(writeMetadata(FIELDS, { metadata: { a: 2 } }, live, { owner })).toEqual({
      metadata: { ...own, a: 2, managed_by: owner },
    });
  });

  test("is sent to unset what LiteLLM keeps there", () => {
    const live = { metadata: { ...own, model_rpm_limit: { a: 1 }, managed_by: owner } };
    expect(writeMetadata(FIELDS, { metadata: {} }, live, { owner })).toEqual({
      metadata: { ...own, managed_by: owner },
    });
    const kept = { metadata: {}, modelRpmLimit: { a: 2 } };
    expect(writeMetadata(FIELDS, kept, live, { owner })).toEqual({});
    const serverDefaults = { modelRpmLimit: { a: 1 } };
    expect(writeMetadata(FIELDS, { metadata: {} }, live, { owner, serverDefaults })).toEqual({});
  });

  test("is sent to say whose it is", () => {
    const other = { metadata: { managed_by: "pulumi:gateway/other:x" } };
    expect(writeMetadata(FIELDS, {}, other, { owner })).toEqual({
      metadata: { managed_by: owner },
    });
  });

  test.each([
    ["managed_by", "choose another name"],
    ["model_rpm_limit", "use the property for it"],
    ["team_member_budget_id", "use the property for it"],
  ])("may not hold %s", (key, reason) => {
    const { error } = userMetadata.safeParse({ [key]: 1 });
    expect(error?.issues).toMatchObject([
      { path: [key], message: expect.stringContaining(reason) as unknown },
    ]);
  });
});

test("an owner is told by project, stack and resource", () => {
  const urn = "urn:pulumi:dev::gateway::a:b:C$litellm:access:Team::access-team-a::b";
  const owner = nameOwner({ urn });
  expect(owner).toBe("pulumi:gateway/dev:access-team-a::b");
  expect(isOtherStack({ urn }, owner)).toBe(false);
  expect(isOtherStack({ urn }, "pulumi:gateway/dev:other")).toBe(false);
  expect(isOtherStack({ urn }, "pulumi:gateway/dev2:access-team-a::b")).toBe(true);
});

test.each(["", "0d", "1", "1y", "d", "-1d", "1.5h"])("%j is no duration", (text) => {
  expect(budgetDuration.safeParse(text).success).toBe(false);
});
