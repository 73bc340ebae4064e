import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from "node:fs";

const ROTATE_BYTES = 10 << 20;

/** Opens a log for appending, readable by its owner only; one of more than 10 MiB is set aside as `.1` first. */
export function openLog(path: string): number {
  if (existsSync(path) && statSync(path).size > ROTATE_BYTES) {
    renameSync(path, `${path}.1`);
  }
  return openSync(path, "a", 0o600);
}

/** The last lines of a log written from byte `offset` on. */
export function readLogTail(path: string, lines: number, offset = 0): string {
  const TAIL_BYTES = 64 << 10;
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return ""; // nothing was written
  }
  try {
    const { size } = fstatSync(file);
    const start = Math.max(offset, size - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    readSync(file, buffer, 0, buffer.length, start);
    return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } finally {
    closeSync(file);
  }
}
