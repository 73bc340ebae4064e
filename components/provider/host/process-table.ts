import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * What the operating system says about running processes: Linux by /proc, macOS
 * by ps and lsof. A process is recognised by what it is, never by its number
 * alone, because numbers are used again.
 */

/** Variable in the environment of every process we start; its value names which one it is. */
export const IDENTITY_VARIABLE = "LITELLM_GATEWAY_PROCESS";

const isLinux = process.platform === "linux";

/** Identity of a process of this checkout: a copy of it brings the state along, but not the processes. */
export const identify = (name: string): string => `${process.cwd()}:${name}`;

export interface RunningProcess {
  readonly pid: number;
  /** When it started, in the system's own notation: together with the pid unique until a reboot. */
  readonly startTime: string;
}

/** Whether this very process still runs; a zombie does not. */
export function isRunning({ pid, startTime }: RunningProcess): boolean {
  return findEntry(pid)?.startTime === startTime;
}

/** Whether another process has got this one's number meanwhile. */
export function isReused({ pid, startTime }: RunningProcess): boolean {
  const entry = findEntry(pid);
  return entry !== undefined && entry.startTime !== startTime;
}

/** Whether the number of a process is taken, be it by a dead one whose exit code nobody has collected. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * The process we started under this identity: the leader of its group, the
 * oldest if there are several.
 *
 * @param hint - where it was last seen, which saves looking at every process
 */
export function findProcess(identity: string, hint?: RunningProcess): RunningProcess | undefined {
  const wanted = `${IDENTITY_VARIABLE}=${identity}`;
  if (isLinux && hint !== undefined && isRunning(hint) && hasVariable(hint.pid, wanted)) {
    return hint;
  }
  const leaders = (isLinux ? listProc() : listWithPs(wanted))
    .filter(({ pid, group }) => pid === group)
    .filter(({ pid }) => !isLinux || hasVariable(pid, wanted))
    .sort((a, b) => a.pid - b.pid);
  const [first] = leaders;
  return first === undefined ? undefined : { pid: first.pid, startTime: first.startTime };
}

/** All living processes of a group, the leader included. */
export function listGroup(group: number): number[] {
  const entries = isLinux ? listProc() : listWithPs();
  return entries.filter((entry) => entry.group === group).map((entry) => entry.pid);
}

/** Who listens on a TCP port of this machine. */
export interface PortHolder {
  /** Undefined when the process belongs to another user and cannot be seen. */
  readonly pid: number | undefined;
  readonly group: number | undefined;
  /** Its command line, cut to 120 characters: it may carry anything. */
  readonly command: string;
}

/**
 * The listener on a TCP port of any local address, or undefined when the port is free.
 *
 * @param suspect - the process to look at first, which saves looking at every one
 */
export function findPortHolder(port: number, suspect?: RunningProcess): PortHolder | undefined {
  const pid = isLinux ? findListenerInProc(port, suspect) : findListenerWithLsof(port);
  if (pid === "free") {
    return undefined;
  }
  if (pid === "hidden") {
    return { pid: undefined, group: undefined, command: "a process of another user" };
  }
  const group = isLinux
    ? readStat(pid)?.group
    : listWithPs().find((entry) => entry.pid === pid)?.group;
  return { pid, group, command: describeCommand(pid) };
}

interface Entry extends RunningProcess {
  readonly group: number;
}

function findEntry(pid: number): Entry | undefined {
  return isLinux ? readStat(pid) : listWithPs().find((entry) => entry.pid === pid);
}

function readStat(pid: number): Entry | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // it is gone
  }
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, , group] = fields;
  const startTime = fields[19];
  if (state === "Z" || state === "X" || group === undefined || startTime === undefined) {
    return undefined;
  }
  return { pid, group: Number(group), startTime };
}

function listProc(): Entry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((entry) => entry !== undefined);
}

function hasVariable(pid: number, wanted: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(wanted);
  } catch {
    return false; // gone, or another user's
  }
}

function listWithPs(wanted?: string): Entry[] {
  const columns = "pid=,pgid=,stat=,lstart=";
  const arguments_ = wanted === undefined ? ["-axo", columns] : ["-axEwwo", `${columns},command=`];
  const output = execFileSync("ps", arguments_, { encoding: "utf8", maxBuffer: 64 << 20 });
  return output.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s*(.*)$/.exec(line);
    if (!match?.[1] || !match[2] || !match[3] || !match[4] || match[3].startsWith("Z")) {
      return [];
    }
    if (wanted !== undefined && !` ${match[5] ?? ""} `.includes(` ${wanted} `)) {
      return [];
    }
    return [{ pid: Number(match[1]), group: Number(match[2]), startTime: match[4] }];
  });
}

function findListenerInProc(
  port: number,
  suspect: RunningProcess | undefined,
): number | "free" | "hidden" {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const LISTEN = "0A";
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => {
      let table: string;
      try {
        table = readFileSync(file, "utf8");
      } catch {
        return []; // no IPv6
      }
      return table.split("\n").flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const listens = fields[1]?.endsWith(suffix) === true && fields[3] === LISTEN;
        return listens && fields[9] !== undefined ? [`socket:[${fields[9]}]`] : [];
      });
    }),
  );
  if (inodes.size === 0) {
    return "free";
  }
  const suspects = suspect === undefined ? [] : [suspect];
  for (const { pid } of chain(suspects, listProc)) {
    try {
      const folder = `/proc/${pid}/fd`;
      if (readdirSync(folder).some((fd) => inodes.has(readLink(`${folder}/${fd}`)))) {
        return pid;
      }
    } catch {
      continue; // gone, or another user's
    }
  }
  return "hidden";
}

/** The second list is made only when the first was not enough. */
function* chain<T>(first: readonly T[], second: () => readonly T[]): Generator<T> {
  yield* first;
  yield* second();
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

function findListenerWithLsof(port: number): number | "free" {
  try {
    const output = execFileSync("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-t"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return Number(output.trim().split("\n")[0]);
  } catch {
    return "free"; // lsof exits non-zero when it finds nothing
  }
}

function describeCommand(pid: number): string {
  try {
    const command = isLinux
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
      : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.trim().slice(0, 120);
  } catch {
    return "a process that has just ended";
  }
}
