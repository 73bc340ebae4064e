import type { ContainerPlan } from "../../stacks/plan/container-plan.ts";
import type { ContainersPlan } from "../../stacks/plan/plan.ts";
import { listServices } from "../../stacks/plan/planned-containers.ts";
import { runDocker } from "../docker-command.ts";
import type { InspectedContainer } from "../provider/docker/containers.ts";
import { quoteLog } from "../quoted-log.ts";
import { explainLog } from "./diagnosis.ts";

/** With what the faults are found by beside. */
interface ConnectedContainer extends InspectedContainer {
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** A container that is to keep running, and what Docker says of it; undefined where it is not there. */
export interface ObservedContainer {
  readonly plan: ContainerPlan;
  readonly inspected: ConnectedContainer | undefined;
}

/** What is wrong with a container. */
export interface ContainerFault {
  readonly container: ObservedContainer;
  /** A sentence that ends in what to do. */
  readonly description: string;
  /** Whether it stays so until somebody does that. */
  readonly isLasting: boolean;
  /** Whether the container's log may tell the cause. */
  readonly isLogged: boolean;
}

/** The stack's running containers; none where Docker cannot be asked from this machine. */
export async function observeContainers(stack: ContainersPlan): Promise<ObservedContainer[]> {
  const observed = await Promise.all(
    listServices(stack).map(async (plan): Promise<ObservedContainer[]> => {
      try {
        const { stdout } = await runDocker(stack.docker, ["container", "inspect", plan.name]);
        const [inspected] = JSON.parse(stdout) as ConnectedContainer[];
        return [{ plan, inspected }];
      } catch (error) {
        const { stderr = "" } = error as { stderr?: string };
        return /no such container/i.test(stderr) ? [{ plan, inspected: undefined }] : [];
      }
    }),
  );
  return observed.flat();
}

/**
 * Most of this escapes Docker's provider: it sees what is stopped or missing, in a refresh.
 *
 * @param before - the same containers earlier: one that was restarted since has ended by itself
 */
export function findFaults(
  containers: readonly ObservedContainer[],
  before: readonly ObservedContainer[] = [],
): ContainerFault[] {
  return containers.flatMap((container) => {
    const restartsBefore =
      before.find(({ plan }) => plan === container.plan)?.inspected?.RestartCount ?? Infinity;
    const fault = describeFault(container, restartsBefore);
    return fault === undefined ? [] : [{ container, ...fault }];
  });
}

function describeFault(
  { plan: { name, networks }, inspected }: ObservedContainer,
  restartsBefore: number,
): Omit<ContainerFault, "container"> | undefined {
  const byHand = (description: string) => ({ description, isLasting: true, isLogged: false });
  if (inspected === undefined) {
    return byHand(
      `${name} is not there; let Pulumi see that (pulumi refresh, whatever it says of the database), then make it again: pulumi up`,
    );
  }
  const { Status, ExitCode, OOMKilled, Health } = inspected.State;
  const end = `exit code ${ExitCode}${OOMKilled ? ", out of memory" : ""}`;
  const log = `docker logs ${name}`;
  if (inspected.RestartCount > restartsBefore) {
    return {
      description: `${name} has ended by itself while it started; see ${log}`,
      isLasting: true,
      isLogged: true,
    };
  }
  switch (Status) {
    case "paused":
      return byHand(`${name} is paused; let it go on: docker unpause ${name}`);
    case "created":
    case "removing":
    case "exited":
    case "dead":
      return {
        ...byHand(`${name} does not run (${end}); start it: docker start ${name}`),
        isLogged: true,
      };
    case "restarting":
      return {
        description: `${name} has ended (${end}), and Docker starts it again; see ${log}`,
        isLasting: false,
        isLogged: true,
      };
    case "running":
      break;
    default:
      return Status satisfies never;
  }
  const cutOff = networks.find((network) => !(network.name in inspected.NetworkSettings.Networks));
  if (cutOff !== undefined) {
    const alias = cutOff.alias === undefined ? "" : `--alias ${cutOff.alias} `;
    return byHand(
      `${name} is not on network ${cutOff.name}; connect it: docker network connect ${alias}${cutOff.name} ${name}`,
    );
  }
  return Health === undefined || Health.Status === "healthy"
    ? undefined
    : { description: `${name} is ${Health.Status}; see ${log}`, isLasting: false, isLogged: true };
}

/** The faults one by one, each with the last lines of a log that may tell its cause. */
export async function formatFaults(
  faults: readonly ContainerFault[],
  plan: ContainersPlan,
): Promise<string> {
  const texts = await Promise.all(
    faults.map(async ({ container, description, isLogged }) => {
      const lines = isLogged ? await readLastLines(container, plan) : "";
      const advice = explainLog(lines);
      return [`  - ${description}`, lines, advice === undefined ? "" : `    — ${advice}`]
        .filter((part) => part !== "")
        .join("\n");
    }),
  );
  return texts.join("\n");
}

/** Of what the container has written to standard error, or to standard output where that is nothing. */
async function readLastLines(
  { plan, inspected }: ObservedContainer,
  { docker }: ContainersPlan,
): Promise<string> {
  const { stdout, stderr } = await runDocker(docker, ["logs", "--tail=100", plan.name]).catch(
    () => ({ stdout: "", stderr: "" }),
  );
  const secrets = (inspected?.Config.Env ?? []).flatMap((variable) => {
    const separator = variable.indexOf("=");
    return variable.slice(0, separator) in plan.secretVariables
      ? [variable.slice(separator + 1)]
      : [];
  });
  return quoteLog(stderr.trim() === "" ? stdout : stderr, secrets);
}
