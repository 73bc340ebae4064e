import { globSync } from "node:fs";

import { expect, test } from "vitest";

import { planLanes } from "../../../tools/test-lanes.ts";

test("every file with tests is in one lane, and none in both", () => {
  const { foreground, background } = planLanes();
  expect(foreground).toContain("test/engine/traefik.test.ts");
  expect(background).toContain("test/unit/tools/test-lanes.test.ts");
  const all = globSync("test/**/*.test.ts").map((file) => file.replaceAll("\\", "/"));
  expect([...foreground, ...background].sort()).toEqual(all.sort());
});

test("no file of a lane is found by the name of one in the other, as vitest looks for them", () => {
  const { foreground, background } = planLanes();
  const isFoundBy = (files: readonly string[]) => (file: string) =>
    files.some((name) => file.includes(name));
  expect(foreground.filter(isFoundBy(background))).toEqual([]);
  expect(background.filter(isFoundBy(foreground))).toEqual([]);
});
