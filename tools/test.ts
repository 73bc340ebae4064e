/**
 * `npm test [-- vitest arguments]`: unit, component, provider, conformance and
 * engine tests; ends with a line of counts. In CI a skipped test fails the run.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

import { ensureToolchain } from "./toolchain.ts";

const RESULTS = ".toolchain/test-results.json";

const { environment } = await ensureToolchain();
rmSync(RESULTS, { force: true });
const { status } = spawnSync(
  "node_modules/.bin/vitest",
  [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${RESULTS}`,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", env: { ...process.env, ...environment } },
);
const results = JSON.parse(readFileSync(RESULTS, "utf8")) as {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { name: string; status: string; assertionResults: { status: string }[] }[];
};
// A file that breaks before its first test counts as one failure.
const brokenFiles = results.testResults.filter(
  ({ status, assertionResults }) =>
    status === "failed" && assertionResults.every((test) => test.status !== "failed"),
).length;
const failed = results.numFailedTests + brokenFiles;
const skipped = results.numPendingTests + results.numTodoTests;
console.log(
  `${results.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
);
const skippedInCi = process.env["CI"] !== undefined && skipped > 0;
if (skippedInCi) {
  console.error("a test was skipped: in CI every test must run");
}
process.exit(status === 0 && failed === 0 && !skippedInCi ? 0 : 1);
