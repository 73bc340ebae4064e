import * as pulumi from "@pulumi/pulumi";

import type { SingleHostPlan } from "../stacks/plan/plan.ts";
import { writeConfiguration } from "./configuration-volume.ts";
import { createContainer } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";
import { migrateDatabase } from "./migration.ts";
import { MIGRATION_LABEL } from "./migration-attempt.ts";

export interface ProxyContainerArgs {
  readonly plan: SingleHostPlan;
  readonly host: DockerHost;
  /** Every secret that the plan's containers name, `databaseUrl` included. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  /** Another number runs the migration again. */
  readonly migrationAttempt: number;
}

/** The LiteLLM proxy in a container, with its configuration and the migration step before it. */
export class ProxyContainer extends pulumi.ComponentResource {
  /** Base URL, once the proxy has been started; the checks wait until it is ready. */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: ProxyContainerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:ProxyContainer", name, {}, opts);
    const { plan, host, secrets, migrationAttempt: attempt } = args;
    const { configuration, migration, container } = plan.proxy;
    const files = writeConfiguration(`${name}-configuration`, configuration, host, this);
    const common = { host, secrets, parent: this, dependsOn: [files] };
    const migrated =
      migration === undefined
        ? undefined
        : migrateDatabase(`${name}-migration`, migration, { ...common, attempt });
    const proxy = createContainer(`${name}-container`, container, {
      ...common,
      ...(migrated !== undefined && { labels: { [MIGRATION_LABEL]: migrated } }),
    });
    this.url = proxy.id.apply(() => plan.proxyUrl);
    this.registerOutputs({ url: this.url });
  }
}
