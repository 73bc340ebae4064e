import type { MachinePlan } from "../../stacks/plan/machine-plan.ts";
import type { TwoVmPlan } from "../../stacks/plan/plan.ts";
import { closeSessions, openSession } from "../provider/ssh/session.ts";
import { readOperatingSystem } from "../provider/ssh/operating-system.ts";

/** From the first attempt to reach a machine. */
const PATIENCE_SECONDS = 30;

/**
 * What stands in the way on the machines. Those whose host key is still to be learnt, and those whose
 * sudo wants a password, which this program does not see, are left to the deployment itself.
 */
export async function findMachineObstacles(plan: TwoVmPlan): Promise<string[]> {
  const machines = [
    plan.gateway.machine,
    ...(plan.database.kind === "machine" ? [plan.database.server.machine] : []),
  ];
  try {
    const found = await Promise.all(machines.map(findObstacles));
    return found.flat();
  } finally {
    await closeSessions();
  }
}

async function findObstacles(machine: MachinePlan): Promise<string[]> {
  const { host, port, user, options, hostKey, sudoPassword } = machine;
  if (hostKey === "learn" || sudoPassword !== undefined) return [];
  const connection = {
    host,
    options: [...options],
    ...(port !== undefined && { port }),
    ...(user !== undefined && { user }),
    ...(hostKey !== undefined && { hostKey }),
  };
  try {
    await readOperatingSystem(
      openSession(connection, AbortSignal.timeout(PATIENCE_SECONDS * 1000)),
    );
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
