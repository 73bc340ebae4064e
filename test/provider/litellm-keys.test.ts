import { execFileSync } from "node:child_process";

import { expect, test } from "vitest";

import keyList from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { provideLitellmEnvironment } from "../support/litellm-environment.ts";

test("the key list is that of the locked LiteLLM", async () => {
  const { python } = await provideLitellmEnvironment();
  const output = execFileSync(python, ["tools/litellm-keys.py"], {
    encoding: "utf8",
    maxBuffer: 2 ** 25,
  });
  expect(JSON.parse(output)).toEqual(keyList);
});
