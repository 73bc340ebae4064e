import { spawnSync } from "node:child_process";

import { afterEach, expect, it, vi } from "vitest";

import { dockerEngine, PROBLEM_VARIABLE } from "../lab/environment.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

it("says what to do where no engine answers", () => {
  vi.stubEnv("DOCKER_HOST", "unix:///nowhere/docker.sock");
  expect(dockerEngine()).toMatchObject({
    available: false,
    reason: "needs a Docker engine: npm run lab",
  });
});

it("says why the images are not there", () => {
  vi.stubEnv(PROBLEM_VARIABLE, "needs the lab's images: npm run lab (no network)");
  const { available, reason } = dockerEngine();
  expect(available).toBe(false);
  expect(reason).toMatch(/^needs /);
});

it("refuses arguments that it does not know", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", "./tools/report-errors.mjs", "tools/lab.ts", "down", "--everything"],
    { encoding: "utf8" },
  );
  expect(status).toBe(1);
  expect(stderr).toBe(
    "error: unknown arguments; there are: npm run lab, npm run lab -- down [--all]\n",
  );
});
