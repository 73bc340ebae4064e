import type { MachinePlan } from "../../stacks/plan/machine-plan.ts";
import type { TwoVmPlan } from "../../stacks/plan/plan.ts";
import { withoutSudo } from "../provider/ssh/connection.ts";
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
  if (machine.hostKey === "learn" || machine.sudoPassword !== undefined) return [];
  const connection = withoutSudo(machine);
  try {
    await readOperatingSystem(
      openSession(connection, AbortSignal.timeout(PATIENCE_SECONDS * 1000)),
    );
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
