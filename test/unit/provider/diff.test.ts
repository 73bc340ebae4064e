import { describe, expect, test } from "vitest";

import { listChanges, planChanges } from "../../../components/provider/server/diff.ts";
import { formatPath } from "../../../components/provider/server/property-path.ts";
import type { Properties, ResourceDefinition } from "../../../components/provider/resource.ts";
import { UNKNOWN } from "../../../components/provider/server/wire.ts";

const summarise = (before: unknown, after: unknown) =>
  listChanges(before, after).map(({ path, kind }) => `${kind} ${formatPath(path)}`);

describe("changes", () => {
  test("are the innermost places only", () => {
    expect(
      summarise(
        { environment: { A: "1", B: "2", "c.d": "3" }, command: ["x", "y"], port: 1 },
        { environment: { A: "1", B: "9", E: "5" }, command: ["x", "z", "w"], port: 1 },
      ),
    ).toEqual([
      "update environment.B",
      'delete environment["c.d"]',
      "add environment.E",
      "update command[1]",
      "add command[2]",
    ]);
  });

  test("none between equal values", () => {
    const value = { a: [{ b: null }], c: "" };
    expect(summarise(value, structuredClone(value))).toEqual([]);
  });

  test("another type is a change of the whole value", () => {
    expect(summarise({ a: ["x"], b: null, c: 1 }, { a: { 0: "x" }, b: {}, c: "1" })).toEqual([
      "update a",
      "update b",
      "update c",
    ]);
  });

  test("a value that is not known yet is a change", () => {
    expect(summarise({ a: "x" }, { a: UNKNOWN })).toEqual(["update a"]);
  });
});

describe("a plan", () => {
  const definition = {
    replaceOnChanges: ["name"],
    update: () => Promise.resolve({}),
    drift: ({ running }: Properties) => (running === true ? [] : ["running"]),
  } as unknown as ResourceDefinition;

  const same = { name: "a", environment: { A: "1" } };

  const plan = (
    change: { inputs: Properties; outputs?: Properties; ignored?: string[] },
    overrides: object = {},
  ) =>
    planChanges(
      { ...definition, ...overrides },
      {
        recorded: { inputs: same, outputs: {} },
        observed: { inputs: same, outputs: change.outputs ?? { running: true } },
        inputs: change.inputs,
      },
      change.ignored ?? [],
    );
  test("replaces for the inputs that say so, and updates for the others", () => {
    expect(plan({ inputs: { name: "b", environment: { A: "2" } } })).toEqual([
      { path: ["name"], kind: "update", replaces: true, ofInputs: true },
      { path: ["environment", "A"], kind: "update", replaces: false, ofInputs: true },
    ]);
  });

  test("replaces for everything where nothing can be updated", () => {
    const inputs = { ...same, environment: {} };
    expect(plan({ inputs }, { update: undefined }).map(({ replaces }) => replaces)).toEqual([true]);
  });

  test("names what has drifted", () => {
    expect(plan({ inputs: same, outputs: { running: false } })).toEqual([
      { path: ["running"], kind: "update", replaces: false, ofInputs: false },
    ]);
  });

  test("keeps away from what the user ignores", () => {
    const change = {
      inputs: { name: "b", environment: { A: "2", B: "3" } },
      outputs: { running: false },
    };
    expect(plan({ ...change, ignored: ["environment.A", "name", "running"] })).toEqual([
      { path: ["environment", "B"], kind: "add", replaces: false, ofInputs: true },
    ]);
    expect(plan({ ...change, ignored: ["environment", "name", "running"] })).toEqual([]);
  });
});
