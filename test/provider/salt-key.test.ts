import { expect, test } from "vitest";

import { saltKey } from "../../components/provider/litellm/salt-key.ts";
import { operationContext } from "../support/operation-context.ts";

const { context } = operationContext();
const value = "8Qm2rTzVb7LkXw5NcPd3JhFs6GyAe9Ku";
const outputs = { value, fingerprint: "7751a78a5293" };

test("is known by its fingerprint", async () => {
  expect(await saltKey.create(context, { value })).toEqual({ id: outputs.fingerprint, outputs });
  expect(
    await saltKey.read(context, outputs.fingerprint, { inputs: { value }, outputs: {} }),
  ).toEqual({
    inputs: { value },
    outputs,
  });
});

test("stays the same key", () => {
  expect(saltKey.check({ value }, undefined)).toEqual([]);
  expect(saltKey.check({ value }, { value })).toEqual([]);
});

test("refuses another key and says how to get the old one back", () => {
  expect(saltKey.check({ value: "another" }, { value })).toEqual([
    {
      property: "value",
      reason:
        "the salt key cannot be changed: what is stored in the database would be unreadable; put the " +
        "old value back: `pulumi config set --secret saltKey`, or, if there was none, remove the " +
        "override: `pulumi config rm saltKey`",
    },
  ]);
});

test("is never replaced, and always secret", () => {
  expect("replaceOnChanges" in saltKey).toBe(false);
  expect(saltKey.secretOutputs).toEqual(["value"]);
});

test("cannot be imported: its value is nowhere to be read", async () => {
  expect(
    await saltKey.read(context, outputs.fingerprint, { inputs: {}, outputs: {} }),
  ).toBeUndefined();
});
