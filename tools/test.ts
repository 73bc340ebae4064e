/**
 * `npm test [-- vitest arguments]`: unit, component, provider, conformance and
 * engine tests; ends with a line of counts. In CI a skipped test fails the run.
 *
 * Without arguments they run in two lanes at once, so that one computes while the other waits.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, createReadStream, openSync, readFileSync, rmSync } from "node:fs";
import { setPriority } from "node:os";
import { pipeline } from "node:stream/promises";

import { dockerEngine, labEnvironment, PROBLEM_VARIABLE } from "../test/lab/environment.ts";
import { ensureLabImages } from "../test/lab/lab.ts";
import { HALF_VARIABLE } from "../test/support/ports.ts";
import { planLanes } from "./test-lanes.ts";
import { countResults, type TestCounts } from "./test-results.ts";
import { ensureToolchain } from "./toolchain.ts";

const PROJECTS_WITHOUT_DOCKER = ["unit", "components"];
/** Of the lane in the background, between everybody's 0 and 19: it gets on, and the other one first. */
const LOW_PRIORITY = 5;

const argv = process.argv.slice(2);
const { environment: toolchain } = await ensureToolchain();
const environment = { ...process.env, ...toolchain };
Object.assign(environment, labEnvironment(environment), await prepareDocker());

const running = new Set<ChildProcess>();
// Ctrl-C reaches them without us: the terminal sends it to all of its foreground processes.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
  });
}

const counts = await (argv.length > 0 ? Promise.all([runVitest("test-run", argv)]) : runLanes());
const sum = (name: keyof TestCounts) => counts.reduce((total, found) => total + found[name], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
const skippedInCi = process.env["CI"] !== undefined && skipped > 0;
if (skippedInCi) {
  console.error("a test was skipped: in CI every test must run");
}
process.exit(failed === 0 && !skippedInCi ? 0 : 1);

function runLanes(): Promise<TestCounts[]> {
  const { foreground, background } = planLanes();
  return Promise.all([
    runVitest("test-foreground", foreground, { variables: { [HALF_VARIABLE]: "0" } }),
    runVitest("test-background", background, {
      variables: { [HALF_VARIABLE]: "1" },
      inBackground: true,
    }),
  ]);
}

/**
 * Runs vitest with arguments and returns what came of it.
 *
 * @param name of the files in `.toolchain` that it leaves behind
 * @param options `inBackground`: at a lower priority, its output held back until it has ended;
 *   `variables` for its environment
 */
async function runVitest(
  name: string,
  arguments_: readonly string[],
  {
    inBackground = false,
    variables = {},
  }: { inBackground?: boolean; variables?: Readonly<Record<string, string>> } = {},
): Promise<TestCounts> {
  const results = `.toolchain/${name}.json`;
  const output = `.toolchain/${name}.log`;
  rmSync(results, { force: true });
  const log = inBackground ? openSync(output, "w") : undefined;
  const child = spawn(
    "node_modules/.bin/vitest",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${results}`, ...arguments_],
    {
      stdio: ["inherit", log ?? "inherit", log ?? "inherit"],
      env: { ...environment, ...variables },
    },
  );
  running.add(child);
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve(code ?? 1);
    });
  });
  if (inBackground && child.pid !== undefined) {
    setPriority(child.pid, LOW_PRIORITY);
    console.error(`other tests run beside these; what they say comes when they end: ${output}`);
  }
  const status = await ended;
  running.delete(child);
  if (log !== undefined) {
    closeSync(log);
    await pipeline(createReadStream(output), process.stdout, { end: false });
  }
  return countResults(readResults(results), status);
}

/** Undefined where vitest ended before it had any. */
function readResults(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** The images that tests run in Docker, where an engine answers; variables that say what is wrong. */
async function prepareDocker(): Promise<Record<string, string>> {
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
