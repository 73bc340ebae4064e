import { readFileSync, statSync } from "node:fs";

export interface OperatingSystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Looks a user up in /etc/passwd.
 *
 * @throws Error when there is no such user
 */
export function findUser(name: string): OperatingSystemUser {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error(`this machine has no user "${name}"; create it: useradd --system ${name}`);
  }
  // macOS writes nobody as -2.
  return { name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
}

/**
 * The unprivileged user for a server that refuses to run as root: whoever owns
 * `folder` already, else `postgres` where it exists, else `nobody`. Undefined
 * when we are not root and run it ourselves.
 */
export function chooseServerUser(folder: string): string | undefined {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  let owner: number | undefined;
  try {
    owner = statSync(folder).uid;
  } catch {
    owner = undefined; // not made yet
  }
  const name =
    users.find(([, , uid]) => owner !== undefined && owner !== 0 && uid === String(owner)) ??
    users.find(([user]) => user === "postgres");
  return name?.[0] ?? "nobody";
}
