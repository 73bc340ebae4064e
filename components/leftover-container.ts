import * as pulumi from "@pulumi/pulumi";

import type { ContainersPlan } from "../stacks/plan/plan.ts";
import { runDocker } from "./docker-command.ts";

/**
 * Before a container is made: removes the one of its name that a deployment left which was killed while
 * it made it, so that Pulumi's state knows of none. It is this stack's by its labels; and it could not
 * have been made beside another stack's, whose names begin otherwise.
 *
 * What runs to its end, such as a migration, is waited for; a service is stopped as it wants to be.
 */
export async function removeLeftover(
  name: string,
  { docker, labels }: Pick<ContainersPlan, "docker" | "labels">,
): Promise<void> {
  const left = await inspect(name, docker);
  if (left === undefined) return;
  const isOurs = Object.entries(labels).every(
    ([label, value]) => left.Config.Labels?.[label] === value,
  );
  // The engine refuses the name, and the preflight has said whose it is.
  if (!isOurs) return;
  const keepsRunning = left.HostConfig.RestartPolicy.Name !== "no";
  await runDocker(docker, [keepsRunning ? "stop" : "wait", name], { timeoutMilliseconds: 0 });
  await runDocker(docker, ["rm", name]);
  await pulumi.log.info(`removed ${name}, which an interrupted deployment had left`);
}

interface InspectedContainer {
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
  readonly HostConfig: { readonly RestartPolicy: { readonly Name: string } };
}

/** Undefined where there is none of that name, or Docker cannot be asked from this machine. */
async function inspect(
  name: string,
  docker: ContainersPlan["docker"],
): Promise<InspectedContainer | undefined> {
  try {
    const { stdout } = await runDocker(docker, ["container", "inspect", name]);
    return (JSON.parse(stdout) as InspectedContainer[])[0];
  } catch {
    return undefined;
  }
}
