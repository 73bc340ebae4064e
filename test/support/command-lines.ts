import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const SAMPLE_MILLISECONDS = 100;

/** Command lines of all processes on this machine, those in containers too. */
export function listCommandLines(): string[] {
  // A `ps` that often would take a fifth of a core.
  return existsSync("/proc/self/cmdline") ? readProc() : askPs();
}

/** Notes every command line that is seen while something goes on. */
export async function watchCommandLines<Result>(
  seen: Set<string>,
  work: () => Promise<Result>,
): Promise<Result> {
  const sampler = setInterval(() => {
    for (const line of listCommandLines()) seen.add(line);
  }, SAMPLE_MILLISECONDS);
  try {
    return await work();
  } finally {
    clearInterval(sampler);
  }
}

function readProc(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(readCommandLine);
}

/** Empty where the process has ended meanwhile, and for the kernel's own. */
function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trimEnd();
  } catch {
    return "";
  }
}

function askPs(): string[] {
  return spawnSync("ps", ["-eo", "args"], { encoding: "utf8" }).stdout.split("\n");
}
