import { access, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { CommandError, runCommand } from "./command.ts";

/** Installed when there is no usable uv. */
export const PINNED_VERSION = "0.13.8";
/** Knows everything used here from this version on. */
const OLDEST_VERSION = [0, 5] as const;

const TOOLCHAIN = resolve(import.meta.dirname, "../../../.toolchain/uv");

/** A uv that can be run. */
export interface Uv {
  readonly program: string;
  /** The whole environment to run it in. */
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Finds the user's own uv, or installs a pinned one into the checkout with the user's pip.
 * Either works with the package index, certificates and proxy that pip is configured for.
 *
 * @throws Error that says what to install
 */
export async function findUv({
  signal = new AbortController().signal,
  log = () => undefined,
  folder = TOOLCHAIN,
}: {
  signal?: AbortSignal;
  log?: (message: string) => void;
  /** Where the pinned one is installed. Default: `.toolchain/uv` of this checkout. */
  folder?: string;
} = {}): Promise<Uv> {
  const environment = { ...process.env, ...(await readPipConfiguration(signal)) };
  if (await isUsable("uv", environment, signal)) {
    // The user's own works with the user's own caches and interpreters.
    return { program: "uv", environment };
  }
  const program = join(folder, PINNED_VERSION, "uv");
  const exists = await access(program).then(
    () => true,
    () => false,
  );
  if (!exists) {
    log(`installing uv ${PINNED_VERSION}`);
    await installUv(folder, program, signal);
  }
  return {
    program,
    environment: {
      UV_CACHE_DIR: join(folder, "cache"),
      UV_PYTHON_INSTALL_DIR: join(folder, "python"),
      ...environment,
    },
  };
}

async function isUsable(
  program: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await tryCommand(program, ["--version"], environment, signal);
  const [, major, minor] = /^uv (\d+)\.(\d+)/.exec(answer ?? "") ?? [];
  const [oldestMajor, oldestMinor] = OLDEST_VERSION;
  return (
    Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor)
  );
}

/** Made in a folder of its own and moved when complete: several resources may come here at once. */
async function installUv(folder: string, program: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(program), { recursive: true });
  const scratch = await mkdtemp(join(folder, "installing-"));
  try {
    const installed = await installWithPip(scratch, signal);
    const complete = join(scratch, "uv-complete");
    await copyFile(installed, complete);
    await rename(complete, program);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A virtual environment brings its own pip; where Debian left that out, the system's pip serves. */
async function installWithPip(folder: string, signal: AbortSignal): Promise<string> {
  const options = { environment: process.env, signal };
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  const package_ = `uv==${PINNED_VERSION}`;
  const venv = join(folder, "venv");
  const packages = join(folder, "packages");
  const attempts = [
    async () => {
      await runCommand("python3", ["-m", "venv", venv], options);
      await runCommand(join(venv, "bin/python"), [...pip, package_], options);
      return join(venv, "bin/uv");
    },
    async () => {
      await runCommand("python3", [...pip, "--target", packages, package_], options);
      return join(packages, "bin/uv");
    },
  ];
  const failures: string[] = [];
  for (const attempt of attempts) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof CommandError)) {
        throw error;
      }
      failures.push(`${error.message}\n${error.lastLines(4)}`.trim());
    }
  }
  throw new Error(
    `Python ≥ 3.10 with pip, or uv, is needed to install LiteLLM, and neither could be used:\n` +
      `${failures.join("\n")}\n` +
      "install uv: curl -LsSf https://astral.sh/uv/install.sh | sh",
  );
}

/** Settings of pip that have a counterpart in uv, which does not read pip's configuration. */
const PIP_SETTINGS: Record<string, readonly string[]> = {
  "index-url": ["UV_DEFAULT_INDEX", "UV_INDEX_URL"],
  "extra-index-url": ["UV_INDEX", "UV_EXTRA_INDEX_URL"],
  "find-links": ["UV_FIND_LINKS"],
  cert: ["SSL_CERT_FILE"],
  proxy: ["ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy"],
};

/** What uv should be told of pip's configuration: what the user has not told uv already. */
async function readPipConfiguration(signal: AbortSignal): Promise<Record<string, string>> {
  const listing = await tryCommand("python3", ["-m", "pip", "config", "list"], process.env, signal);
  return toUvEnvironment(listing ?? "", process.env);
}

/** Turns the output of `pip config list` into variables for uv. */
export function toUvEnvironment(
  listing: string,
  environment: NodeJS.ProcessEnv,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of listing.split("\n")) {
    const [, key = "", value = ""] = /^(?:global|install|:env:)\.([\w-]+)='(.*)'$/.exec(line) ?? [];
    const [variable, ...others] = PIP_SETTINGS[key] ?? [];
    if (variable !== undefined && [variable, ...others].every((name) => !environment[name])) {
      // pip separates several addresses by white space and shows a line end as \n; uv wants spaces
      // between indexes and commas between places to find links in.
      const values = value.split(/(?:\\n|\s)+/).filter((item) => item !== "");
      found[variable] = values.join(key === "find-links" ? "," : " ");
    }
  }
  return found;
}

async function tryCommand(
  program: string,
  arguments_: readonly string[],
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await runCommand(program, arguments_, { environment, signal });
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}
