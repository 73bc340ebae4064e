import { readFileSync } from "node:fs";

/** Text of a file that a setting names, relative to the project's folder; undefined where it cannot be read. */
export function readProjectFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
