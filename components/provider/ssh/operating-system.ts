import type { Session } from "./session.ts";

/** What a machine runs, by its /etc/os-release. */
export interface OperatingSystem {
  readonly distribution: "debian" | "ubuntu";
  /** Such as `trixie`, as its package repositories call it. */
  readonly codename: string;
  /** As it calls itself, such as `Debian GNU/Linux 13 (trixie)`. */
  readonly name: string;
}

const OLDEST = { debian: 12, ubuntu: 22.04 } as const;

/**
 * @throws Error when it is not one that the deployment knows how to set up
 */
export async function readOperatingSystem(session: Session): Promise<OperatingSystem> {
  return parseOperatingSystem(await session.run("cat /etc/os-release 2>/dev/null || uname -a"));
}

/**
 * @param text of /etc/os-release
 * @throws Error when it is not Debian 12, Ubuntu 22.04 or a later one
 */
export function parseOperatingSystem(text: string): OperatingSystem {
  const value = (key: string) =>
    new RegExp(`^${key}=(["']?)(.*)\\1$`, "m").exec(text)?.[2]?.trim() ?? "";
  const distribution = value("ID");
  const name = value("PRETTY_NAME") || text.trim().split("\n")[0] || "an unknown system";
  const codename = value("VERSION_CODENAME");
  // Debian's testing and unstable have no number.
  const version = Number(value("VERSION_ID") || Infinity);
  if (
    (distribution === "debian" || distribution === "ubuntu") &&
    version >= OLDEST[distribution] &&
    codename !== ""
  ) {
    return { distribution, codename, name };
  }
  throw new Error(
    `the machine runs ${name}, and this deployment sets up Debian 12, Ubuntu 22.04 and later ones; ` +
      `see: cat /etc/os-release`,
  );
}
