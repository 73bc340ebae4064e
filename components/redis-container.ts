import { Volume } from "@pulumi/docker/volume.js";
import type { Container as DockerContainer } from "@pulumi/docker/container.js";
import type * as pulumi from "@pulumi/pulumi";

import type { RedisContainerPlan } from "../stacks/plan/plan.ts";
import { createContainer, formatLabels } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";

export interface RedisContainerArgs {
  readonly plan: RedisContainerPlan;
  readonly host: DockerHost;
  readonly redisPassword: pulumi.Input<string>;
  readonly parent: pulumi.Resource;
}

/** Runs Redis in a container, on a volume of its own where anything is to survive. */
export function runRedis(name: string, args: RedisContainerArgs): DockerContainer {
  const { plan, host, parent, redisPassword } = args;
  const volume =
    plan.volume === undefined
      ? undefined
      : new Volume(
          `${name}-volume`,
          { name: plan.volume, labels: formatLabels(host.plan.labels) },
          { parent, provider: host.provider, retainOnDelete: plan.keepVolume },
        );
  return createContainer(`${name}-container`, plan.container, {
    host,
    secrets: { redisPassword },
    parent,
    ...(volume !== undefined && { dependsOn: [volume] }),
    awaitHealthy: true,
  });
}
