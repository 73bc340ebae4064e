import { execFileSync } from "node:child_process";

import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";

import { renderLitellmConfig } from "../../templates/litellm-config.ts";
import type { LitellmConfigInput } from "../../templates/litellm-config.ts";
import { provideLitellmEnvironment } from "../support/litellm-environment.ts";

let python: string;

beforeAll(async () => {
  ({ python } = await provideLitellmEnvironment());
});

/** Reads documents with the PyYAML of LiteLLM's environment, the way LiteLLM does. */
function readWithPyYaml(texts: readonly string[]): unknown[] {
  const program =
    "import json, sys, yaml; print(json.dumps([yaml.safe_load(t) for t in json.load(sys.stdin)]))";
  const output = execFileSync(python, ["-c", program], {
    input: JSON.stringify(texts),
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(output) as unknown[];
}

function render(metadata: unknown, modelName = "hello"): string {
  const input: LitellmConfigInput = {
    allowNonRegisteredModels: false,
    database: { kind: "none", discardExisting: false },
    requestTimeoutSeconds: 600,
    models: [
      {
        provider: "mock",
        name: modelName,
        mode: "chat",
        response: "hello",
        embedding: [0.1],
        fallbacks: ["other"],
        limits: {},
        cost: {},
        loadBalanced: false,
        params: { metadata },
        modelInfo: {},
      },
    ],
    routerSettings: {},
    litellmSettings: {},
    generalSettings: {},
  };
  return renderLitellmConfig(input);
}

interface Config {
  readonly model_list: readonly [
    { readonly model_name: string; readonly litellm_params: { readonly metadata: unknown } },
  ];
  readonly router_settings: { readonly fallbacks: unknown };
}

function readBack(values: readonly unknown[]): unknown[] {
  const configs = readWithPyYaml(values.map((value) => render(value))) as Config[];
  return configs.map(({ model_list: [model] }) => model.litellm_params.metadata);
}

const trickyTexts = [
  ...["on", "off", "yes", "no", "y", "n", "true", "null", "~", "None", "12:30:45", "12:30"],
  ...[
    "2026-01-02",
    "2026-01-02T03:04:05Z",
    "=",
    "<<",
    "0o14",
    "014",
    "0x1F",
    "0b1",
    "1e3",
    "1_000",
  ],
  ...[".inf", ".nan", "-", "- a", "? a", "a: b", "# a", "a #b", "&a", "*a", "!a", "%a", "@a", "`a"],
  ...[
    "",
    " ",
    " leading",
    "trailing ",
    "tab\t",
    "first\nsecond",
    "first\n\n second\n",
    "\r\n",
    "'",
    '"',
  ],
  ...["\\", "\\u0041", "Grüße", "日本語", "🙂", "\u0000", "\u0007", "\u001b", "\u007f", "\u0085"],
  ...["\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\ud83d", "os.environ/NAME"],
  "a long text of several lines: ".repeat(20) + "\nsecond line\n\n  third line  ",
];

test("tricky texts are read back equal, as values and as keys", () => {
  expect(readBack(trickyTexts)).toEqual(trickyTexts);
  const keyed = trickyTexts.map((text) => ({ [text]: text }));
  expect(readBack(keyed)).toEqual(keyed);
});

test("tricky model names are read back equal, in the list of fallbacks too", () => {
  const names = trickyTexts.filter((text) => text !== "");
  const configs = readWithPyYaml(names.map((name) => render({}, name))) as Config[];
  expect(configs.map(({ model_list: [model] }) => model.model_name)).toEqual(names);
  expect(configs.map(({ router_settings }) => router_settings.fallbacks)).toEqual(
    names.map((name) => [{ [name]: ["other"] }]),
  );
});

test("numbers, booleans and null are read back equal", () => {
  const values = [
    ...[0, -1, 1.5, 1e-7, 2.5e-7, -1e-10, 5e-324, 1e21, 1.2345e25, 1.7976931348623157e308],
    ...[9007199254740991, 0.1, true, false, null, [], {}, [[]], [{}], { a: [] }],
  ];
  expect(readBack(values)).toEqual(values);
});

test("whatever JSON there is, it is read back equal", () => {
  const documents = fc.sample(fc.jsonValue({ stringUnit: "binary" }), { numRuns: 500, seed: 7 });
  const values = documents.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  expect(readBack(values)).toEqual(values);
});
