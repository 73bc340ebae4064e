import * as pulumi from "@pulumi/pulumi";

import type { ExistingPlan } from "../stacks/plan/plan.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { connectMachine, type MachineConnection } from "./machine.ts";
import { requireSecret } from "./secrets.ts";

/** A gateway that is run elsewhere: nothing of it is made here, or deleted. */
export class ExistingGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword = undefined;
  readonly recovery = undefined;
  readonly databaseUrl = undefined;
  readonly prismaEngine = undefined;
  readonly certificateAuthority: pulumi.Output<string> | undefined;
  readonly machine: MachineConnection | undefined;

  constructor(
    name: string,
    args: GatewayArgs<ExistingPlan>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan, secrets } = args;
    this.url = pulumi.output(plan.proxyUrl);
    this.masterKey = pulumi.secret(requireSecret(secrets, "masterKey"));
    this.certificateAuthority =
      plan.certificateAuthority === undefined
        ? undefined
        : pulumi.output(plan.certificateAuthority);
    this.machine =
      plan.machine === undefined
        ? undefined
        : connectMachine(`${name}-machine`, plan.machine, secrets, this);
    this.registerOutputs({ url: this.url });
  }
}
