import { setTimeout as sleep } from "node:timers/promises";

import { type Connection, formatMachine, formatSsh } from "./connection.ts";
import type { OperationContext } from "../resource.ts";
import { exclusively, openSession, type Result, type Session } from "./session.ts";

/** What a machine's apt is worked on with. */
export interface Apt {
  readonly connection: Connection;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Longest wait for another program that holds a lock of apt or dpkg. */
  readonly lockDeadlineSeconds: number;
  log(message: string): void;
}

/** An installed package. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
}

export const LOCK_DEADLINE_SECONDS = 300;
const WORK_DEADLINE_SECONDS = 1800;
const LOCK_POLL_MILLISECONDS = 2000;

/** The apt of the machine that a resource is on. */
export function openApt(
  context: OperationContext,
  {
    connection,
    lockDeadlineSeconds,
  }: { readonly connection: Connection; readonly lockDeadlineSeconds: number },
): Apt {
  const session = openSession(connection, context.signal);
  const log = (message: string) => {
    context.log(message, { ephemeral: true });
  };
  return { connection, session, signal: context.signal, lockDeadlineSeconds, log };
}

/** One at a time on each machine: dpkg knows no more, and would have us wait for ourselves. */
export function withApt<T>(apt: Apt, task: () => Promise<T>): Promise<T> {
  return exclusively(apt.connection, "apt", task);
}

/**
 * Runs `apt-get`, waits for whoever holds its locks, and repairs, once, what an interrupted dpkg
 * has left.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function runApt(apt: Apt, arguments_: readonly string[]): Promise<string> {
  const deadline = Date.now() + apt.lockDeadlineSeconds * 1000;
  let isRepaired = false;
  for (;;) {
    const result = await apt.session.try(APT_GET, {
      arguments: [String(apt.lockDeadlineSeconds), ...arguments_],
      deadlineSeconds: apt.lockDeadlineSeconds + WORK_DEADLINE_SECONDS,
    });
    if (result.code === 0) {
      return result.stdout;
    }
    if (LOCKED.test(result.stderr) && Date.now() < deadline) {
      // apt waits for dpkg's lock itself, and for that of its lists it does not.
      apt.log("waiting for another program that uses apt");
      await sleep(LOCK_POLL_MILLISECONDS, undefined, { signal: apt.signal });
    } else if (INTERRUPTED.test(result.stderr) && !isRepaired) {
      apt.log("finishing what an interrupted dpkg has left: dpkg --configure -a");
      await repair(apt);
      isRepaired = true;
    } else {
      throw new AptError(apt.connection, result);
    }
  }
}

const APT_GET = `
export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical LC_ALL=C.UTF-8 NEEDRESTART_SUSPEND=1
seconds=$1; shift
exec apt-get -q -y -o DPkg::Lock::Timeout="$seconds" -o Dpkg::Use-Pty=0 \\
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
`;

async function repair({ connection, session }: Apt): Promise<void> {
  const result = await session.try(
    `export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    exec dpkg --force-confdef --force-confold --configure -a </dev/null`,
    { deadlineSeconds: WORK_DEADLINE_SECONDS },
  );
  if (result.code !== 0) {
    throw new AptError(connection, result, "and its repair fails");
  }
}

/** Brings the lists of packages that repositories have up to date. */
export async function updateLists(apt: Apt): Promise<void> {
  apt.log("reading the lists of packages");
  await runApt(apt, ["update"]);
}

/** Whether there are no lists yet, or those that are there are older than a day. */
export async function areListsStale({ session }: Apt): Promise<boolean> {
  // Each update, also one that finds nothing new, passes through this folder.
  const { code } = await session.try(
    `cd /var/lib/apt/lists && [ -n "$(find partial -prune -mmin -1440)" ] &&
    [ -n "$(find . -maxdepth 1 -name '*Packages*' -print -quit)" ]`,
  );
  return code !== 0;
}

