import { spawnSync } from "node:child_process";

import { expect } from "vitest";

import type { PulumiProject } from "./pulumi-project.ts";

const SECOND = 1000;

/** Kills the CLI, and the plugins that it has started, as soon as the deployment is where it is to be interrupted. */
export async function killUp(
  pulumi: PulumiProject,
  isThere: () => Promise<boolean>,
): Promise<void> {
  const { child, finished } = pulumi.launch("up", "--yes", "--skip-preview");
  child.stdin.end();
  await expect.poll(isThere, { timeout: 240 * SECOND, interval: 200 }).toBe(true);
  const { stdout } = spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" });
  for (const pid of [child.pid ?? 0, ...stdout.trim().split("\n").map(Number)]) {
    process.kill(pid, "SIGKILL");
  }
  expect((await finished).exitCode).not.toBe(0);
  await pulumi.succeed("cancel", "--yes");
}
