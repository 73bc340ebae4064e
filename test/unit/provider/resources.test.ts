import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { resources } from "../../../components/provider/resources.ts";

test("the plugin serves exactly the types that programs declare", () => {
  const declared = ["resources", "machine-resources", "access-resources"].flatMap(
    (name) =>
      readFileSync(`components/${name}.ts`, "utf8").match(/(?<=")litellm:\w+:\w+(?=")/g) ?? [],
  );
  expect(resources.map(({ token }) => token).sort()).toEqual(declared.sort());
});
