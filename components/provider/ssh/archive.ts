import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

import { sha256 } from "../../../stacks/sha256.ts";
import { packFile } from "../docker/tar.ts";
import type { Session } from "./session.ts";

/** A regular file on its way to a machine, where root owns it. */
export interface ArchiveEntry {
  /** Path in the folder that the archive becomes, with slashes, at most 100 bytes. */
  readonly name: string;
  readonly content: Buffer;
  /** Permissions alone, such as 0o755. */
  readonly mode: number;
}

/** Even a slow uplink carries a program within this time. */
const UPLOAD_SECONDS = 1800;
/** Fastest: what is sent are programs, and networks of machines are fast. */
const COMPRESSION_LEVEL = 1;
/** Two empty blocks, which `packFile` puts behind its one file. */
const END_BYTES = 1024;

const OBSERVE = 'cat "$1/.archive-sha256" 2>/dev/null || :';

/** Unpacked beside the old folder and marked last: what is interrupted is done again. */
const PLACE = `
set -eu
umask 022
mkdir -p "\${1%/*}"
rm -rf "$1.new"
mkdir "$1.new"
tar --extract --gzip --no-same-owner --directory "$1.new"
echo "$2" >"$1.new/.archive-sha256"
rm -rf "$1"
mv -T "$1.new" "$1"
`;

/**
 * Makes a folder on a machine hold exactly these files; nothing is sent where it was made of the
 * same ones. Changes inside it are not looked for.
 *
 * @returns whether anything had to be sent
 * @throws MachineCommandError
 */
export async function placeFolder(
  session: Session,
  folder: string,
  entries: readonly ArchiveEntry[],
): Promise<boolean> {
  const hash = hashEntries(entries);
  if ((await session.run(OBSERVE, { arguments: [folder] })).trim() === hash) {
    return false;
  }
  await session.run(PLACE, {
    arguments: [folder, hash],
    input: await packEntries(entries),
    deadlineSeconds: UPLOAD_SECONDS,
  });
  return true;
}

/**
 * Every file in a folder of this machine, however deep.
 *
 * @param destination path to put before the names
 */
export function readEntries(folder: string, destination: string): ArchiveEntry[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const name = path.slice(folder.length + 1).replaceAll("\\", "/");
      return readEntry(path, `${destination}/${name}`);
    });
}

/** One file of this machine; whoever may run it here may do so there. */
function readEntry(path: string, name: string): ArchiveEntry {
  const isProgram = (statSync(path).mode & 0o100) !== 0;
  return { name, content: readFileSync(path), mode: isProgram ? 0o755 : 0o644 };
}

function hashEntries(entries: readonly ArchiveEntry[]): string {
  return sha256(
    entries
      .map(({ name, content, mode }) => `${mode.toString(8)} ${digest(content)} ${name}\n`)
      .sort()
      .join(""),
  );
}

const digest = (content: Buffer) => createHash("sha256").update(content).digest("hex");

async function packEntries(entries: readonly ArchiveEntry[]): Promise<Buffer> {
  const archive = Buffer.concat([
    ...entries.map((entry) => packFile({ ...entry, owner: 0 }).subarray(0, -END_BYTES)),
    Buffer.alloc(END_BYTES),
  ]);
  return promisify<Buffer, { level: number }, Buffer>(gzip)(archive, { level: COMPRESSION_LEVEL });
}
