import * as pulumi from "@pulumi/pulumi";

import { selectQuick } from "../../stacks/plan/checks.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { Plan } from "../../stacks/plan/plan.ts";
import type { Machines } from "../gateway.ts";
import type { MachineConnection } from "../machine.ts";
import { formatResults } from "./results-table.ts";
import { type CheckTarget, runChecks } from "./run-check.ts";

/** A deployment whose parts become known while it is made. */
export interface VerifiedDeployment {
  readonly proxyUrl: pulumi.Input<string>;
  readonly masterKey: pulumi.Input<string>;
  readonly databaseUrl?: pulumi.Input<string> | undefined;
  /** Address to connect to, whatever the URL's name resolves to. Default: what it resolves to. */
  readonly connectAddress?: pulumi.Input<string> | undefined;
  /** PEM of the authorities that certificates are to be of. Default: the public ones. */
  readonly certificateAuthority?: pulumi.Input<string> | undefined;
  /** What the gateway is reached through by SSH. Default: this machine sees it. */
  readonly machine?: pulumi.Input<MachineConnection> | undefined;
  /** How the machines are reached; only where the gateway is a service of one. */
  readonly machines?: pulumi.Input<Machines> | undefined;
  /** Likewise. */
  readonly operations?: OperationsPlan | undefined;
  /** Keys that are in no database of LiteLLM's, by alias. Default: none. */
  readonly staticKeys?: pulumi.Input<Readonly<Record<string, string>>> | undefined;
}

/**
 * Runs the checks when all of the deployment is up, and shows the results; a
 * preview runs none. They run on every `up`, also one that changes nothing.
 *
 * @returns how many passed; the program fails when a check does
 */
export function verify(plan: Plan, deployment: VerifiedDeployment): pulumi.Output<string> {
  const checks = selectQuick(plan.checks);
  const expected = `${checks.length} passed`;
  if (pulumi.runtime.isDryRun()) {
    return pulumi.output(expected);
  }
  return pulumi.unsecret(
    pulumi.output(deployment).apply(async (target: CheckTarget) => {
      await awaitReadiness(plan);
      const results = await runChecks(checks, target, (waiting) => void pulumi.log.info(waiting));
      const table = formatResults(results);
      const failed = results.filter(({ passed }) => !passed).length;
      if (failed > 0) {
        throw new pulumi.RunError(
          `the gateway is deployed, but ${failed} of ${results.length} checks failed:\n${table}\n` +
            (await describeFaults(plan)) +
            "mend the cause and run `pulumi up` again; `npm run verify` repeats the checks alone",
        );
      }
      await pulumi.log.info(`checks:\n${table}`);
      return expected;
    }),
  );
}

/** Elsewhere the proxy is ready when its resource is. Only the code of a topology is loaded. */
async function awaitReadiness(plan: Plan): Promise<void> {
  if (plan.topology === "single-host") {
    await (await import("./readiness.ts")).awaitReadiness(plan);
  }
}

/** What the machine that is deployed to tells about checks that failed. */
async function describeFaults(plan: Plan): Promise<string> {
  if (plan.topology !== "single-host" && plan.topology !== "traefik") return "";
  const { findFaults, formatFaults, observeContainers } = await import("./container-faults.ts");
  const faults = findFaults(await observeContainers(plan));
  return faults.length === 0 ? "" : `${await formatFaults(faults, plan)}\n`;
}
