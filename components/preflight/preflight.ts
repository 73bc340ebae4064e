import { RunError } from "@pulumi/pulumi/errors.js";

import type { Plan } from "../../stacks/plan/plan.ts";
import { readAbsentTarget } from "../absent-target.ts";
import type { RecordedStack } from "./recorded-stack.ts";
import { findTransitionObstacles } from "./transition.ts";

/**
 * Looks for everything that would stop the deployment half way or lose data,
 * before the first resource is touched.
 *
 * @throws RunError that names all obstacles, each with what to do
 */
export async function assertDeployable(plan: Plan, recorded: RecordedStack): Promise<void> {
  const isTargetAbsent = readAbsentTarget() !== undefined;
  const obstacles = [
    ...(await findTransitionObstacles(plan, recorded, isTargetAbsent)),
    ...(isTargetAbsent ? [] : await findTargetObstacles(plan, recorded)),
  ];
  if (obstacles.length > 0) {
    throw new RunError(
      `stack ${plan.stack} cannot be deployed:\n` +
        obstacles.map((obstacle) => `  - ${obstacle}`).join("\n"),
    );
  }
}

/** What stands in the way on the machine that is deployed to. Only the code of its topology is loaded. */
async function findTargetObstacles(plan: Plan, recorded: RecordedStack): Promise<string[]> {
  switch (plan.topology) {
    case "local":
      return (await import("./this-machine.ts")).findObstacles(plan);
    case "single-host":
    case "traefik":
      return (await import("./docker-engine.ts")).findEngineObstacles(plan, recorded);
    case "two-vm":
      return (await import("./machines.ts")).findMachineObstacles(plan);
    default:
      return plan satisfies never;
  }
}