/**
 * Whether a repository offers a package.
 *
 * @param table what `apt-cache madison` says of the package
 * @param exceptUri of a repository that does not count
 */
export function isOffered(table: string, exceptUri: string | undefined): boolean {
  return table
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .some(
      ([, , source]) =>
        source !== undefined && (exceptUri === undefined || !source.startsWith(exceptUri)),
    );
}

/** Which of these packages are installed, and completely. */
export async function listInstalled(
  session: Session,
  names: readonly string[],
): Promise<InstalledPackage[]> {
  const output = await session.run(
    `dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\\n' -- "$@" 2>/dev/null || :`,
    { arguments: names },
  );
  return output.split("\n").flatMap((line) => {
    const [name = "", version = "", status = ""] = line.split(" ");
    return status.startsWith("ii") || status.startsWith("hi") ? [{ name, version }] : [];
  });
}

/**
 * Installs packages, and returns the names of all that came with them.
 *
 * Before it begins, it notes on the machine what is installed: after an interruption the next try
 * still knows what was there before.
 *
 * @param packages `name` or `name=version`
 * @param noteFile absolute path on the machine
 */
export async function installPackages(
  apt: Apt,
  packages: readonly string[],
  noteFile: string,
): Promise<string[]> {
  const mustUpdate = await areListsStale(apt);
  if (mustUpdate) {
    await updateLists(apt);
  }
  await apt.session.run(
    `[ -e "$1" ] || { umask 077; ${LIST_ALL} > "$1.new" && mv "$1.new" "$1"; }`,
    { arguments: [noteFile] },
  );
  apt.log(`installing ${packages.join(", ")}`);
  const install = () =>
    runApt(apt, ["install", "--no-install-recommends", "--allow-downgrades", "--", ...packages]);
  try {
    await install();
  } catch (error) {
    // Lists of this morning name files that the repository has replaced since.
    if (mustUpdate || !(error instanceof AptError) || !error.isCuredByUpdate) {
      throw error;
    }
    await updateLists(apt);
    await install();
  }
  const output = await apt.session.run(
    `export LC_ALL=C; ${LIST_ALL} | comm -13 "$1" - && rm "$1"`,
    { arguments: [noteFile] },
  );
  return output.split("\n").filter((line) => line !== "");
}

const LIST_ALL = `{ dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' | sed -n 's/^[ih]i *//p' | LC_ALL=C sort -u; }`;

/**
 * Removes packages and what had come with them and nothing needs any more.
 *
 * @param names of packages to remove; those that others have come to need stay
 * @param added all packages that may be removed
 * @param verb `purge` removes their configuration as well
 */
export async function removePackages(
  apt: Apt,
  names: readonly string[],
  added: readonly string[],
  verb: "remove" | "purge",
): Promise<void> {
  const simulate = async (arguments_: readonly string[]) => {
    const output = await runApt(apt, ["--simulate", ...arguments_]);
    return [...output.matchAll(/^(?:Remv|Purg) (\S+)/gm)].map(([, name = ""]) => name);
  };
  const mayRemove = (name: string) => added.includes(name);
  const areRemovable = async (each: readonly string[]) =>
    (await simulate([verb, "--", ...each])).every(mayRemove);
  const removable =
    names.length === 0 || (await areRemovable(names))
      ? names
      : await filterAsync(names, (name) => areRemovable([name]));
  if (removable.length > 0) {
    apt.log(`removing ${removable.join(", ")}`);
    await runApt(apt, [verb, "--", ...removable]);
  }
  // Not `autoremove` itself, which takes away what others have left.
  const orphans = await simulate(["autoremove"]);
  const ours = orphans.filter(mayRemove);
  if (ours.length > 0 && (ours.length === orphans.length || (await areRemovable(ours)))) {
    await runApt(apt, [verb, "--", ...ours]);
  }
}

