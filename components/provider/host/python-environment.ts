import { access, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import { CommandError, runCommand } from "./command.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { findUv } from "./uv.ts";

const inputs = z.strictObject({
  path: z.string().min(1).meta({
    description: "Folder of the environment. It is made, and deleted, as a whole.",
  }),
  requirementsFile: z.string().min(1).meta({
    description:
      "Requirements file with a hash for every package: the environment holds exactly these.",
  }),
  requirementsSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .meta({ description: "SHA-256 of that file; the environment is made anew when it changes." }),
  pythonVersion: z
    .string()
    .regex(/^[\d.<>=!~*, ]+$/, "must be a version or a range such as >=3.10,<3.14")
    .default(">=3.10,<3.14")
    .meta({
      description:
        "The system's Python serves where it is in this range, otherwise uv fetches one. Default: what LiteLLM 1.106.2 and its locked packages run on.",
    }),
});

export type PythonEnvironmentInputs = z.output<typeof inputs>;

export interface PythonEnvironmentOutputs {
  /** Path of the environment's interpreter. */
  readonly python: string;
  /** Version of that interpreter; empty while the environment is broken. */
  readonly pythonVersion: string;
  /** SHA-256 of the requirements file that is installed; empty while the environment is broken. */
  readonly installedSha256: string;
}

/** What is written when an environment is complete. */
interface Stamp {
  readonly pythonVersion: string;
  readonly installedSha256: string;
  /** SHA-256 of the names of all installed packages. */
  readonly packagesSha256: string;
}

/** A Python environment made by uv that holds exactly the locked packages. */
export const pythonEnvironment = {
  token: "litellm:host:PythonEnvironment",
  inputs,
  computedOutputs: ["python", "pythonVersion", "installedSha256"],
  volatileOutputs: ["pythonVersion", "installedSha256"],
  replaceOnChanges: ["path"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    return { id: inputs.path, outputs: await build(context, inputs) };
  },

  async read(_context, id, { inputs }) {
    const files = await readdir(id).catch(() => undefined);
    if (files === undefined || inputs.requirementsSha256 === undefined) {
      return undefined;
    }
    const stamp = await readIntactStamp(id);
    const { pythonVersion = "", installedSha256 = "" } = stamp ?? {};
    return {
      inputs: inputs as PythonEnvironmentInputs,
      outputs: { python: interpreterOf(id), pythonVersion, installedSha256 },
    };
  },

  update: (context, _id, { inputs }) => build(context, inputs),

  async delete(_context, id) {
    if (await isEnvironment(id)) {
      await rm(id, { recursive: true, force: true });
    }
  },

  drift: (outputs, inputs) =>
    outputs.installedSha256 === inputs.requirementsSha256 ? [] : ["installedSha256"],
} satisfies ResourceDefinition<PythonEnvironmentInputs, PythonEnvironmentOutputs>;

/** Folder with the installed packages of the environment that an interpreter belongs to. */
export async function findSitePackages(python: string): Promise<string> {
  const lib = resolve(python, "../../lib");
  const [version] = (await readdir(lib).catch(() => [])).filter((name) =>
    /^python3\.\d+$/.test(name),
  );
  if (version === undefined) {
    throw new Error(`${python} is not the interpreter of a Python environment`);
  }
  return join(lib, version, "site-packages");
}

const interpreterOf = (path: string): string => join(resolve(path), "bin/python");
const stampOf = (path: string): string => join(path, "litellm-environment.json");

async function build(
  context: OperationContext,
  { path, requirementsFile, requirementsSha256, pythonVersion: range }: PythonEnvironmentInputs,
): Promise<PythonEnvironmentOutputs> {
  const requirements = await readRequirements(requirementsFile, requirementsSha256);
  const { program, environment } = await findUv({
    signal: context.signal,
    log: (message) => {
      context.log(message, { ephemeral: true });
    },
  });
  await clear(path);
  const python = interpreterOf(path);
  const run = async (arguments_: string[], input?: string) => {
    try {
      const options = {
        environment,
        signal: context.signal,
        ...(input !== undefined && { input }),
      };
      return await runCommand(program, arguments_, options);
    } catch (error) {
      throw error instanceof CommandError ? explain(error, path, range) : error;
    }
  };
  context.log("making the Python environment", { ephemeral: true });
  await run(["venv", "--python", range, "--python-preference", "system", path]);
  const count = requirements.match(/^[\w.-]+(\[.*\])?==/gm)?.length ?? 0;
  context.log(`installing up to ${count} Python packages`, { ephemeral: true });
  await run(["pip", "sync", "--require-hashes", "--python", python, "-"], requirements);

  const stamp: Stamp = {
    pythonVersion: await readPythonVersion(path),
    installedSha256: requirementsSha256,
    packagesSha256: await hashPackageNames(python),
  };
  // Written last and in one step: without it the environment is not complete.
  await writeFile(`${stampOf(path)}.new`, JSON.stringify(stamp));
  await rename(`${stampOf(path)}.new`, stampOf(path));
  const { pythonVersion, installedSha256 } = stamp;
  return { python, pythonVersion, installedSha256 };
}

async function readRequirements(path: string, expectedSha256: string): Promise<string> {
  const text = await readFile(path, "utf8");
  const found = sha256(text);
  if (found !== expectedSha256) {
    throw new Error(
      `${path} has changed since the deployment was planned (SHA-256 ${found} instead of ${expectedSha256}); run again: pulumi up`,
    );
  }
  return text;
}

/** Removes what an earlier or interrupted run has left, and nothing else. */
async function clear(path: string): Promise<void> {
  const files = await readdir(path).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) {
      return undefined;
    }
    throw error;
  });
  if (files === undefined) {
    return;
  }
  if (files.length > 0 && !(await isEnvironment(path))) {
    throw new Error(
      `${path} exists and is no Python environment; set it aside: mv '${path}' '${path}.old'`,
    );
  }
  // First of all, so that an interruption from here on is noticed.
  await rm(stampOf(path), { force: true });
  await rm(path, { recursive: true });
}

