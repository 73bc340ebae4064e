/**
 * A Docker engine: the one that answers, or one of Debian's packages in the lab's folder.
 */
import { spawn } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { hostRelease, isDebianRoot, unpackMissing, unpackPackages } from "./debian.ts";
import { docker } from "./docker.ts";
import { DOCKER_CONFIG_FOLDER, dockerEngine, ENGINE_FOLDER } from "./environment.ts";
import { labPath } from "./folder.ts";

/** Where every client looks when DOCKER_HOST is not set. */
const SOCKET = "/var/run/docker.sock";
const DAEMON = join(ENGINE_FOLDER, "usr/sbin/dockerd");
/** What the engine needs of the host's own release, where the host does not have it. */
const HOST_FOLDER = join(ENGINE_FOLDER, "host");
const PID_FILE = labPath("dockerd.pid");
const DATA_FOLDER = labPath("docker");
const LOG_FILE = labPath("dockerd.log");
const START_SECONDS = 30;
const STOP_SECONDS = 30;

/** The newest of Debian: its programs need no library that the host lacks. */
const RELEASE = "sid";
const DAEMON_PACKAGES = ["docker.io", "containerd", "tini-static"];
const CLIENT_PACKAGES = ["docker-cli", "docker-buildx", "docker-compose"];
/** Tied to the host's kernel and libraries, so of the host's own release. */
const HOST_PACKAGES = ["runc", "iptables"];

const INSTALL_ADVICE =
  "install Docker (macOS, Windows: Docker Desktop; Linux: https://docs.docker.com/engine/install), start it, and run again: npm run lab";

/**
 * Makes sure that an engine answers and that `docker compose` and `docker buildx` work in
 * `labEnvironment()`.
 *
 * @throws Error that says what to install
 */
export async function ensureEngine(log: (line: string) => void): Promise<void> {
  if (!(await hasClient())) {
    await installPrograms(log);
  }
  if (dockerEngine().available) {
    return;
  }
  const host = process.env["DOCKER_HOST"] ?? "";
  if (host !== "") {
    throw new Error(
      `no Docker engine answers at DOCKER_HOST=${host}; start it, or let the lab look on this machine: unset DOCKER_HOST`,
    );
  }
  await startEngine(log);
}

async function hasClient(): Promise<boolean> {
  const commands = [["--version"], ["compose", "version"], ["buildx", "version"]];
  try {
    for (const command of commands) {
      await docker(command);
    }
    return true;
  } catch (error) {
    if (error instanceof CommandError) {
      return false;
    }
    throw error;
  }
}

async function installPrograms(log: (line: string) => void): Promise<void> {
  if (!isDebianRoot()) {
    throw new Error(`docker with compose and buildx is not there; ${INSTALL_ADVICE}`);
  }
  log(`installing Docker from Debian's packages into ${ENGINE_FOLDER} …`);
  const folder = `${ENGINE_FOLDER}.new`;
  rmSync(folder, { recursive: true, force: true });
  const host = join(folder, "host");
  mkdirSync(host, { recursive: true });
  try {
    await unpackPackages(RELEASE, [...DAEMON_PACKAGES, ...CLIENT_PACKAGES], folder);
    await unpackMissing(HOST_PACKAGES, host);
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    throw new Error(
      `Docker's packages of Debian ${RELEASE} and ${hostRelease()} could not be had: ${error.message}\n${error.lastLines(5)}\n${INSTALL_ADVICE}`,
    );
  }
  linkIptables(host);
  rmSync(ENGINE_FOLDER, { recursive: true, force: true });
  renameSync(folder, ENGINE_FOLDER);
  mkdirSync(DOCKER_CONFIG_FOLDER, { recursive: true });
  rmSync(join(DOCKER_CONFIG_FOLDER, "cli-plugins"), { force: true });
  symlinkSync(
    join(ENGINE_FOLDER, "usr/libexec/docker/cli-plugins"),
    join(DOCKER_CONFIG_FOLDER, "cli-plugins"),
  );
}

