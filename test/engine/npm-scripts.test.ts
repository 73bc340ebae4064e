import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";

import { findPortHolder } from "../../components/provider/host/process-table.ts";
import { findFreePort } from "../support/ports.ts";

const run = promisify(execFile);

const COPIED = [
  ...["package.json", "package-lock.json", ".npmrc", "Pulumi.yaml"],
  ...["stacks", "components", "templates", "tools"],
];

let folder: string;
let proxyPort: number;

/** The environment of a user who has never heard of Pulumi. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_")),
);

const npm = async (...arguments_: string[]): Promise<string> =>
  (await run("npm", ["run", "--silent", ...arguments_], { cwd: folder, env: environment })).stdout;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "checkout with spaces "));
  chmodSync(folder, 0o755);
  for (const name of COPIED) {
    cpSync(name, join(folder, name), {
      recursive: true,
      filter: (source) => !source.endsWith("tools/toolchain/bin"),
    });
  }
  for (const name of ["node_modules", ".toolchain"]) {
    symlinkSync(resolve(name), join(folder, name));
  }
  proxyPort = await findFreePort();
  const settings = {
    "litellm-gateway:deployment": { topology: "local", proxyPort, protect: false },
    "litellm-gateway:database": { kind: "embedded", port: await findFreePort() },
    "litellm-gateway:models": [{ name: "hello", provider: "mock" }],
  };
  writeFileSync(join(folder, "Pulumi.trial.yaml"), stringify({ config: settings }));
});

afterAll(async () => {
  await npm("down", "trial").catch(() => undefined);
  rmSync(folder, { recursive: true });
});

test("npm start deploys, and prints a curl line that works", async () => {
  const output = await npm("start", "trial");
  expect(output).toContain(`gateway   http://127.0.0.1:${proxyPort}\n`);
  expect(output).not.toMatch(/sk-[A-Za-z0-9]{10}/);
  const curl = output.split("\n").find((line) => line.startsWith("curl "));
  const { stdout } = await run("sh", ["-c", curl ?? "false"], { cwd: folder, env: environment });
  expect((JSON.parse(stdout) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual([
    "hello",
  ]);
});

test("npm start again changes nothing", async () => {
  const pid = findPortHolder(proxyPort)?.pid;
  expect(await npm("start", "trial")).toMatch(/Resources:\n\s+\d+ unchanged\n/);
  expect(findPortHolder(proxyPort)?.pid).toBe(pid);
});

test("npm run verify repeats the checks", async () => {
  const table = await npm("verify", "trial");
  expect(table).toContain("✓ request is in the spend log");
  expect(table).not.toContain("✗");
});

test("npm run pulumi runs the CLI on the same state", async () => {
  const outputs = await npm("pulumi", "--", "stack", "output", "--json", "--stack", "trial");
  expect(JSON.parse(outputs)).toMatchObject({ proxyUrl: `http://127.0.0.1:${proxyPort}` });
});

test("npm run verify fails when the gateway does not answer", async () => {
  process.kill(findPortHolder(proxyPort)?.pid ?? 0, "SIGKILL");
  await expect.poll(() => findPortHolder(proxyPort)).toBeUndefined();
  const failure: unknown = await npm("verify", "trial").catch((error: unknown) => error);
  expect((failure as { stdout: string }).stdout).toContain("✗ proxy is live");
});

test("npm run down removes all but the settings", async () => {
  await npm("down", "trial");
  expect(findPortHolder(proxyPort)).toBeUndefined();
  expect(existsSync(join(folder, ".stacks/trial"))).toBe(false);
  expect(existsSync(join(folder, "Pulumi.trial.yaml"))).toBe(true);
  expect(await npm("pulumi", "--", "stack", "ls", "--json")).toBe("[]\n");
});
