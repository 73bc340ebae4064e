/**
 * `npm run preview:ci -- [--stack NAME ...]`: previews stacks for a machine that deploys nothing,
 * by default every one with a `Pulumi.<stack>.yaml`. Needs no terminal and no access to what is
 * deployed: it compares with the state. Writes `.preview/summary.md` and `.json`, and for each
 * stack `.preview/stacks/<stack>.md`, `.json` and `.txt`, all without secrets.
 *
 * Exit code, of several stacks that of the worst: 0 nothing changes, 2 something changes,
 * 3 data, a key or what is protected would be lost, 1 error (the worst: who knows what changes).
 */
import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { renderMarkdown } from "./preview/markdown.ts";
import { previewStack } from "./preview/stack-preview.ts";
import { type Outcome, OUTCOMES, type StackReport } from "./preview/stack-report.ts";
import { ensureStateBackend } from "./state-backend.ts";
import { ensureToolchain } from "./toolchain.ts";

/** Like those of `terraform plan -detailed-exitcode`, and one more. */
const EXIT_CODES: Readonly<Record<Outcome, number>> = {
  unchanged: 0,
  changed: 2,
  destructive: 3,
  failed: 1,
};
const FOLDER = ".preview";

const settingsFiles = new Map(
  readdirSync(".").flatMap((file) => {
    const [, stack] = /^Pulumi\.(.+)\.ya?ml$/.exec(file) ?? [];
    return stack === undefined ? [] : [[stack, file]];
  }),
);
const stacks = (readStackNames() ?? [...settingsFiles.keys()].sort()).map((stack) => {
  const settingsFile = settingsFiles.get(stack);
  if (settingsFile === undefined) {
    throw new Error(
      `there is no Pulumi.${stack}.yaml; make the stack: npm run pulumi -- stack init ${stack}`,
    );
  }
  return { stack, settingsFile };
});

const toolchain = await ensureToolchain();
const variables = { ...process.env, ...toolchain.environment };
const environment = { ...variables, ...ensureStateBackend(variables) };

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(join(FOLDER, "stacks"), { recursive: true });
const reports: StackReport[] = [];
for (const { stack, settingsFile } of stacks) {
  const { pulumi } = toolchain;
  const { report, text } = await previewStack({ stack, settingsFile, pulumi, environment });
  reports.push(report);
  console.log(`${text.trimEnd()}\n\nstack ${stack}: ${report.outcome}\n`);
  const file = join(FOLDER, "stacks", stack);
  writeFileSync(`${file}.json`, formatJson(report));
  writeFileSync(`${file}.md`, renderMarkdown([report]));
  writeFileSync(`${file}.txt`, text);
}
const outcome = OUTCOMES[Math.max(...reports.map((report) => OUTCOMES.indexOf(report.outcome)))];
const exitCode = EXIT_CODES[outcome ?? "failed"];
writeFileSync(join(FOLDER, "summary.json"), formatJson({ outcome, exitCode, stacks: reports }));
writeFileSync(join(FOLDER, "summary.md"), renderMarkdown(reports));
const stepSummary = process.env["GITHUB_STEP_SUMMARY"] ?? "";
if (stepSummary !== "") {
  appendFileSync(stepSummary, renderMarkdown(reports));
}
process.exitCode = exitCode;

function readStackNames(): string[] | undefined {
  try {
    return parseArgs({ options: { stack: { type: "string", multiple: true } } }).values.stack;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; it goes: npm run preview:ci -- [--stack NAME ...]`);
  }
}

function formatJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
