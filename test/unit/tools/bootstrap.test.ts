import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

const PLATFORM = { os: [process.platform], cpu: [process.arch] };

let checkout: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "check out "));
  mkdirSync(join(checkout, "bin"));
  mkdirSync(join(checkout, "tools"));
  for (const file of ["bootstrap.mjs", "file-lock.mjs", "report-errors.mjs"]) {
    cpSync(join("tools", file), join(checkout, "tools", file));
  }
  const scripts = { hello: "node tools/bootstrap.mjs hello", format: "prettier --write ." };
  write("package.json", JSON.stringify({ type: "module", scripts }));
  lockPackages({ "node_modules/a": { version: "1.0.0" } });
  write("bin/pinned-node", `#!/bin/sh\nPINNED=yes exec '${process.execPath}' "$@"\n`);
  chmodSync(join(checkout, "bin/pinned-node"), 0o755);
  // Does what npm ci does, as far as anybody looks: records what it installed.
  write(
    "bin/npm",
    `#!/bin/sh\necho "$@" >> npm.log\nmkdir -p node_modules/pinned/bin\ncp package-lock.json node_modules/.package-lock.json\ncp bin/pinned-node node_modules/pinned/bin/node\n`,
  );
  chmodSync(join(checkout, "bin/npm"), 0o755);
  write(
    "tools/hello.ts",
    "const words: string[] = process.argv.slice(2); console.log(JSON.stringify({ words, pinned: process.env['PINNED'], path: process.env['PATH']?.split(':')[0], folder: process.cwd() }));",
  );
});

afterEach(() => {
  rmSync(checkout, { recursive: true });
});

function write(path: string, text: string): void {
  writeFileSync(join(checkout, path), text);
}

function lockPackages(packages: object): void {
  const pinned = { version: "24.0.0", optional: true, ...PLATFORM, bin: { node: "bin/node" } };
  const all = { "": { name: "root" }, "node_modules/pinned": pinned, ...packages };
  write("package-lock.json", JSON.stringify({ packages: all }));
}

const environment = () => ({
  ...process.env,
  PATH: [join(checkout, "bin"), process.env["PATH"]].join(delimiter),
});

function bootstrap(...commandArguments: string[]) {
  return spawnSync(process.execPath, [join(checkout, "tools/bootstrap.mjs"), ...commandArguments], {
    cwd: tmpdir(),
    encoding: "utf8",
    env: environment(),
  });
}

function countInstallations(): number {
  const log = join(checkout, "npm.log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
}

test("installs the packages once and runs the command in the checkout", () => {
  const { status, stdout, stderr } = bootstrap("hello", "two words", "--flag");
  expect(stderr).toMatch(
    /^installing the npm packages of package-lock\.json …\ninstalled in \d+ s\n$/,
  );
  expect(JSON.parse(stdout)).toEqual({
    words: ["two words", "--flag"],
    pinned: "yes",
    path: join(checkout, "node_modules/.bin"),
    folder: checkout,
  });
  expect(status).toBe(0);
  expect(bootstrap("hello").stderr).toBe("");
  expect(countInstallations()).toBe(1);
});

test("installs again when package-lock.json asks for something else", () => {
  bootstrap("hello");
  lockPackages({
    "node_modules/a": { version: "1.0.0" },
    "node_modules/others": { version: "1.0.0", optional: true, os: ["aix"], cpu: ["ppc64"] },
  });
  // npm leaves out what is another platform's.
  const installed = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
    packages: Record<string, unknown>;
  };
  delete installed.packages["node_modules/others"];
  write("node_modules/.package-lock.json", JSON.stringify(installed));
  bootstrap("hello");
  expect(countInstallations()).toBe(1);
  lockPackages({ "node_modules/a": { version: "1.0.1" } });
  bootstrap("hello");
  expect(countInstallations()).toBe(2);
  lockPackages({
    "node_modules/a": { version: "1.0.1" },
    "node_modules/ours": { version: "1.0.0", optional: true, ...PLATFORM },
  });
  bootstrap("hello");
  expect(countInstallations()).toBe(3);
});

test("runs on the Node.js at hand where npm brings none for the platform", () => {
  lockPackages({
    "node_modules/pinned": { version: "24.0.0", optional: true, os: "aix", cpu: "ppc64" },
  });
  const { status, stdout } = bootstrap("hello");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).not.toHaveProperty("pinned");
});

test("names the commands there are", () => {
  expect(bootstrap("nonsense").stderr).toBe(
    'error: there is no command "nonsense"; there are: npm run hello\n',
  );
  const { status, stderr } = bootstrap();
  expect(stderr).toBe("error: no command is given; there are: npm run hello\n");
  expect(status).toBe(1);
  expect(countInstallations()).toBe(0);
});

test("says so when npm fails, and installs the next time", () => {
  write("bin/npm", "#!/bin/sh\necho 'npm error network' >&2\nexit 7\n");
  const { status, stderr } = bootstrap("hello");
  expect(stderr).toContain("npm error network\n");
  expect(stderr).toMatch(
    /error: the npm packages could not be installed; see above, then try again: npm ci\n$/,
  );
  expect(status).toBe(1);
});

test("passes an exit code on, and an error as its message", () => {
  write("tools/hello.ts", "process.exit(42);");
  expect(bootstrap("hello").status).toBe(42);
  write("tools/hello.ts", "throw new Error('the port is taken');");
  const { status, stderr } = bootstrap("hello");
  expect(stderr).toMatch(/error: the port is taken\n$/);
  expect(status).toBe(1);
  write("tools/hello.ts", "null.mistake;");
  expect(bootstrap("hello").stderr).toContain("TypeError");
});

test("hands a request to end over to the command, and leaves Ctrl-C to it", async () => {
  write(
    "tools/hello.ts",
    "process.on('SIGTERM', () => process.exit(9)); setInterval(() => {}, 1000); console.log('ready');",
  );
  const child = spawn(process.execPath, [join(checkout, "tools/bootstrap.mjs"), "hello"], {
    env: environment(),
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGINT");
  child.kill("SIGTERM");
  expect(await exitCode(child)).toBe(9);
});

function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("exit", resolve);
  });
}
