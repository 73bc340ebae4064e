import type { Container as DockerContainer } from "@pulumi/docker/container.js";
import type * as pulumi from "@pulumi/pulumi";

import type { ContainerPlan } from "../stacks/plan/container-plan.ts";
import { readAbsentTarget } from "./absent-target.ts";
import { runDocker } from "./docker-command.ts";
import type { DockerHost } from "./docker-host.ts";

/**
 * Address of a container on the first of its networks, where the Docker host reaches it without a
 * published port. Docker may give it another one at each start, which the state learns in a refresh
 * only; so the engine is asked where that can be done.
 */
export function locateContainer(
  container: DockerContainer,
  { name, networks }: ContainerPlan,
  host: DockerHost,
): pulumi.Output<string> {
  const network = networks[0]?.name ?? "";
  return container.networkDatas.apply(async (recorded) => {
    const known = recorded.find(({ networkName }) => networkName === network)?.ipAddress ?? "";
    const current = await readAddress(name, network, host);
    return current ?? known;
  });
}

/** Undefined where Docker cannot be asked from this machine, and where the container does not run. */
async function readAddress(
  name: string,
  network: string,
  { plan }: DockerHost,
): Promise<string | undefined> {
  if (readAbsentTarget() !== undefined) return undefined;
  const format = `{{with index .NetworkSettings.Networks ${JSON.stringify(network)}}}{{.IPAddress}}{{end}}`;
  try {
    const { stdout } = await runDocker(plan.docker, [
      "container",
      "inspect",
      "--format",
      format,
      name,
    ]);
    return stdout.trim() === "" ? undefined : stdout.trim();
  } catch {
    return undefined;
  }
}
