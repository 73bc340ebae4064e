import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { MachinePlan } from "../stacks/plan/machine-plan.ts";
import { MachineHostKey } from "./machine-resources.ts";
import { withoutSudo } from "./provider/ssh/connection.ts";
import { requireSecret } from "./secrets.ts";

/** How `ssh` reaches a machine: input of every resource on it. */
export interface MachineConnection {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  readonly options: string[];
  readonly hostKey?: pulumi.Input<string>;
  readonly sudoPassword?: pulumi.Output<string>;
}

/** The way to a machine; its host key is learnt first where the settings say so. */
export function connectMachine(
  name: string,
  plan: MachinePlan,
  secrets: Secrets,
  parent: pulumi.Resource,
): MachineConnection {
  const { hostKey, sudoPassword, ...machine } = plan;
  const address = withoutSudo<never>(machine);
  const key =
    hostKey === "learn"
      ? new MachineHostKey(`${name}-host-key`, { connection: address }, { parent }).hostKey
      : hostKey;
  return {
    ...address,
    ...(key !== undefined && { hostKey: key }),
    ...(sudoPassword !== undefined && {
      sudoPassword: pulumi.secret(requireSecret(secrets, sudoPassword)),
    }),
  };
}
