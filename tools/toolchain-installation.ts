import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import type { PinnedVersions } from "./pinned-versions.ts";
import { downloadCli, downloadPlugin, findDownloadProblem } from "./pulumi-download.ts";
import { buildStandIns, hasStandIn, nameStandIn } from "./stand-ins.ts";

/** Where a part of the toolchain came from: the user, Pulumi's downloads, or a build from Go modules. */
export type Origin = "user" | "official" | "built";

/** What there is to choose from. */
export interface Circumstances {
  readonly checkout: string;
  /** Of the programs that are run to find out and to install. */
  readonly environment: NodeJS.ProcessEnv;
  readonly versions: PinnedVersions;
  /** The only origin allowed for the CLI; undefined for the first that works. */
  readonly forced: Origin | undefined;
  /** The PULUMI_HOME of this checkout. */
  readonly ownHome: string;
  readonly userHome: string;
  /** The user's own CLI, of whatever version. */
  readonly userPulumi: string | undefined;
  /** What in `ownHome` is complete and of these versions, by origin. */
  readonly present: { readonly cli?: Origin; readonly plugins: Readonly<Record<string, Origin>> };
  readonly log: (line: string) => void;
}

/** What was chosen and is in place now. */
export interface Installation {
  readonly origin: Origin;
  /** Absolute path of the CLI. */
  readonly pulumi: string;
  /** The PULUMI_HOME that holds the plugins. */
  readonly home: string;
  /** The origin of each plugin in it. */
  readonly plugins: Readonly<Record<string, "official" | "built">>;
}

/** Where the CLI of this checkout lies. */
export function ownPulumi(ownHome: string, versions: PinnedVersions): string {
  return join(ownHome, "versions", versions.cli, "bin", "pulumi");
}

/** Where Pulumi looks for a provider plugin. */
export function pluginPath(home: string, name: string, versions: PinnedVersions): string {
  const folder = `resource-${name}-v${versions.plugins[name] ?? ""}`;
  return join(home, "plugins", folder, nameStandIn(name));
}

/**
 * Installs what is missing.
 *
 * @throws Error when a part can neither be downloaded nor built
 */
export async function installToolchain(circumstances: Circumstances): Promise<Installation> {
  const { forced, ownHome, userHome, userPulumi, versions } = circumstances;
  const names = Object.keys(versions.plugins);
  if (userPulumi !== undefined && isUserPulumiFitting(circumstances, userPulumi)) {
    const isComplete = await installUserPlugins(circumstances, userPulumi);
    const own = { origin: "user", pulumi: userPulumi } as const;
    return isComplete
      ? {
          ...own,
          home: userHome,
          plugins: Object.fromEntries(names.map((name) => [name, "official" as const])),
        }
      : { ...own, home: ownHome, plugins: await installOwnPlugins(circumstances, userPulumi) };
  }
  if (forced === "user") {
    throw new Error(
      `${userPulumi ?? "pulumi"} is not there or not of version ${versions.cli} or newer (below ${nextMajor(versions.cli)}); install it: https://www.pulumi.com/docs/install, or unset LITELLM_GATEWAY_TOOLCHAIN`,
    );
  }
  const pulumi = ownPulumi(ownHome, versions);
  return (await installOfficialCli(circumstances))
    ? {
        ...{ origin: "official", pulumi, home: ownHome },
        plugins: await installOwnPlugins(circumstances, pulumi),
      }
    : {
        ...{ origin: "built", pulumi, home: ownHome },
        plugins: await installOwnPlugins(circumstances, undefined),
      };
}

