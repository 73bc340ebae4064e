import { afterAll, beforeAll, expect, test } from "vitest";

import { openStack, type TestStack } from "./stack.ts";

let stack: TestStack;
let first: Record<string, unknown>;

beforeAll(async () => {
  stack = await openStack("random");
  stack.configure({ generation: "1" });
  await stack.up();
  first = await stack.outputs();
});

afterAll(async () => {
  await stack.close();
});

test("makes values of the wanted shape", () => {
  expect(first).toEqual({
    kept: expect.stringMatching(/^.{32}$/) as string,
    password: expect.stringMatching(/^.{24}$/) as string,
    string: expect.stringMatching(/^[A-Za-z0-9]{12}$/) as string,
    bytes: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    id: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
    integer: expect.any(Number) as number,
    pet: expect.stringMatching(/^[a-z]+-[a-z]+$/) as string,
    shuffled: [
      expect.stringMatching(/^[abc]$/) as string,
      expect.stringMatching(/^[abc]$/) as string,
    ],
    uuid: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    uuid4: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/) as string,
    uuid7: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
  });
});

test("changes nothing when nothing changed", async () => {
  expect(await stack.preview("--expect-no-changes")).toEqual([]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
  await stack.up();
  expect(await stack.outputs()).toEqual(first);
});

test("keeps secrets out of the state file, and the official defaults in it", async () => {
  const state = stack.stateFile();
  for (const secret of [first["kept"], first["password"], first["bytes"]]) {
    expect(state).not.toContain(JSON.stringify(secret).slice(1, -1));
  }
  const { inputs, outputs } = await stack.resource("kept");
  const defaults = { lower: true, upper: true, numeric: true, special: true, minLower: 0 };
  expect(inputs).toMatchObject({ length: 32 });
  expect(outputs).toMatchObject({
    ...defaults,
    minUpper: 0,
    minNumeric: 0,
    minSpecial: 0,
    length: 32,
  });
});

test("replaces what has a keeper that changed, and nothing else", async () => {
  stack.configure({ generation: "2" });
  const steps = await stack.preview();
  const replaced = steps.filter(({ op }) => op === "replace");
  expect(new Set(replaced.map(({ name }) => name))).toEqual(
    new Set([
      "password",
      "string",
      "bytes",
      "id",
      "integer",
      "pet",
      "shuffled",
      "uuid",
      "uuid4",
      "uuid7",
    ]),
  );
  expect(replaced.every(({ changed }) => changed.every((path) => path.startsWith("keepers")))).toBe(
    true,
  );
  await stack.up();
  const second = await stack.outputs();
  expect(second["kept"]).toBe(first["kept"]);
  expect(second["password"]).not.toBe(first["password"]);
  expect(second["uuid"]).not.toBe(first["uuid"]);
  expect(await stack.preview("--expect-no-changes")).toEqual([]);
});

test("takes over a value that exists", async () => {
  const value = "5c7a2d1e-2d4e-4e49-8f0a-3d2e54b9c6aa";
  const { code, output } = await stack.run(
    ...["import", "random:index/randomUuid:RandomUuid", "imported", value],
    ...["--yes", "--protect=false", "--generate-code=false"],
  );
  expect(code, output).toBe(0);
  expect((await stack.resource("imported")).outputs["result"]).toBe(value);
});
