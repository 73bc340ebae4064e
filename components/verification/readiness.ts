import { setTimeout as sleep } from "node:timers/promises";

import { RunError } from "@pulumi/pulumi/errors.js";

import type { SingleHostPlan } from "../../stacks/plan/plan.ts";
import {
  findFaults,
  formatFaults,
  type ObservedContainer,
  observeContainers,
} from "./container-faults.ts";

/** Between two requests to the proxy, and between two looks at the containers. */
const POLL_MILLISECONDS = 250;
const LOOK_MILLISECONDS = 2000;

/**
 * Waits until the proxy can be used, or until waiting is of no more use: a container is stopped, paused
 * or cut off, or the proxy ends by itself, as it does for a setting that LiteLLM refuses.
 *
 * @throws RunError that names the container and shows the end of its log
 */
export async function awaitReadiness(plan: SingleHostPlan): Promise<void> {
  const { container } = plan.proxy;
  const seconds = container.service?.readyDeadlineSeconds ?? 0;
  const deadline = Date.now() + seconds * 1000;
  let before: readonly ObservedContainer[] | undefined;
  let nextLook = 0;
  for (;;) {
    const answer = await askReadiness(plan.proxyUrl);
    if (answer === "ready") return;
    if (Date.now() >= nextLook) {
      const observed = await observeContainers(plan);
      before ??= observed;
      const faults = findFaults(observed, before);
      const isLate = Date.now() >= deadline;
      if (isLate || faults.some(({ isLasting }) => isLasting)) {
        const what = isLate ? `was not ready within ${seconds} seconds` : "cannot be used";
        const causes =
          faults.length === 0
            ? `  - ${plan.proxyUrl} does not answer`
            : await formatFaults(faults, plan);
        throw new RunError(
          `the gateway ${what}:\n${causes}\n` +
            `mend the cause and run \`pulumi up\` again; the proxy's whole log: ${plan.logs["proxy"] ?? ""}`,
        );
      }
      const proxy = observed.find((one) => one.plan === container)?.inspected;
      // Docker reaches it, and this machine does not: the checks say so.
      if (answer === "none" && proxy?.State.Health?.Status === "healthy") return;
      nextLook = Date.now() + LOOK_MILLISECONDS;
    }
    await sleep(POLL_MILLISECONDS);
  }
}

async function askReadiness(url: string): Promise<"ready" | "not ready" | "none"> {
  try {
    const { ok } = await fetch(new URL("/health/readiness", url), {
      signal: AbortSignal.timeout(5000),
    });
    return ok ? "ready" : "not ready";
  } catch {
    return "none";
  }
}
