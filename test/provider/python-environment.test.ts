import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import {
  findSitePackages,
  pythonEnvironment,
  type PythonEnvironmentOutputs,
} from "../../components/provider/host/python-environment.ts";
import { toUvEnvironment } from "../../components/provider/host/uv.ts";
import { operationContext } from "../support/operation-context.ts";

const { context } = operationContext();
const folder = mkdtempSync(join(tmpdir(), "python environment "));
const lock = readFileSync("components/provider/litellm/requirements.lock", "utf8");

/** One package of the lock, with all of its hashes. */
function lockedPackage(name: string): string {
  const found = new RegExp(`^${name}==.*(?:\\n {4}--hash.*)+`, "m").exec(lock)?.[0];
  if (found === undefined) {
    throw new Error(`${name} is not locked`);
  }
  return `${found}\n`;
}

function inputsFor(path: string, requirements: string, pythonVersion?: string) {
  const requirementsFile = join(folder, "requirements.lock");
  writeFileSync(requirementsFile, requirements);
  const requirementsSha256 = createHash("sha256").update(requirements).digest("hex");
  return pythonEnvironment.inputs.parse({
    path,
    requirementsFile,
    requirementsSha256,
    ...(pythonVersion !== undefined && { pythonVersion }),
  });
}

const path = join(folder, "environment");
const inputs = inputsFor(path, lockedPackage("idna"));
let outputs: PythonEnvironmentOutputs;

async function observe() {
  const observed = await pythonEnvironment.read(context, path, { inputs, outputs: inputs });
  const drift =
    observed && pythonEnvironment.drift({ ...observed.inputs, ...observed.outputs }, inputs);
  return { outputs: observed?.outputs, drift };
}

const rebuild = () =>
  pythonEnvironment.update(context, path, {
    inputs,
    previousInputs: inputs,
    outputs: { ...inputs, ...outputs },
  });

beforeAll(async () => {
  ({ outputs } = await pythonEnvironment.create(context, inputs));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("holds exactly the locked packages and runs", async () => {
  const script = "import importlib.metadata as m; print([d.name for d in m.distributions()])";
  const packages = execFileSync(outputs.python, ["-c", script], { encoding: "utf8" });
  expect(packages.trim()).toBe("['idna']");
  expect(outputs.pythonVersion).toMatch(/^3\.1[0-3]\.\d+$/);
  expect(await observe()).toEqual({ outputs, drift: [] });
});

test("sees that its interpreter is gone, and is made again", async () => {
  rmSync(outputs.python);
  symlinkSync("/gone/python3", outputs.python);
  expect((await observe()).drift).toEqual(["installedSha256"]);
  expect(await rebuild()).toEqual(outputs);
  expect((await observe()).drift).toEqual([]);
});

test("sees that a package was removed by hand, and is made again", async () => {
  const sitePackages = await findSitePackages(outputs.python);
  execFileSync("sh", ["-c", 'rm -r "$0"/idna-*.dist-info', sitePackages]);
  expect((await observe()).drift).toEqual(["installedSha256"]);
  expect(await rebuild()).toEqual(outputs);
});

test("starts over what was interrupted", async () => {
  rmSync(join(path, "litellm-environment.json"));
  expect((await observe()).drift).toEqual(["installedSha256"]);
  expect((await pythonEnvironment.create(context, inputs)).outputs).toEqual(outputs);
});

test("can be cancelled and then resumed", async () => {
  const cancelled = operationContext(AbortSignal.timeout(50)).context;
  await expect(pythonEnvironment.create(cancelled, inputs)).rejects.toThrow("timeout");
  expect((await pythonEnvironment.create(context, inputs)).outputs).toEqual(outputs);
});

test("leaves a folder of something else alone", async () => {
  const other = join(folder, "documents");
  mkdirSync(other);
  writeFileSync(join(other, "thesis.txt"), "years of work");
  const taken = inputsFor(other, lockedPackage("idna"));
  await expect(pythonEnvironment.create(context, taken)).rejects.toThrow(
    `${other} exists and is no Python environment; set it aside: mv '${other}' '${other}.old'`,
  );
  await pythonEnvironment.delete(context, other);
  expect(existsSync(join(other, "thesis.txt"))).toBe(true);
});

test("refuses a package with another hash", async () => {
  const requirements = lockedPackage("idna").replaceAll(
    /sha256:.{64}/g,
    `sha256:${"0".repeat(64)}`,
  );
  await expect(
    pythonEnvironment.create(context, inputsFor(join(folder, "forged"), requirements)),
  ).rejects.toThrow(/^a package that was downloaded is not the one that is locked/);
});

test("refuses requirements that changed after the plan was made", async () => {
  const stale = inputsFor(join(folder, "stale"), lockedPackage("idna"));
  writeFileSync(stale.requirementsFile, lockedPackage("idna") + "# changed\n");
  await expect(pythonEnvironment.create(context, stale)).rejects.toThrow(
    "has changed since the deployment was planned",
  );
});

test("is gone after delete", async () => {
  await pythonEnvironment.delete(context, path);
  expect(existsSync(path)).toBe(false);
  expect(await observe()).toEqual({ outputs: undefined, drift: undefined });
});

test("tells uv of pip's configuration, unless uv has its own", () => {
  const listing = [
    "global.index-url='https://user:word@index.example/simple'",
    "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'",
    ":env:.find-links='/opt/wheels /opt/more'",
    ":env:.cert='/etc/ca.pem'",
    "global.timeout='60'",
  ].join("\n");
  expect(toUvEnvironment(listing, { SSL_CERT_FILE: "/own.pem" })).toEqual({
    UV_DEFAULT_INDEX: "https://user:word@index.example/simple",
    UV_INDEX: "https://a.example/simple https://b.example/simple",
    UV_FIND_LINKS: "/opt/wheels,/opt/more",
  });
  expect(
    toUvEnvironment(listing, { UV_INDEX_URL: "https://own.example/simple" }),
  ).not.toHaveProperty("UV_DEFAULT_INDEX");
});
