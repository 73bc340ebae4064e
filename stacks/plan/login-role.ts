import type { Circumstances } from "./plan.ts";
import type { Settings } from "../settings/settings.ts";

/** PostgreSQL's limit, in bytes. */
const LONGEST_NAME = 63;

/**
 * Name of the role that proxies log in with: another one for another password, so that those which
 * know the old one go on while the new ones start. Undefined where the stack makes no roles.
 */
export function nameLogin(
  { database }: Pick<Settings, "database">,
  { fingerprints }: Pick<Circumstances, "fingerprints">,
): string | undefined {
  if (!("role" in database)) return undefined;
  const suffix = fingerprints["databasePassword"]?.slice(0, 8) ?? "login";
  return `${database.role.slice(0, LONGEST_NAME - suffix.length - 1)}_${suffix}`;
}
