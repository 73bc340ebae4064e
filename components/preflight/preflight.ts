import { output } from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors.js";

import type { Secrets } from "../../stacks/config.ts";
import type { Plan } from "../../stacks/plan/plan.ts";
import { readAbsentTarget } from "../absent-target.ts";
import { requireSecret } from "../secrets.ts";
import type { RecordedStack } from "./recorded-stack.ts";
import { findTransitionObstacles } from "./transition.ts";

/**
 * Looks for everything that would stop the deployment half way or lose data,
 * before the first resource is touched.
 *
 * @throws RunError that names all obstacles, each with what to do
 */
export async function assertDeployable(
  plan: Plan,
  recorded: RecordedStack,
  secrets: Secrets,
): Promise<void> {
  const isTargetAbsent = readAbsentTarget() !== undefined;
  const obstacles = [
    ...(await findTransitionObstacles(plan, recorded, isTargetAbsent)),
    ...(isTargetAbsent ? [] : await findTargetObstacles(plan, recorded, secrets)),
  ];
  if (obstacles.length > 0) {
    throw new RunError(
      `stack ${plan.stack} cannot be deployed:\n` +
        obstacles.map((obstacle) => `  - ${obstacle}`).join("\n"),
    );
  }
}

/** What stands in the way on the machine that is deployed to. Only the code of its topology is loaded. */
async function findTargetObstacles(
  plan: Plan,
  recorded: RecordedStack,
  secrets: Secrets,
): Promise<string[]> {
  switch (plan.topology) {
    case "local":
      return (await import("./this-machine.ts")).findObstacles(plan);
    case "single-host":
    case "traefik":
      return (await import("./docker-engine.ts")).findEngineObstacles(plan, recorded);
    case "two-vm":
      return (await import("./machines.ts")).findMachineObstacles(plan);
    case "existing":
      return (await import("./existing-gateway.ts")).findGatewayObstacles(
        plan,
        await readSecret(secrets, "masterKey"),
      );
    default:
      return plan satisfies never;
  }
}

/** What the user has set is known from the start. */
function readSecret(secrets: Secrets, name: string): Promise<string> {
  return new Promise((resolve) => {
    output(requireSecret(secrets, name)).apply(resolve);
  });
}
