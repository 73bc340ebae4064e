import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { runCommand } from "../../components/provider/host/command.ts";

/**
 * Unpacks a package of npm's registry into a folder, without installing it.
 *
 * @param integrity what package-lock.json would hold: `sha512-…`
 * @throws Error when the registry has something else under that name
 */
export async function unpackNpmPackage(
  name: string,
  version: string,
  integrity: string,
  folder: string,
): Promise<void> {
  const scratch = `${folder}.new`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  const run = (program: string, ...arguments_: string[]) =>
    runCommand(program, arguments_, { environment: process.env, folder: scratch });
  const listing = await run("npm", "pack", "--json", "--loglevel=error", `${name}@${version}`);
  const [{ filename }] = JSON.parse(listing) as [{ filename: string }];
  const archive = join(scratch, filename);
  const found = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (found !== integrity) {
    throw new Error(`${name}@${version} is not what it was: ${found} instead of ${integrity}`);
  }
  await run("tar", "-xf", archive);
  renameSync(join(scratch, "package"), folder);
  rmSync(scratch, { recursive: true });
}