/** uv marks its folders with `pyvenv.cfg` and, before anything else, a cache tag. */
async function isEnvironment(path: string): Promise<boolean> {
  const files = await readdir(path).catch((): string[] => []);
  return files.includes("pyvenv.cfg") || files.includes("CACHEDIR.TAG");
}

/** The stamp, if everything that can be seen without starting Python agrees with it. */
async function readIntactStamp(path: string): Promise<Stamp | undefined> {
  try {
    const stamp = JSON.parse(await readFile(stampOf(path), "utf8")) as Stamp;
    const python = interpreterOf(path);
    // Follows the link to the system's Python, which may be gone.
    await access(python);
    return (await hashPackageNames(python)) === stamp.packagesSha256 ? stamp : undefined;
  } catch {
    return undefined;
  }
}

async function readPythonVersion(path: string): Promise<string> {
  const configuration = await readFile(join(path, "pyvenv.cfg"), "utf8");
  return /^version(?:_info)?\s*=\s*(\S+)/m.exec(configuration)?.[1] ?? "";
}

async function hashPackageNames(python: string): Promise<string> {
  const files = await readdir(await findSitePackages(python));
  return sha256(
    files
      .filter((name) => name.endsWith(".dist-info"))
      .sort()
      .join("\n"),
  );
}

/** Adds what to do to the errors of uv that users meet. */
function explain(error: CommandError, path: string, range: string): Error {
  const { output } = error;
  const [, reason] =
    EXPLANATIONS.find(([pattern]) => pattern.test(output)) ??
    ([/(?:)/, () => `the Python environment ${path} could not be made`] as const);
  return new Error(`${reason(path, range)}\nuv says:\n${error.lastLines()}`);
}

const EXPLANATIONS: readonly (readonly [RegExp, (path: string, range: string) => string])[] = [
  [
    /os error 28\b|No space left/i,
    (path) => `the disk is full: make room for about 1 GB and run again; see: df -h '${path}/..'`,
  ],
  [
    /os error (13|30)\b|Permission denied|Read-only file system/i,
    (path) => `${path} cannot be written; see: ls -ld '${path}/..'`,
  ],
  [
    /Hash mismatch|hash mismatch/,
    () =>
      "a package that was downloaded is not the one that is locked; if your package index replaces packages, lock anew: see components/provider/litellm/requirements.in",
  ],
  [
    /No interpreter found|No download found|Python.*not found/i,
    (_path, range) =>
      `no Python ${range} was found and none could be downloaded; install one, such as: uv python install 3.12`,
  ],
  [
    /dns error|error sending request|failed to fetch|Connect(ion)? (refused|reset)|timed out|tcp connect|certificate/i,
    () =>
      "the Python package index cannot be reached; test it, and set proxy, index and certificates for pip: python3 -m pip download --no-deps litellm",
  ],
  [
    /not found in the package registry|no version of|No solution found|doesn't have a source distribution or wheel/i,
    () =>
      "the package index lacks a locked package; point pip at a complete one: python3 -m pip config set global.index-url <address>",
  ],
];

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
