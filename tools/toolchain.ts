import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path";

import { withFileLock } from "./file-lock.mjs";
import { type PinnedVersions, readPinnedVersions } from "./pinned-versions.ts";
import { hashSources } from "./stand-ins.ts";
import {
  type Circumstances,
  installToolchain,
  type Origin,
  ownPulumi,
  pluginPath,
} from "./toolchain-installation.ts";

export interface Toolchain {
  /** Absolute path of the Pulumi CLI. */
  readonly pulumi: string;
  readonly origin: Origin;
  /** What a process that runs Pulumi needs in its environment, on top of ours. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface ToolchainOptions {
  /** Folder of package.json and node_modules. Default: the checkout that this file is in. */
  readonly checkout?: string;
  /** Default: this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Gets the lines that say what takes so long. Default: standard error. */
  readonly log?: (line: string) => void;
}

/** A decision and what it rests on, kept in `.toolchain/toolchain.json`. */
interface DecisionRecord {
  readonly origin: Origin;
  /** Relative to the checkout where it is inside. */
  readonly pulumi: string;
  /** Whether Pulumi gets the PULUMI_HOME of this checkout. */
  readonly hasOwnHome: boolean;
  readonly plugins: Readonly<Record<string, "official" | "built">>;
  readonly versions: PinnedVersions;
  /** The user's own CLI at that time: path, size, time of change. */
  readonly userPulumi: string;
  /** Hash of what stand-ins were built from; empty where there are none. */
  readonly sources: string;
}

interface Surroundings {
  readonly checkout: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly versions: PinnedVersions;
  readonly forced: Origin | undefined;
  readonly ownHome: string;
  readonly userHome: string;
  readonly userPulumi: string | undefined;
}

const FORCE_VARIABLE = "LITELLM_GATEWAY_TOOLCHAIN";
const ORIGINS: readonly string[] = ["user", "official", "built"] satisfies Origin[];

/**
 * Makes sure of a Pulumi CLI and its plugins, at the versions of the installed npm
 * packages: the user's own CLI where its version fits, else the official one, else
 * one built from Go modules (`tools/toolchain`) where nothing can be downloaded; and
 * in the same way each plugin. Everything but a user's own goes into `.toolchain/`.
 * The decision is kept there and takes no time the next time.
 *
 * LITELLM_GATEWAY_TOOLCHAIN=user|official|built forces one of the three, for the
 * time being and for later: `official` is for a checkout that began on a closed
 * network and has left it.
 *
 * @throws Error when there is no way to a toolchain; the message names those there are
 */
export async function ensureToolchain(options: ToolchainOptions = {}): Promise<Toolchain> {
  const surroundings = survey(options);
  const recorded = findCurrentRecord(surroundings);
  if (recorded !== undefined) {
    return describeToolchain(surroundings, recorded);
  }
  const announceWait = (holder: number): void => {
    surroundings.log(`waiting for process ${holder}, which installs Pulumi …`);
  };
  const lock = join(surroundings.checkout, ".toolchain", "toolchain.lock");
  const record = await withFileLock(lock, announceWait, async () => {
    const meanwhile = findCurrentRecord(surroundings);
    return meanwhile ?? writeRecord(surroundings, await decide(surroundings));
  });
  return describeToolchain(surroundings, record);
}

function survey(options: ToolchainOptions): Surroundings {
  const checkout = options.checkout ?? resolve(import.meta.dirname, "..");
  const environment = options.environment ?? process.env;
  const ownHome = join(checkout, ".toolchain", "pulumi");
  const givenHome = environment["PULUMI_HOME"] ?? "";
  const hasUserHome = givenHome !== "" && resolve(givenHome) !== ownHome;
  return {
    checkout,
    environment,
    log:
      options.log ??
      ((line) => {
        console.error(line);
      }),
    versions: readPinnedVersions(checkout),
    forced: readForced(environment[FORCE_VARIABLE] ?? ""),
    ownHome,
    userHome: hasUserHome ? resolve(givenHome) : join(homedir(), ".pulumi"),
    userPulumi: findUserPulumi(checkout, environment["PATH"] ?? ""),
  };
}

function readForced(value: string): Origin | undefined {
  if (value !== "" && !ORIGINS.includes(value)) {
    throw new Error(
      `${FORCE_VARIABLE} is "${value}"; set it to ${ORIGINS.join(", ")}, or unset it: unset ${FORCE_VARIABLE}`,
    );
  }
  return value === "" ? undefined : (value as Origin);
}

