import { Container as DockerContainer } from "@pulumi/docker/container.js";
import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";

import type { ConfigurationVolumePlan, SingleHostPlan } from "../stacks/plan.ts";
import { createContainer, formatLabels } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";
import { removeLeftover } from "./leftover-container.ts";
import { ATTEMPT_LABEL } from "./migration-attempt.ts";
import { quoteLog } from "./quoted-log.ts";

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
    const { plan, host, secrets } = args;
    const { configuration, migration, container } = plan.proxy;
    const files = writeConfiguration(`${name}-configuration`, configuration, host, this);
    const common = { host, secrets, parent: this };
    const migrated =
      migration === undefined
        ? undefined
        : assertMigrated(
            createContainer(`${name}-migration`, migration, {
              ...common,
              dependsOn: [files],
              labels: { [ATTEMPT_LABEL]: String(args.migrationAttempt) },
            }),
            secrets["databaseUrl"],
          );
    const proxy = createContainer(`${name}-container`, container, {
      ...common,
      dependsOn: [files],
      ...(migrated !== undefined && { labels: { "litellm-gateway.migration": migrated } }),
    });
    this.url = proxy.id.apply(() => plan.proxyUrl);
    this.registerOutputs({ url: this.url });
  }
}

/** Docker takes a command that failed for one that ended: here it stops the deployment, before the proxy. */
function assertMigrated(
  container: DockerContainer,
  databaseUrl: pulumi.Input<string> | undefined,
): pulumi.Output<string> {
  return pulumi.unsecret(
    pulumi
      .all([container.exitCode, container.containerLogs, databaseUrl ?? ""])
      .apply(([exitCode, logs, url]) => {
        if (exitCode === 0) return "done";
        throw new pulumi.RunError(
          `the database migration ended with exit code ${exitCode}; the proxy was not touched:\n` +
            `${quoteLog(logs, [url])}\n` +
            "mend the cause and run `pulumi up`, which runs it again",
        );
      }),
  );
}

/**
 * Files in a volume rather than on the host's disk: so they reach any engine, also one on another machine,
 * and the preview shows what changes in them.
 */
function writeConfiguration(
  name: string,
  plan: ConfigurationVolumePlan,
  host: DockerHost,
  parent: pulumi.Resource,
): DockerContainer {
  const options = { parent, provider: host.provider };
  const labels = formatLabels(host.plan.labels);
  const volume = new Volume(`${name}-volume`, { name: plan.volume, labels }, options);
  return new DockerContainer(
    name,
    {
      name: plan.container,
      image: host.image(plan.image),
      command: ["true"],
      labels,
      // Created and never started.
      start: false,
      mustRun: false,
      restart: "no",
      networkMode: "none",
      volumes: [{ volumeName: volume.name, containerPath: plan.folder, readOnly: false }],
      uploads: Object.entries(plan.files).map(([file, content]) => ({
        file: `${plan.folder}/${file}`,
        content,
      })),
    },
    { ...options, hooks: { beforeCreate: [() => removeLeftover(plan.container, host.plan)] } },
  );
}
