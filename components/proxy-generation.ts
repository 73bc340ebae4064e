import type { Container as DockerContainer } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";

import type { ProxyGenerationPlan } from "../stacks/plan/plan.ts";
import { writeConfiguration } from "./configuration-volume.ts";
import { createContainer } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";
import { MIGRATION_LABEL } from "./migration-attempt.ts";

export interface ProxyGenerationArgs {
  readonly plan: ProxyGenerationPlan;
  readonly host: DockerHost;
  /** Every secret that the plan's containers name, `databaseUrl` included. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  /** Known once the database has been migrated; undefined without one. */
  readonly migrated: pulumi.Output<string> | undefined;
  readonly dependsOn: pulumi.Resource[];
}

/**
 * Proxies that start beside those that serve. All of it carries the generation in its names, for Docker
 * and for Pulumi: the ones before are other resources, which Pulumi deletes last, when these have taken
 * over and those have stopped.
 */
export class ProxyGeneration extends pulumi.ComponentResource {
  readonly containers: readonly DockerContainer[];

  constructor(name: string, args: ProxyGenerationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:ProxyGeneration", name, {}, opts);
    const { plan, host, secrets, migrated } = args;
    const files = writeConfiguration(`${name}-configuration`, plan.configuration, host, this);
    this.containers = plan.containers.map((container, index) =>
      createContainer(`${name}-${index + 1}`, container, {
        host,
        secrets,
        parent: this,
        dependsOn: [files, ...args.dependsOn],
        ...(migrated !== undefined && { labels: { [MIGRATION_LABEL]: migrated } }),
      }),
    );
    this.registerOutputs({});
  }
}
