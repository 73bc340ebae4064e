/**
 * `npm test [-- vitest arguments]`: unit, component, provider, conformance and
 * engine tests; ends with a line of counts. In CI a skipped test fails the run.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

import { dockerEngine, labEnvironment, PROBLEM_VARIABLE } from "../test/lab/environment.ts";
import { ensureLabImages } from "../test/lab/lab.ts";
import { ensureToolchain } from "./toolchain.ts";

const RESULTS = ".toolchain/test-results.json";
const PROJECTS_WITHOUT_DOCKER = ["unit", "components"];

const { environment: toolchain } = await ensureToolchain();
const environment = { ...process.env, ...toolchain };
Object.assign(environment, labEnvironment(environment), await prepareDocker());
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
  { stdio: "inherit", env: environment },
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

/** The images that tests run in Docker, where an engine answers; variables that say what is wrong. */
async function prepareDocker(): Promise<Record<string, string>> {
  const argv = process.argv.slice(2);
  const projects = argv.flatMap((argument, index) =>
    argument === "--project" ? [argv[index + 1] ?? ""] : [],
  );
  const isWithoutDocker =
    projects.length > 0 && projects.every((name) => PROJECTS_WITHOUT_DOCKER.includes(name));
  if (isWithoutDocker || !dockerEngine().available) {
    return {};
  }
  try {
    await ensureLabImages((line) => {
      console.error(line);
    });
    return {};
  } catch (error) {
    const { message } = error as Error;
    console.error(message);
    return { [PROBLEM_VARIABLE]: `needs the lab's images: npm run lab (${message})` };
  }
}