async function filterAsync<T>(
  items: readonly T[],
  predicate: (item: T) => Promise<boolean>,
): Promise<T[]> {
  const kept: T[] = [];
  for (const item of items) {
    if (await predicate(item)) kept.push(item);
  }
  return kept;
}

/** A failure of apt or dpkg, in the user's words. */
class AptError extends Error {
  /** What apt knows of its repositories may be out of date. */
  readonly isCuredByUpdate: boolean;

  constructor(
    connection: Connection,
    { stdout, stderr }: Pick<Result, "stdout" | "stderr">,
    addition = "",
  ) {
    const output = `${stdout}\n${stderr}`;
    super(`${explain(connection, output, addition)}\napt says:\n${selectLines(stderr || stdout)}`);
    this.name = "AptError";
    this.isCuredByUpdate = UNKNOWN.test(output) || UNREACHABLE.test(output);
  }
}

const LOCKED = /Could not get lock|Unable to (?:acquire|lock)|dpkg frontend lock/i;
const INTERRUPTED = /dpkg was interrupted|dpkg --configure -a/i;
const FULL = /No space left on device|enough free space|failed to write|write error/i;
const UNKNOWN =
  /Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate|Version '[^']+' for '([^']+)' was not found/i;
const UNREACHABLE =
  /Failed to fetch|Temporary failure resolving|Could not resolve|Unable to connect|Could not connect|Connection (?:timed out|failed|refused)|\b404\b/i;

function explain(connection: Connection, output: string, addition: string): string {
  const machine = formatMachine(connection);
  const see = (command: string) => formatSsh(connection, command);
  if (FULL.test(output)) {
    return `the disk of ${machine} is full; make room, and run again; see: ${see("df -h / /var /tmp")}`;
  }
  const [, pid, command] = /held by process (\d+)(?: \(([^)]+)\))?/.exec(output) ?? [];
  if (pid !== undefined) {
    const who = command === undefined ? "" : ` (${command})`;
    return `process ${pid}${who} keeps apt of ${machine} locked; run again when it has ended; see: ${see(`ps -fp ${pid}`)}`;
  }
  if (LOCKED.test(output)) {
    return `another program keeps apt of ${machine} locked; run again when it has ended; see: ${see("sudo fuser -v /var/lib/dpkg/lock-frontend /var/lib/apt/lists/lock")}`;
  }
  if (addition !== "" || INTERRUPTED.test(output)) {
    const reason = ["dpkg was interrupted", addition].filter((text) => text !== "").join(", ");
    return `${reason}; mend the packages of ${machine}: ${see("sudo dpkg --configure -a")}`;
  }
  if (/unmet dependencies|held broken packages|--fix-broken/i.test(output)) {
    return `the packages of ${machine} do not fit together; mend them: ${see("sudo apt-get --fix-broken install")}`;
  }
  if (/NO_PUBKEY|is not signed|Signature.*invalid|OpenPGP/i.test(output)) {
    return `a package repository of ${machine} is not signed with the key that it should be; see: ${see("sudo apt-get update")}`;
  }
  const unknown = UNKNOWN.exec(output);
  if (unknown !== null) {
    const name = unknown.slice(1).find((each) => (each as string | undefined) !== undefined) ?? "";
    return `no package repository of ${machine} has what is asked for of ${name}; add one that has, or ask for another version; see: ${see(`apt-cache policy ${name}`)}`;
  }
  if (UNREACHABLE.test(output)) {
    return `${machine} cannot reach a package repository; test it, and set its proxy in /etc/apt/apt.conf.d where it needs one: ${see("sudo apt-get update")}`;
  }
  return `apt of ${machine} failed; see: ${see("sudo apt-get check")}`;
}

/** What it complains of, or else its end. */
function selectLines(output: string, count = 12): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const complaints = lines.filter((line) => /^(?:E:|W:|Err:|dpkg: error)/.test(line));
  return (complaints.length > 0 ? complaints : lines).slice(-count).join("\n");
}
