import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter } from "node:path";

import { labPath } from "./folder.ts";

/** Programs that the lab brought along, where it did: `docker`, and what the engine runs. */
export const ENGINE_FOLDER = labPath("engine");
/** Docker's settings folder, with `compose` and `buildx`, where the lab brought these along. */
export const DOCKER_CONFIG_FOLDER = labPath("docker-config");

/** Set by `npm test` where an engine answers and its images cannot be had: why. */
export const PROBLEM_VARIABLE = "LITELLM_GATEWAY_LAB_PROBLEM";

/**
 * What a process that uses Docker needs in its environment, on top of `environment`: nothing
 * where the machine's own command line does.
 */
export function labEnvironment(
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  if (!existsSync(DOCKER_CONFIG_FOLDER)) {
    return {};
  }
  return {
    PATH: [`${ENGINE_FOLDER}/usr/bin`, environment["PATH"]].filter(Boolean).join(delimiter),
    DOCKER_CONFIG: environment["DOCKER_CONFIG"] ?? DOCKER_CONFIG_FOLDER,
  };
}

export interface DockerEngine {
  readonly available: boolean;
  /** Why not, with the command that helps; empty where it is available. */
  readonly reason: string;
  /** The whole environment to run `docker` in. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Whether an engine answers, for `describe.skipIf(!docker.available)`. */
export function dockerEngine(): DockerEngine {
  const environment = { ...process.env, ...labEnvironment() };
  const { status } = spawnSync("docker", ["version", "--format", "{{.Server.Version}}"], {
    env: environment,
    timeout: 10_000,
  });
  const reason =
    status === 0 ? (process.env[PROBLEM_VARIABLE] ?? "") : "needs a Docker engine: npm run lab";
  return { available: reason === "", reason, environment };
}
