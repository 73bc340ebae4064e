import { planDockerHost } from "../stacks/plan/containers-plan.ts";
import type { DeploymentSettings } from "../stacks/settings/deployment-settings.ts";
import type { DockerHostPlan, RecordedGenerations } from "../stacks/plan/plan.ts";
import { readAbsentTarget } from "./absent-target.ts";
import { runDocker } from "./docker-command.ts";
import type { RecordedStack } from "./preflight/recorded-stack.ts";

/** What is left of the recorded generations of proxies: a broken one is not built on. */
export async function observeGenerations(
  { serving, containers }: RecordedStack["generations"],
  deployment: DeploymentSettings,
): Promise<RecordedGenerations> {
  if (deployment.topology !== "traefik") return { serving: undefined, broken: [] };
  const docker = planDockerHost(deployment);
  const names = Object.values(containers).flat();
  const running = names.length === 0 ? new Set(names) : await listRunning(docker);
  const broken = Object.entries(containers)
    .filter(([, recorded]) => !recorded.every((name) => running?.has(name) ?? true))
    .map(([generation]) => generation);
  return { serving, broken };
}

/** Names of the containers that run; undefined where the engine cannot be asked from this machine. */
async function listRunning(docker: DockerHostPlan): Promise<ReadonlySet<string> | undefined> {
  if (readAbsentTarget() !== undefined) return undefined;
  try {
    const { stdout } = await runDocker(docker, ["ps", "--format", "{{.Names}}"]);
    return new Set(stdout.split("\n"));
  } catch {
    // Whatever keeps Docker from answering is an obstacle to the deployment, and told as one.
    return undefined;
  }
}
