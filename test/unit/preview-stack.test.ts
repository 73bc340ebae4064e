import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { previewStack } from "../../tools/preview/stack-preview.ts";

const STATE_SECRET = "generated-password-of-the-state";
const SETTING_SECRET = "key-that-the-user-has-set";
const TYPE = "litellm:host:File";

const STATE = {
  deployment: {
    resources: [
      {
        type: TYPE,
        inputs: {
          password: {
            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
            plaintext: JSON.stringify(STATE_SECRET),
          },
        },
      },
    ],
  },
};
const SETTINGS = {
  "litellm-gateway:models": { value: "[]", objectValue: [], secret: false },
  "litellm-gateway:openaiApiKey": { value: SETTING_SECRET, secret: true },
};
const DIGEST = {
  steps: [
    {
      op: "update",
      urn: "urn:pulumi:test::litellm-gateway::File::leaky",
      oldState: { type: TYPE, inputs: { content: `password: ${STATE_SECRET}\nport: 1\n` } },
      newState: { type: TYPE, inputs: { content: `password: ${STATE_SECRET}\nport: 2\n` } },
      detailedDiff: { content: { kind: "update" } },
    },
  ],
  diagnostics: [{ severity: "error", message: `login with ${SETTING_SECRET} failed` }],
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "preview stack "));
  writeFileSync(join(folder, "Pulumi.test.yaml"), "config: {}\n");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A preview by a CLI that hides nothing, and writes to the settings file that it is given. */
function previewWith(answers: Readonly<Record<string, string | undefined>>, exitCode = 0) {
  const pulumi = join(folder, "pulumi");
  const lines = Object.entries(answers).map(([pattern, answer], index) => {
    if (answer === undefined) {
      return "";
    }
    const file = join(folder, `answer-${index}`);
    writeFileSync(file, answer);
    return `${pattern}) cat '${file}'; exit ${pattern.includes("preview") ? exitCode : 0} ;;`;
  });
  const script = `#!/bin/sh
for argument; do case "$argument" in *.yaml) echo "encryptionsalt: x" >> "$argument" ;; esac; done
case "$*" in
  ${lines.join("\n  ")}
esac
echo "error: $* is not known, nor is ${STATE_SECRET}" >&2
exit 1
`;
  writeFileSync(pulumi, script);
  chmodSync(pulumi, 0o755);
  return previewStack({
    stack: "test",
    settingsFile: join(folder, "Pulumi.test.yaml"),
    pulumi,
    environment: process.env,
  });
}

const answers = {
  '"stack export --show-secrets "*': JSON.stringify(STATE),
  '"config --json --show-secrets "*': JSON.stringify(SETTINGS),
  '"preview "*" --json "*': JSON.stringify(DIGEST),
  '"preview "*" --diff "*': `~ password: ${STATE_SECRET}, key: ${SETTING_SECRET}`,
};

test("hides every secret of state and settings, also where Pulumi does not", async () => {
  const { report, text } = await previewWith(answers, 1);
  expect(report.errors).toEqual(["login with [secret] failed"]);
  expect(report.changes[0]?.properties[0]?.difference).toBe(
    "@@ -1 +1 @@\n password: [secret]\n-port: 1\n+port: 2",
  );
  expect(text).toBe("~ password: [secret], key: [secret]");
  expect(JSON.stringify(report)).not.toMatch(new RegExp(`${STATE_SECRET}|${SETTING_SECRET}`));
});

test("leaves the settings file as it is", async () => {
  await previewWith(answers);
  expect(readFileSync(join(folder, "Pulumi.test.yaml"), "utf8")).toBe("config: {}\n");
});

test("fails with what the CLI says, secrets hidden, when it prints nothing to read", async () => {
  const silent = await previewWith({ ...answers, '"preview "*" --json "*': "" }, 4);
  expect(silent.report).toMatchObject({
    outcome: "failed",
    errors: ["pulumi ended with exit code 4"],
  });
  const { report } = await previewWith({
    ...answers,
    '"preview "*" --json "*': undefined,
  });
  expect(report.errors[0]).toMatch(/^preview .* --json .* is not known, nor is \[secret\]$/);
});
