import { Volume } from "@pulumi/docker/volume.js";
import type * as pulumi from "@pulumi/pulumi";

import type { PostgresContainerPlan } from "../stacks/plan/plan.ts";
import { createContainer, formatLabels } from "./container.ts";
import { locateContainer } from "./container-address.ts";
import type { DockerHost } from "./docker-host.ts";

export interface PostgresContainerArgs {
  readonly plan: PostgresContainerPlan;
  readonly host: DockerHost;
  readonly protect: boolean;
  readonly superuserPassword: pulumi.Input<string>;
  readonly parent: pulumi.Resource;
}

/** Runs PostgreSQL in a container, on a volume of its own. */
export function runPostgres(name: string, args: PostgresContainerArgs) {
  const { plan, host, parent, protect, superuserPassword } = args;
  const volume = new Volume(
    `${name}-volume`,
    { name: plan.volume, labels: formatLabels(host.plan.labels) },
    {
      parent,
      provider: host.provider,
      protect,
      retainOnDelete: plan.keepVolume,
      // Docker would replace the volume. Neither our labels nor the disk that an administrator has chosen
      // for it, by making it beforehand, are worth the data.
      ignoreChanges: ["driver", "driverOpts", "labels"],
    },
  );
  const container = createContainer(`${name}-container`, plan.container, {
    host,
    secrets: { superuserPassword },
    parent,
    dependsOn: [volume],
    // Role and database are made in it.
    awaitHealthy: true,
  });
  const isPublished = plan.container.ports.length > 0;
  return {
    data: volume,
    server: container,
    ...(!isPublished && { address: locateContainer(container, plan.container, host) }),
  };
}