/** The first `pulumi` on PATH that is not this checkout's. */
function findUserPulumi(checkout: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder) && relative(checkout, folder).startsWith(".."))
    .map((folder) => join(folder, "pulumi"))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false; // not there, or not ours to run
      }
    });
}

function fingerprintUserPulumi({ userPulumi }: Surroundings): string {
  if (userPulumi === undefined) {
    return "";
  }
  const { size, mtimeMs } = statSync(userPulumi);
  return [userPulumi, size, mtimeMs].join(" ");
}

function findCurrentRecord(surroundings: Surroundings): DecisionRecord | undefined {
  const { checkout, forced, ownHome, userHome, versions } = surroundings;
  const record = readRecord(checkout);
  if (
    record === undefined ||
    (forced !== undefined && forced !== record.origin) ||
    JSON.stringify(record.versions) !== JSON.stringify(versions) ||
    record.userPulumi !== fingerprintUserPulumi(surroundings) ||
    (record.sources !== "" && record.sources !== hashSources(checkout, versions))
  ) {
    return undefined;
  }
  const home = record.hasOwnHome ? ownHome : userHome;
  const programs = [
    resolve(checkout, record.pulumi),
    ...Object.keys(record.plugins).map((name) => pluginPath(home, name, versions)),
  ];
  return programs.every((program) => existsSync(program)) ? record : undefined;
}

function recordPath(checkout: string): string {
  return join(checkout, ".toolchain", "toolchain.json");
}

function readRecord(checkout: string): DecisionRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(checkout), "utf8")) as DecisionRecord;
  } catch {
    return undefined; // no decision yet
  }
}

/** Written last and at once, so that an interrupted installation never counts. */
function writeRecord({ checkout }: Surroundings, record: DecisionRecord): DecisionRecord {
  const path = recordPath(checkout);
  writeFileSync(`${path}.new`, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
  return record;
}

async function decide(surroundings: Surroundings): Promise<DecisionRecord> {
  const { checkout, ownHome, versions } = surroundings;
  const installation = await installToolchain({
    ...surroundings,
    present: findPresent(surroundings),
  });
  const inside = relative(checkout, installation.pulumi);
  const isBuilt =
    installation.origin === "built" || Object.values(installation.plugins).includes("built");
  return {
    origin: installation.origin,
    pulumi: inside.startsWith("..") ? installation.pulumi : inside,
    hasOwnHome: installation.home === ownHome,
    plugins: installation.plugins,
    versions,
    userPulumi: fingerprintUserPulumi(surroundings),
    sources: isBuilt ? hashSources(checkout, versions) : "",
  };
}

/** What an earlier decision left in our PULUMI_HOME that is of use now. */
function findPresent({ checkout, ownHome, versions }: Surroundings): Circumstances["present"] {
  const record = readRecord(checkout);
  if (record?.hasOwnHome !== true || JSON.stringify(record.versions) !== JSON.stringify(versions)) {
    return { plugins: {} };
  }
  const isUpToDate = (origin: Origin, program: string): boolean =>
    existsSync(program) &&
    (origin === "official" || record.sources === hashSources(checkout, versions));
  const plugins = Object.entries(record.plugins).filter(([name, origin]) =>
    isUpToDate(origin, pluginPath(ownHome, name, versions)),
  );
  return {
    plugins: Object.fromEntries(plugins),
    ...(record.origin !== "user" &&
      isUpToDate(record.origin, ownPulumi(ownHome, versions)) && { cli: record.origin }),
  };
}

function describeToolchain(surroundings: Surroundings, record: DecisionRecord): Toolchain {
  const { checkout, environment, ownHome, userHome } = surroundings;
  const pulumi = resolve(checkout, record.pulumi);
  const path = [dirname(pulumi), join(checkout, "node_modules", ".bin"), environment["PATH"] ?? ""];
  // In our own PULUMI_HOME a login that the user has made would be out of sight.
  const bringsLogin =
    record.hasOwnHome &&
    (environment["PULUMI_CREDENTIALS_PATH"] ?? "") === "" &&
    existsSync(join(userHome, "credentials.json"));
  return {
    pulumi,
    origin: record.origin,
    environment: {
      PATH: path.filter((folder) => folder !== "").join(delimiter),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      ...(record.hasOwnHome && { PULUMI_HOME: ownHome }),
      ...(bringsLogin && { PULUMI_CREDENTIALS_PATH: userHome }),
      // Where plugins cannot be had, looking for one costs 8 s of retries.
      ...(record.origin === "built" && { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" }),
    },
  };
}
