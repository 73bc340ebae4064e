import { randomBytes } from "node:crypto";

import { labMachines, type Machine } from "../lab/machine.ts";
import type { GatewayProject } from "../support/gateway-project.ts";
import type { PulumiProject } from "../support/pulumi-project.ts";
import { startTwoMachines, type TwoMachines } from "../support/two-machines.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { MODELS } from "./chat.ts";
import { DeployedGateway } from "./deployed-gateway.ts";

export const PROXY_PORT = 4000;

/** The product on two machines that were bare, its persistence the request log. */
export class TwoVmGateway implements BenchmarkedGateway {
  readonly machines: TwoMachines;
  readonly endpoint: Endpoint;
  readonly #deployed: DeployedGateway;

  private constructor(machines: TwoMachines, deployed: DeployedGateway) {
    this.machines = machines;
    this.endpoint = { ...deployed.endpoint, url: formatUrl(machines) };
    this.#deployed = deployed;
  }

  /** Starts the machines and makes the project; deploys nothing yet. */
  static async create(): Promise<TwoVmGateway> {
    const machines = await startBareMachines();
    try {
      const deployed = await DeployedGateway.create((project: GatewayProject) => {
        project.configure(composeSettings(machines, project.databasePort));
      });
      return new TwoVmGateway(machines, deployed);
    } catch (error) {
      await machines.remove();
      throw error;
    }
  }

  get pulumi(): PulumiProject {
    return this.#deployed.pulumi;
  }

  launch(): Promise<void> {
    return this.#deployed.launch();
  }

  async remove(): Promise<void> {
    try {
      await this.#deployed.remove();
    } finally {
      await this.machines.remove();
    }
  }
}

/** Two bare machines with a network of their own. */
export function startBareMachines(): Promise<TwoMachines> {
  const { available, reason } = labMachines();
  if (!available) throw new Error(`this benchmark ${reason}`);
  return startTwoMachines(`litellm-bench-${randomBytes(4).toString("hex")}`);
}

/** Settings of a gateway on the machines. */
export function composeSettings({ gateway, database }: TwoMachines, tunnelPort: number) {
  const place = (machine: Machine) => {
    const { user, options, hostKey } = machine.connection();
    return { address: machine.address, ssh: { user, options, hostKey } };
  };
  return {
    deployment: {
      topology: "two-vm",
      machine: place(gateway),
      proxyPort: PROXY_PORT,
      workers: 1,
      protect: false,
    },
    database: {
      kind: "machine",
      machine: place(database),
      engine: "sqlalchemy",
      keepData: false,
      // The machines share the memory that each of them sees.
      memoryMegabytes: 1024,
      tunnelPort,
    },
    models: MODELS,
  };
}

/** Base URL of the proxy on the gateway's machine. */
export function formatUrl({ gateway }: TwoMachines, port = PROXY_PORT): string {
  return `http://${gateway.address}:${port}`;
}
