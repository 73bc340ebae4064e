import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";

import type { LocalPlan, PostgresProcessPlan } from "../../stacks/plan/plan.ts";
import { findUser } from "../provider/host/operating-system-user.ts";
import { describeOtherVersion, readMajorVersion } from "../provider/host/postgres-data.ts";
import { findPortHolder, findProcess, identify } from "../provider/host/process-table.ts";

/** Everything on this machine that would stop the deployment half way; each ends in what to do. */
export async function findObstacles(plan: LocalPlan): Promise<string[]> {
  const { proxy, database } = plan;
  const obstacles = [
    ...checkFolder(plan.folder),
    ...checkDisk(plan),
    ...checkPort(proxy.port, "deployment.proxyPort", proxy.processName),
    ...(await checkPython(proxy.environmentFolder)),
  ];
  if (database.kind === "embedded") {
    obstacles.push(
      ...checkPort(database.server.port, "database.port", database.server.processName),
      ...checkDistribution(database.server),
      ...(await checkData(database.server)),
    );
  }
  return obstacles;
}

function checkFolder(folder: string): string[] {
  const existing = nearestExisting(folder);
  try {
    accessSync(existing, constants.W_OK);
    return [];
  } catch {
    return [`${existing} cannot be written to; make it yours: sudo chown -R "$USER" '${existing}'`];
  }
}

function checkDisk({ folder, proxy }: LocalPlan): string[] {
  // The Python environment takes 650 MB; a fresh database and its logs a little.
  const needed = existsSync(proxy.environmentFolder) ? 200e6 : 1.5e9;
  const { bavail, bsize } = statfsSync(nearestExisting(folder));
  const free = bavail * bsize;
  return free >= needed
    ? []
    : [
        `the disk of ${resolve(folder)} has ${formatMegabytes(free)} free and ${formatMegabytes(needed)} are needed; see what is large: du -xhd1 / | sort -h`,
      ];
}

function checkPort(port: number, setting: string, processName: string): string[] {
  const ours = findProcess(identify(processName));
  const holder = findPortHolder(port, ours);
  if (holder === undefined) {
    return [];
  }
  if (ours !== undefined && (holder.pid === ours.pid || holder.group === ours.pid)) {
    return [];
  }
  const who =
    holder.pid === undefined ? holder.command : `process ${holder.pid} (${holder.command})`;
  return [
    `port ${port} is taken by ${who}; stop it, or choose another: pulumi config set --path ${setting} ${port + 1}`,
  ];
}

async function checkPython(environmentFolder: string): Promise<string[]> {
  if (existsSync(environmentFolder)) {
    return [];
  }
  // Loaded when needed: a preview of what is deployed already must be quick.
  const { findUv } = await import("../provider/host/uv.ts");
  try {
    await findUv();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function checkDistribution({
  distribution,
  dataDirectory,
  serverUser,
}: PostgresProcessPlan): string[] {
  const server = resolve(distribution, "bin/postgres");
  if (!existsSync(server)) {
    return [
      `PostgreSQL for this platform is not installed (${server}); install it: npm ci, or do without: pulumi config set --path database.kind none`,
    ];
  }
  if (serverUser === undefined || existsSync(dataDirectory)) {
    return [];
  }
  const { uid, gid } = findUser(serverUser);
  try {
    execFileSync("/bin/sh", ["-c", 'test -x "$0"', server], { uid, gid, cwd: "/" });
    return [];
  } catch {
    return [
      `PostgreSQL does not run as root, and user ${serverUser} may not enter ${process.cwd()}; let it: chmod o+x each folder down to there, or deploy as another user`,
    ];
  }
}

async function checkData({ dataDirectory, majorVersion }: PostgresProcessPlan): Promise<string[]> {
  const found = await readMajorVersion(dataDirectory);
  return found === undefined || found === majorVersion
    ? []
    : [describeOtherVersion(dataDirectory, found, majorVersion)];
}

function nearestExisting(path: string): string {
  let folder = resolve(path);
  while (!existsSync(folder)) {
    folder = dirname(folder);
  }
  return folder;
}

const formatMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
