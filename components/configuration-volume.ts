import { Container as DockerContainer } from "@pulumi/docker/container.js";
import { Volume } from "@pulumi/docker/volume.js";
import type * as pulumi from "@pulumi/pulumi";

import type { ConfigurationVolumePlan } from "../stacks/plan/plan.ts";
import { formatLabels } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";
import { removeLeftover } from "./leftover-container.ts";

/**
 * Files in a volume rather than on the host's disk: so they reach any engine, also one on another machine,
 * and the preview shows what changes in them.
 */
export function writeConfiguration(
  name: string,
  plan: Omit<ConfigurationVolumePlan, "files"> & {
    readonly files: Readonly<Record<string, pulumi.Input<string>>>;
  },
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
