/**
 * `npm run generate`: writes the files that follow from others.
 * `--check` writes nothing and fails when a committed file differs.
 * `--keys` reads LiteLLM's keys anew off the package that the Python given by LITELLM_PYTHON sees.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { format } from "prettier";

import { buildSettingsSchema } from "../stacks/settings/settings-schema.ts";

const { values: options } = parseArgs({
  options: { check: { type: "boolean" }, keys: { type: "boolean" } },
});

const files: Record<string, unknown> = {
  "stacks/settings.schema.json": buildSettingsSchema(),
  ...(options.keys === true && { "stacks/settings/litellm-keys.json": readLitellmKeys() }),
};

const stale: string[] = [];
for (const [path, content] of Object.entries(files)) {
  const text = await format(JSON.stringify(content), { filepath: path, printWidth: 100 });
  if (text === readIfPresent(path)) continue;
  stale.push(path);
  if (options.check !== true) writeFileSync(path, text);
}
for (const path of stale) {
  console.log(options.check === true ? `${path} is out of date: run npm run generate` : path);
}
process.exitCode = options.check === true && stale.length > 0 ? 1 : 0;

function readLitellmKeys(): unknown {
  const python = process.env["LITELLM_PYTHON"];
  if (python === undefined) {
    throw new Error("set LITELLM_PYTHON to the Python of an environment that holds LiteLLM");
  }
  const keys = execFileSync(python, ["tools/litellm-keys.py"], {
    encoding: "utf8",
    maxBuffer: 2 ** 25,
  });
  return JSON.parse(keys);
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