/** Installing the package would make these links, by `update-alternatives`. */
function linkIptables(root: string): void {
  const sbin = join(root, "usr/sbin");
  if (existsSync(join(sbin, "xtables-nft-multi"))) {
    for (const name of ["iptables", "ip6tables"]) {
      for (const suffix of ["", "-save", "-restore"]) {
        symlinkSync("xtables-nft-multi", join(sbin, `${name}${suffix}`));
      }
    }
  }
}

async function startEngine(log: (line: string) => void): Promise<void> {
  if (!isDebianRoot()) {
    throw new Error(`no Docker engine answers; ${INSTALL_ADVICE}`);
  }
  if (!existsSync(ENGINE_FOLDER)) {
    await installPrograms(log);
  }
  const output = openSync(LOG_FILE, "a");
  const daemon = spawn(
    DAEMON,
    [
      `--host=unix://${SOCKET}`,
      "--group=root",
      `--data-root=${DATA_FOLDER}`,
      `--pidfile=${PID_FILE}`,
      "--exec-opt=native.cgroupdriver=cgroupfs",
      `--userland-proxy-path=${ENGINE_FOLDER}/usr/sbin/docker-proxy`,
      `--init-path=${ENGINE_FOLDER}/usr/bin/docker-init`,
    ],
    { cwd: "/", detached: true, stdio: ["ignore", output, output], env: daemonEnvironment() },
  );
  daemon.unref();
  const deadline = Date.now() + START_SECONDS * 1000;
  while (!dockerEngine().available) {
    if (daemon.exitCode !== null || Date.now() > deadline) {
      const lastLines = readFileSync(LOG_FILE, "utf8").trim().split("\n").slice(-5).join("\n");
      throw new Error(`the Docker engine did not start; see ${LOG_FILE}:\n${lastLines}`);
    }
    await sleep(200);
  }
  log("started a Docker engine of the lab's own; it ends with: npm run lab -- down");
}

function daemonEnvironment(): NodeJS.ProcessEnv {
  const libraries = globSync(join(HOST_FOLDER, "usr/lib/*-linux-*"));
  const programs = ["usr/bin", "usr/sbin"].flatMap((name) => [
    join(HOST_FOLDER, name),
    join(ENGINE_FOLDER, name),
  ]);
  return {
    ...process.env,
    PATH: [...programs, process.env["PATH"]].filter(Boolean).join(delimiter),
    ...(libraries.length > 0 && {
      LD_LIBRARY_PATH: libraries.join(delimiter),
      XTABLES_LIBDIR: libraries.map((folder) => join(folder, "xtables")).join(delimiter),
    }),
  };
}

/** Whether the engine that answers was started by the lab of this checkout. */
export function isOwnEngine(): boolean {
  return findDaemon() !== undefined;
}

/** Ends the engine if it is the lab's own, with all containers in it. */
export async function stopEngine(): Promise<void> {
  const processNumber = findDaemon();
  if (processNumber !== undefined) {
    process.kill(processNumber, "SIGTERM");
  }
  const deadline = Date.now() + STOP_SECONDS * 1000;
  while (findDaemon() !== undefined) {
    if (Date.now() > deadline) {
      throw new Error(
        `the Docker engine, process ${String(processNumber)}, does not end; see ${LOG_FILE}`,
      );
    }
    await sleep(100);
  }
  await unmountData();
}

/** The engine may leave its data mounted on itself, and then that cannot be deleted. */
async function unmountData(): Promise<void> {
  if (!existsSync(DATA_FOLDER)) {
    return;
  }
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n").reverse();
  for (const [, escaped = ""] of mounts.map((line) => line.split(" "))) {
    const folder = escaped.replaceAll("\\040", " ");
    if (folder === DATA_FOLDER || folder.startsWith(`${DATA_FOLDER}/`)) {
      await runCommand("umount", [folder], { environment: process.env });
    }
  }
}

/** The process of the lab's own engine, if it runs. */
function findDaemon(): number | undefined {
  try {
    const processNumber = Number(readFileSync(PID_FILE, "utf8"));
    return readlinkSync(`/proc/${processNumber}/exe`) === realpathSync(DAEMON)
      ? processNumber
      : undefined;
  } catch {
    return undefined; // it has not been started, or has ended
  }
}
