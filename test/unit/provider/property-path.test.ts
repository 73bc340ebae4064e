import { expect, test } from "vitest";

import {
  formatPath,
  isWithin,
  parsePath,
} from "../../../components/provider/server/property-path.ts";

test.each([
  [["command"], "command"],
  [["environment", "FOO"], "environment.FOO"],
  [["command", 0], "command[0]"],
  [["labels", "traefik.enable"], 'labels["traefik.enable"]'],
  [["a.b", 'say "hi"', 3, "x-y"], '["a.b"]["say \\"hi\\""][3].x-y'],
])("%j is written %s, and read back", (path, text) => {
  expect(formatPath(path)).toBe(text);
  expect(parsePath(text)).toEqual(path);
});

test.each([
  ["environment.FOO", "environment", true],
  ["environment.FOO", "environment.FOO", true],
  ["environment.FOO", "environment.*", true],
  ["environment.FOO", 'environment["*"]', true],
  ["command[2]", "command[*]", true],
  ["environment.FOO", "environment.FOOD", false],
  ["environment", "environment.FOO", false],
])("%s within %s: %s", (path, pattern, expected) => {
  expect(isWithin(parsePath(path), parsePath(pattern))).toBe(expected);
});