function isUserPulumiFitting(
  { environment, forced, versions }: Circumstances,
  pulumi: string,
): boolean {
  if (forced !== undefined && forced !== "user") {
    return false;
  }
  const { stdout, error } = spawnSync(pulumi, ["version"], {
    encoding: "utf8",
    timeout: 15_000,
    env: { ...environment, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  const version = error === undefined ? /^v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined;
  return (
    version !== undefined &&
    compareVersions(version, versions.cli) >= 0 &&
    compareVersions(version, nextMajor(versions.cli)) < 0
  );
}

function nextMajor(version: string): string {
  return String(Number(version.split(".")[0]) + 1);
}

function compareVersions(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}

/** Whether the official CLI is in our PULUMI_HOME now. */
async function installOfficialCli(circumstances: Circumstances): Promise<boolean> {
  const { forced, log, ownHome, present, versions } = circumstances;
  if (forced === "built") {
    return false;
  }
  if (present.cli === "official") {
    return true;
  }
  const problem = await findDownloadProblem();
  if (problem === undefined) {
    log(`downloading the Pulumi CLI ${versions.cli} …`);
    try {
      await stage(ownHome, "cli", async (folder) => {
        await downloadCli(folder);
        replaceFolder(folder, dirname(dirname(ownPulumi(ownHome, versions))));
      });
      return true;
    } catch (error) {
      if (forced === "official") {
        throw error;
      }
      log((error as Error).message);
      return false;
    }
  }
  if (forced === "official") {
    throw new Error(
      `the Pulumi CLI cannot be downloaded: ${problem}; try again where it can be reached, or build it: unset LITELLM_GATEWAY_TOOLCHAIN`,
    );
  }
  log(`the Pulumi CLI cannot be downloaded here: ${problem}`);
  return false;
}

/** Installs plugins where the user's own CLI would install them itself; whether all are there now. */
async function installUserPlugins(circumstances: Circumstances, pulumi: string): Promise<boolean> {
  const { userHome, versions } = circumstances;
  for (const name of Object.keys(versions.plugins)) {
    if (
      !existsSync(pluginPath(userHome, name, versions)) &&
      !(await tryDownloadPlugin(circumstances, name, pulumi, userHome))
    ) {
      return false;
    }
  }
  return true;
}

/**
 * Installs plugins in our own PULUMI_HOME, and with them the CLI where there is no
 * other. A stand-in in the user's PULUMI_HOME would serve their other projects too.
 */
async function installOwnPlugins(
  circumstances: Circumstances,
  pulumi: string | undefined,
): Promise<Record<string, "official" | "built">> {
  const { checkout, forced, versions } = circumstances;
  const origins: Record<string, "official" | "built"> = {};
  for (const [name, version] of Object.entries(versions.plugins)) {
    const isOfficial =
      forced !== "built" && (await installOfficialPlugin(circumstances, name, pulumi));
    if (!isOfficial && !hasStandIn(checkout, name)) {
      throw new Error(
        `the Pulumi plugin ${name} ${version} cannot be downloaded here; install it where it can: pulumi plugin install resource ${name} ${version}`,
      );
    }
    origins[name] = isOfficial ? "official" : "built";
  }
  const standIns = Object.keys(origins).filter((name) => origins[name] === "built");
  await installStandIns(circumstances, pulumi === undefined, standIns);
  return origins;
}

/** Whether an official plugin is in our PULUMI_HOME now. */
async function installOfficialPlugin(
  circumstances: Circumstances,
  name: string,
  pulumi: string | undefined,
): Promise<boolean> {
  const { ownHome, present, userHome, versions } = circumstances;
  if (present.plugins[name] === "official") {
    return true;
  }
  const users = dirname(pluginPath(userHome, name, versions));
  if (existsSync(users)) {
    await stage(ownHome, name, (folder) => {
      cpSync(users, folder, { recursive: true });
      replaceFolder(folder, dirname(pluginPath(ownHome, name, versions)));
    });
    return true;
  }
  return pulumi !== undefined && tryDownloadPlugin(circumstances, name, pulumi, ownHome);
}

async function tryDownloadPlugin(
  { environment, log, versions }: Circumstances,
  name: string,
  pulumi: string,
  home: string,
): Promise<boolean> {
  const version = versions.plugins[name] ?? "";
  const problem = await findDownloadProblem();
  if (problem !== undefined) {
    log(`the Pulumi plugin ${name} ${version} cannot be downloaded here: ${problem}`);
    return false;
  }
  log(`downloading the Pulumi plugin ${name} ${version} …`);
  try {
    downloadPlugin(pulumi, name, version, { ...environment, PULUMI_HOME: home });
    return true;
  } catch (error) {
    log((error as Error).message);
    return false;
  }
}

/** Builds stand-ins, all in one go, and puts each in its place. */
async function installStandIns(
  { checkout, environment, log, ownHome, present, versions }: Circumstances,
  withCli: boolean,
  plugins: readonly string[],
): Promise<void> {
  const cli = ["pulumi", "pulumi-language-nodejs"];
  const folders: (readonly [folder: string, programs: readonly string[]])[] = plugins
    .filter((name) => present.plugins[name] !== "built")
    .map((name) => [dirname(pluginPath(ownHome, name, versions)), [nameStandIn(name)]]);
  if (withCli && present.cli !== "built") {
    folders.push([dirname(ownPulumi(ownHome, versions)), cli]);
  }
  if (folders.length === 0) {
    return;
  }
  await stage(ownHome, "build", async (build) => {
    const programs = folders.flatMap(([, names]) => names);
    await buildStandIns(checkout, programs, versions, build, environment, log);
    for (const [index, [folder, names]] of folders.entries()) {
      const complete = join(build, String(index));
      mkdirSync(complete);
      for (const name of names) {
        renameSync(join(build, name), join(complete, name));
      }
      replaceFolder(complete, folder);
    }
  });
}

/** Works in a folder beside what is used, so that nothing half-made is ever found there. */
async function stage(
  home: string,
  name: string,
  work: (folder: string) => Promise<void> | void,
): Promise<void> {
  const folder = join(home, `incoming-${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts a complete folder in the place of another; who runs a program of the old one is not disturbed. */
function replaceFolder(source: string, target: string): void {
  const old = `${source}.replaced`;
  mkdirSync(dirname(target), { recursive: true });
  if (existsSync(target)) {
    renameSync(target, old);
  }
  renameSync(source, target);
  rmSync(old, { recursive: true, force: true });
}
