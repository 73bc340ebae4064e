import type { Circumstances } from "../stacks/plan/plan.ts";

/**
 * What is known of a target that is not this machine. Null: the deployment did not run as root.
 * What is left out was never recorded, and is taken from this machine.
 */
export interface AbsentTarget {
  readonly platform?: Circumstances["platform"];
  readonly serverUser?: string | null;
}

export const ABSENT_TARGET_VARIABLE = "LITELLM_GATEWAY_ABSENT_TARGET";

/**
 * Whether the deployment is out of reach of this machine, as it is on a CI server: then nothing is
 * looked at (files, processes, ports, the operating system's users), and a preview compares with
 * the state alone. `npm run preview:ci` sets the variable, for program and provider alike.
 *
 * @returns undefined where the target is this machine
 * @throws Error when the variable holds no JSON object
 */
export function readAbsentTarget(
  environment: NodeJS.ProcessEnv = process.env,
): AbsentTarget | undefined {
  const text = environment[ABSENT_TARGET_VARIABLE] ?? "";
  if (text === "") {
    return undefined;
  }
  if (!text.startsWith("{")) {
    throw new Error(
      `${ABSENT_TARGET_VARIABLE} must hold a JSON object, such as {}; let it be set for you: npm run preview:ci`,
    );
  }
  return JSON.parse(text) as AbsentTarget;
}
