import type * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { Plan } from "../stacks/plan/plan.ts";
import type { DockerHost } from "./docker-host.ts";
import type { MachineConnection } from "./machine.ts";

export interface GatewayArgs<P extends Plan = Plan> {
  readonly plan: P;
  /** Secrets that the user has set. */
  readonly secrets: Secrets;
  /** Of the database's migration; another number runs it again. */
  readonly migrationAttempt: number;
}

/** An LLM gateway: the LiteLLM proxy, its database and its keys. */
export interface Gateway extends pulumi.ComponentResource {
  /** Base URL of the proxy, once it is ready. */
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  /** Undefined where only those who run the gateway know. */
  readonly uiPassword: pulumi.Output<string> | undefined;
  /** What else a backup must hold to bring the gateway back on its data; undefined likewise. */
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>> | undefined;
  /** Connection string of the proxy's role from this machine; undefined where none is known. */
  readonly databaseUrl: pulumi.Output<string> | undefined;
  /** Which of Prisma's engines serves the database, where this machine knows. */
  readonly prismaEngine: pulumi.Output<string> | undefined;
  /** Of a private certificate authority that clients must trust, PEM. */
  readonly certificateAuthority: pulumi.Output<string> | undefined;
  /** What holds the database's data, where that is the stack's own: deleted with it, all in it is gone. */
  readonly data?: pulumi.Resource | undefined;
  /** The Docker host that it runs on. */
  readonly docker?: DockerHost;
  /** The machines that it runs on, where they are reached by SSH. */
  readonly machines?: Machines;
  /** What it is reached through by SSH, where this machine does not see it. */
  readonly machine?: MachineConnection | undefined;
  /** API keys that are settings, by alias. */
  readonly staticKeys?: pulumi.Output<Readonly<Record<string, string>>> | undefined;
}

export interface Machines {
  readonly gateway: MachineConnection;
  readonly database?: MachineConnection;
}

/** Registers what the plan describes. Only the code of its topology is loaded. */
export async function createGateway(name: string, args: GatewayArgs): Promise<Gateway> {
  const { plan, ...rest } = args;
  switch (plan.topology) {
    case "local": {
      const { LocalGateway } = await import("./local-gateway.ts");
      return new LocalGateway(name, { plan, ...rest });
    }
    case "single-host": {
      const { SingleHostGateway } = await import("./single-host-gateway.ts");
      return new SingleHostGateway(name, { plan, ...rest });
    }
    case "traefik": {
      const { TraefikGateway } = await import("./traefik-gateway.ts");
      return new TraefikGateway(name, { plan, ...rest });
    }
    case "two-vm": {
      const { TwoVmGateway } = await import("./two-vm-gateway.ts");
      return new TwoVmGateway(name, { plan, ...rest });
    }
    case "existing": {
      const { ExistingGateway } = await import("./existing-gateway.ts");
      return new ExistingGateway(name, { plan, ...rest });
    }
    default:
      return plan satisfies never;
  }
}
