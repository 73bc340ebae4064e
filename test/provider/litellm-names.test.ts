import { execFileSync } from "node:child_process";

import { beforeAll, expect, test } from "vitest";

import { alertTypes } from "../../stacks/settings/alerting-settings.ts";
import { callbackNeeds } from "../../stacks/settings/callback-settings.ts";
import { provideLitellmEnvironment } from "../support/litellm-environment.ts";

const PROGRAM = `
import json, litellm
from litellm.types.integrations.slack_alerting import AlertType
print(json.dumps([[t.value for t in AlertType], litellm._known_custom_logger_compatible_callbacks]))
`;

let known: readonly [alerts: readonly string[], callbacks: readonly string[]];

beforeAll(async () => {
  const { python } = await provideLitellmEnvironment();
  const output = execFileSync(python, ["-c", PROGRAM], {
    encoding: "utf8",
    env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
  });
  known = JSON.parse(
    output.split("\n").findLast((line) => line.startsWith("[")) ?? "",
  ) as typeof known;
});

test("every kind of alert is one that the pinned LiteLLM has", () => {
  expect(alertTypes.filter((name) => !known[0].includes(name))).toEqual([]);
});

test("every callback is one that the pinned LiteLLM has", () => {
  const names = Object.values(callbackNeeds).map(({ name }) => name);
  expect(names.filter((name) => !known[1].includes(name))).toEqual([]);
});
