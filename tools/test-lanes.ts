import { globSync } from "node:fs";
import { resolve } from "node:path";

const CHECKOUT = resolve(import.meta.dirname, "..");

/**
 * What measures how clients fare while something changes or breaks, where a busy machine shows, and what
 * makes both lanes about as long: move a file from one lane to the other where that has changed.
 */
const FOREGROUND =
  /^test\/engine\/(access|existing|traefik|rollout|single-host(-faults|-databases)?\.)/;

/** Files with tests, as two runs of vitest that go on beside each other. */
interface Lanes {
  readonly foreground: readonly string[];
  readonly background: readonly string[];
}

/** Puts every file with tests into one of the lanes. */
export function planLanes(
  files: readonly string[] = globSync("test/**/*.test.ts", { cwd: CHECKOUT }),
): Lanes {
  const paths = files.map((file) => file.replaceAll("\\", "/")).sort();
  return {
    foreground: paths.filter((path) => FOREGROUND.test(path)),
    background: paths.filter((path) => !FOREGROUND.test(path)),
  };
}
