import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const UNFINISHED = ".unfinished";
/** After that long nobody is writing it any more. */
const ABANDONED_MILLISECONDS = 24 * 3600 * 1000;

/** `litellm-prod-20261122T065512Z.tar.age` */
export function nameBackup(stack: string, created: Date): string {
  const time = created.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `litellm-${shortName(stack)}-${time}.tar.age`;
}

/**
 * Writes a backup that only we can read, under its name when it is whole.
 *
 * @returns its path
 */
export async function writeBackup(
  folder: string,
  name: string,
  content: Readable,
): Promise<string> {
  await prepareFolder(folder);
  const file = join(folder, name);
  const unfinished = `${file}${UNFINISHED}`;
  try {
    const handle = await open(unfinished, "wx", 0o600);
    await pipeline(content, handle.createWriteStream({ flush: true }));
    await chmod(unfinished, 0o600);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return file;
}

/** Whether a file of that name is a backup of the stack. */
export function isBackupOf(stack: string, name: string): boolean {
  const prefix = `litellm-${shortName(stack)}-`;
  return name.startsWith(prefix) && /^\d{8}T\d{6}Z\.tar\.age$/.test(name.slice(prefix.length));
}

/**
 * Deletes all backups of the stack but the newest ones, and what an interrupted one left behind.
 * Other files, and what is no file, stay.
 *
 * @returns names of the deleted ones
 */
export async function removeOldBackups(
  folder: string,
  stack: string,
  keep: number,
): Promise<string[]> {
  const names = (await readdir(folder)).sort();
  const backups = names.filter((name) => isBackupOf(stack, name));
  const removed: string[] = [];
  for (const name of backups.slice(0, Math.max(0, backups.length - keep))) {
    if (!(await lstat(join(folder, name))).isFile()) continue;
    await rm(join(folder, name));
    removed.push(name);
  }
  for (const name of names) {
    if (!name.endsWith(UNFINISHED) || !isBackupOf(stack, name.slice(0, -UNFINISHED.length))) {
      continue;
    }
    const { mtimeMs } = await lstat(join(folder, name));
    if (Date.now() - mtimeMs > ABANDONED_MILLISECONDS) await rm(join(folder, name));
  }
  return removed;
}

/** Made where it is missing, for us only, and kept out of git. */
async function prepareFolder(folder: string): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, ".gitignore"), "*\n");
}

/** A backend with organizations knows the stack by a longer name. */
function shortName(stack: string): string {
  return stack.split("/").at(-1) ?? stack;
}
