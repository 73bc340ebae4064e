/**
 * `node tools/bootstrap.mjs <command> [arguments]`: what `npm start` and its like run,
 * on a fresh clone before anything is installed. It installs the npm packages where
 * they are missing or not those of package-lock.json, and hands over to
 * tools/<command>.ts under the Node.js that came with them. The commands are the
 * scripts of package.json that call this file.
 *
 * Needs Node.js 20, and nothing but Node.js.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

import { withFileLock } from "./file-lock.mjs";

const LEAST_NODE = "20.0.0";
/** From here on Node.js runs TypeScript by itself. */
const LEAST_TYPESCRIPT_NODE = "22.18.0";

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(checkout, "node_modules");
const binaries = join(modules, ".bin");

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** @param {string[]} argv */
async function main([command, ...commandArguments]) {
  requireNode(LEAST_NODE, "");
  const scripts = listScripts();
  if (command === undefined || !scripts.some((script) => script.command === command)) {
    const problem =
      command === undefined ? "no command is given" : `there is no command "${command}"`;
    throw new Error(
      `${problem}; there are: ${scripts.map(({ name }) => `npm run ${name}`).join(", ")}`,
    );
  }
  if (!isInstalled()) {
    await withFileLock(join(checkout, ".toolchain", "npm-ci.lock"), announceWait, async () => {
      if (!isInstalled()) {
        await install();
      }
    });
  }
  const reportErrors = new URL("report-errors.mjs", import.meta.url).href;
  const script = join("tools", `${command}.ts`);
  return run(chooseNode(), ["--import", reportErrors, script, ...commandArguments]);
}

/**
 * @param {string} least
 * @param {string} reason
 */
function requireNode(least, reason) {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    throw new Error(
      `this is Node.js ${process.versions.node}; ${reason}install Node.js ${least} or newer: https://nodejs.org`,
    );
  }
}

/** npm's scripts that come here, by the command that each one gives. */
function listScripts() {
  /** @type {unknown} */
  const manifest = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const { scripts } = /** @type {{ scripts: Record<string, string> }} */ (manifest);
  return Object.entries(scripts).flatMap(([name, line]) => {
    const command = /^node tools\/bootstrap\.mjs (\S+)$/.exec(line)?.[1];
    return command === undefined ? [] : [{ name, command }];
  });
}

/**
 * @typedef {{ version?: string, resolved?: string, integrity?: string, optional?: boolean,
 *   os?: string | string[], cpu?: string | string[], libc?: string | string[],
 *   bin?: Record<string, string> }} LockedPackage
 */

/** Whether npm's own record of what it installed agrees with package-lock.json. */
function isInstalled() {
  const installed = readLockedPackages(join(modules, ".package-lock.json"));
  const wanted = readLockedPackages(join(checkout, "package-lock.json"));
  if (wanted === undefined) {
    throw new Error("package-lock.json is missing; get it back: git checkout package-lock.json");
  }
  if (installed === undefined) {
    return false;
  }
  return Object.entries(wanted).every(([path, locked]) => {
    if (path === "") {
      return true;
    }
    const found = installed[path];
    return found === undefined
      ? isForOthers(locked)
      : found.version === locked.version && found.integrity === locked.integrity;
  });
}

/** @param {string} path @returns {Record<string, LockedPackage> | undefined} */
function readLockedPackages(path) {
  try {
    /** @type {unknown} */
    const lock = JSON.parse(readFileSync(path, "utf8"));
    return /** @type {{ packages: Record<string, LockedPackage> }} */ (lock).packages;
  } catch {
    return undefined; // missing, or cut short by a crash
  }
}

/**
 * Whether npm leaves out an optional package here: it is another platform's, or npm
 * alone knows what it depends on.
 *
 * @param {LockedPackage} locked
 */
function isForOthers(locked) {
  return locked.optional === true && !isForUs(locked);
}

/**
 * Whether a package is for this platform in particular.
 *
 * @param {LockedPackage} locked
 */
function isForUs({ os, cpu, libc }) {
  return (
    os !== undefined &&
    cpu !== undefined &&
    libc === undefined &&
    [os].flat().includes(process.platform) &&
    [cpu].flat().includes(process.arch)
  );
}

async function install() {
  const started = Date.now();
  console.error("installing the npm packages of package-lock.json …");
  /** @type {number | null} */
  const code = await new Promise((resolve, reject) => {
    // The packages need no install scripts, and their wish for a newer Node.js is met by the one that comes with them.
    const npm = spawn(
      "npm",
      [
        "ci",
        "--engine-strict=false",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
      ],
      { cwd: checkout, stdio: ["ignore", "ignore", "inherit"] },
    );
    npm.once("error", (error) => {
      reject(
        new Error(
          `npm cannot be started (${error.message}); it comes with Node.js: https://nodejs.org`,
        ),
      );
    });
    npm.once("close", resolve);
  });
  if (code !== 0) {
    throw new Error("the npm packages could not be installed; see above, then try again: npm ci");
  }
  console.error(`installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** The Node.js that came with the packages; else the one we run on, where it is new enough. */
function chooseNode() {
  const link = join(binaries, "node");
  const pinned = findPinnedNode();
  if (pinned === undefined) {
    requireNode(
      LEAST_TYPESCRIPT_NODE,
      `npm has no Node.js for ${process.platform}-${process.arch} to bring along; `,
    );
    return process.execPath;
  }
  if (!existsSync(link)) {
    // npm 10 links every program but this one.
    mkdirSync(binaries, { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(relative(binaries, pinned), link);
  }
  return link;
}

function findPinnedNode() {
  const packages = readLockedPackages(join(checkout, "package-lock.json")) ?? {};
  return Object.entries(packages)
    .flatMap(([path, locked]) =>
      locked.bin?.["node"] !== undefined && isForUs(locked)
        ? [join(checkout, path, locked.bin["node"])]
        : [],
    )
    .find((program) => existsSync(program));
}

/** @param {number} holder */
function announceWait(holder) {
  console.error(`waiting for process ${holder}, which installs the npm packages …`);
}

/**
 * Runs a program to its end, as if it were this one.
 *
 * @param {string} program
 * @param {string[]} programArguments
 * @returns {Promise<number>} its exit code
 */
function run(program, programArguments) {
  const child = spawn(program, programArguments, {
    cwd: checkout,
    stdio: "inherit",
    env: {
      ...process.env,
      PATH: [binaries, process.env["PATH"]].filter(Boolean).join(delimiter),
    },
  });
  // Ctrl-C reaches the child without us: the terminal sends it to all of its foreground processes.
  process.on("SIGINT", () => undefined);
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGQUIT"])) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
