import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Connection, listDestination } from "./connection.ts";
import { runSsh } from "./ssh-command.ts";
import { explainSsh } from "./ssh-failure.ts";

/** How long a connection that nobody uses stays open. */
const IDLE_SECONDS = 60;
const CONNECT_SECONDS = 15;
/** With jump hosts, each of which may take its time. */
const OPEN_SECONDS = 60;
/** A machine that is gone is noticed after three times this. */
const ALIVE_SECONDS = 5;
/** Under this name its key is noted, whatever address it is reached at. */
const KEY_ALIAS = "litellm-machine";

/** A folder for sockets and keys that only we may enter. */
function provideFolder(): string {
  const uid = process.getuid?.();
  if (uid === undefined) {
    throw new Error(
      "this system's ssh cannot share one connection among commands; deploy from Linux, macOS or, on Windows, from: wsl",
    );
  }
  // One for all our processes: a plugin is killed when it is done, and could not tidy up.
  const folder = join(tmpdir(), `litellm-ssh-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== uid) {
    throw new Error(`${folder} belongs to somebody else; remove it: sudo rm -r '${folder}'`);
  }
  chmodSync(folder, 0o700);
  return folder;
}

/** Where a socket of ours is; its path has 104 characters at most. */
export function placeSocket(...identity: readonly unknown[]): string {
  return join(provideFolder(), hashName(...identity));
}

function hashName(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 12);
}

/** What every `ssh` of ours is given; the first word on an option wins. */
function listOptions(connection: Connection): string[] {
  return [
    // Nobody is there to be asked.
    ...["-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"],
    ...["-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none", "-o", "UpdateHostKeys=no"],
    ...(connection.hostKey === undefined ? [] : listKeyOptions(connection.hostKey)),
    ...["-o", `ServerAliveInterval=${ALIVE_SECONDS}`, "-o", "ServerAliveCountMax=3"],
  ];
}

/** After the user's options, so that theirs win. */
const defaults = ["-o", `ConnectTimeout=${CONNECT_SECONDS}`] as const;

/** The arguments of an `ssh` that opens a connection of its own. */
export function listConnectionArguments(
  connection: Connection,
  options: readonly string[],
): string[] {
  const destination = listDestination(connection);
  const separator = destination.indexOf("--");
  return [
    ...options,
    ...listOptions(connection),
    ...destination.slice(0, separator),
    ...defaults,
    ...destination.slice(separator),
  ];
}

/**
 * The arguments of an `ssh` that accepts any key, and writes it down.
 *
 * @param type the only type of key that it asks for
 */
export function listLearningArguments(
  connection: Connection,
  file: string,
  type: string | undefined,
): string[] {
  return listConnectionArguments({ ...connection, hostKey: undefined }, [
    ...["-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no"],
    ...listKeyFileOptions(file),
    ...(type === undefined ? [] : ["-o", `HostKeyAlgorithms=${listAlgorithms(type)}`]),
    ...["-o", "ClearAllForwardings=yes", "-o", "ControlPath=none"],
  ]);
}

function listKeyFileOptions(file: string): string[] {
  return [
    ...["-o", `UserKnownHostsFile="${file}"`, "-o", "GlobalKnownHostsFile=/dev/null"],
    ...["-o", `HostKeyAlias=${KEY_ALIAS}`, "-o", "CheckHostIP=no"],
  ];
}

/** A key of RSA signs in more than one way. */
const listAlgorithms = (type: string): string =>
  type === "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : type;

function listKeyOptions(hostKey: string): string[] {
  const [type = "", key = ""] = hostKey.split(" ");
  const line = `${KEY_ALIAS} ${type} ${key}\n`;
  const file = join(provideFolder(), `${hashName(line)}.key`);
  if (!existsSync(file)) {
    // In one step: another `ssh` may be reading it.
    const temporary = `${file}.${randomUUID()}`;
    writeFileSync(temporary, line, { mode: 0o600 });
    renameSync(temporary, file);
  }
  return [...listKeyFileOptions(file), "-o", `HostKeyAlgorithms=${listAlgorithms(type)}`];
}

/** The arguments of an `ssh` that goes through a connection that is open, or fails. */
export function listShareArguments(socket: string): string[] {
  // Without it, `ssh` would connect anew when the socket is gone.
  return ["-F", "none", "-S", socket, "-T", "-o", "ProxyCommand=false", "-o", "LogLevel=ERROR"];
}

export interface MasterOptions {
  /** Where it is found. */
  readonly socket: string;
  /** How long it stays open when nobody uses it. Default: a minute. */
  readonly idleSeconds?: number;
}

/**
 * Opens a connection that others share, by a process that lives on without us and ends itself.
 *
 * @throws SshError that says what keeps us from it
 */
export async function openMaster(
  connection: Connection,
  { socket, idleSeconds = IDLE_SECONDS }: MasterOptions,
): Promise<void> {
  // The number of a process comes around.
  rmSync(socket, { force: true });
  const result = await runSsh(
    listConnectionArguments(connection, [
      ...["-N", "-f", "-M", "-S", socket, "-o", `ControlPersist=${idleSeconds}`],
      // What the user forwards to this machine at other times would collide with itself.
      ...["-o", "ClearAllForwardings=yes"],
    ]),
    { signal: AbortSignal.timeout(OPEN_SECONDS * 1000) },
  );
  if (result.code !== 0) {
    throw explainSsh(connection, result.stderr || `ssh: timed out after ${OPEN_SECONDS} s`);
  }
}

/** Whether a shared connection is still there. That the machine answers is not said. */
export async function isOpen(socket: string): Promise<boolean> {
  const { code } = await runSsh([...listShareArguments(socket), "-O", "check", "any"]);
  return code === 0;
}

/** Closes a shared connection, whatever runs over it. */
export async function closeMaster(socket: string): Promise<void> {
  await runSsh([...listShareArguments(socket), "-O", "exit", "any"]);
}
