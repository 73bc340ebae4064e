import { formatCommand } from "../../docker-command.ts";
import { quoteLog } from "../../quoted-log.ts";
import { DockerError, runOnEngine, type Engine } from "./engine.ts";

/** What `docker container inspect` tells, as far as it is read. */
export interface InspectedContainer {
  /** With a slash before it. */
  readonly Name: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status:
      "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: "starting" | "healthy" | "unhealthy" | "none" };
  };
  readonly Config: {
    readonly Env: readonly string[] | null;
    /** In seconds. */
    readonly StopTimeout?: number;
  };
}

/** Containers by their names; those that are not there are left out. */
export async function inspectContainers(
  engine: Engine,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, InspectedContainer>> {
  const command = ["container", "inspect", "--format", "{{json .}}", ...names];
  let lines: Buffer;
  try {
    lines = await runOnEngine(engine, command, { signal });
  } catch (error) {
    if (!(error instanceof DockerError) || !error.isContainerMissing) throw error;
    // The others are printed all the same.
    lines = error.stdout;
  }
  const inspected = lines
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as InspectedContainer);
  return new Map(inspected.map((container) => [container.Name.replace(/^\//, ""), container]));
}

export interface ListedContainer {
  readonly name: string;
  readonly state: InspectedContainer["State"]["Status"];
  /** Value of the label that was asked for. */
  readonly value: string;
}

/** All containers that carry these labels and another one of whatever value. */
export async function listContainers(
  engine: Engine,
  labels: Readonly<Record<string, string>>,
  label: string,
  signal: AbortSignal,
): Promise<ListedContainer[]> {
  const filters = [...Object.entries(labels).map(([key, value]) => `${key}=${value}`), label];
  const output = await runOnEngine(
    engine,
    [
      ...["ps", "--all", ...filters.map((filter) => `--filter=label=${filter}`)],
      ...["--format", `{{.Names}}\t{{.State}}\t{{.Label "${label}"}}`],
    ],
    { signal },
  );
  return output
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", state = "", value = ""] = line.split("\t");
      return { name, state: state as ListedContainer["state"], value };
    });
}

/** Whether a container serves, or would after its start. */
export function isAlive({ state }: Pick<ListedContainer, "state">): boolean {
  return state === "running" || state === "restarting" || state === "paused";
}

/** Lets Pulumi see that something is gone, and make it again. */
export const REFRESH = "pulumi up --refresh";

export interface ContainerProblem {
  /** A sentence without its subject, such as "has ended (exit code 1)". */
  readonly description: string;
  /** What brings it back. */
  readonly remedy: string;
}

/**
 * Why a container will not become ready by itself; undefined while it still may.
 *
 * @param restarts - how often it had been restarted when it was first looked at
 */
export function findProblem(
  engine: Engine,
  name: string,
  container: InspectedContainer | undefined,
  restarts: number,
): ContainerProblem | undefined {
  const byCommand = (description: string, command: string) => ({
    description,
    remedy: formatCommand(engine, [command, name]),
  });
  if (container === undefined) {
    return { description: "is not there", remedy: REFRESH };
  }
  const { Status, ExitCode, OOMKilled } = container.State;
  const end = `exit code ${ExitCode}${OOMKilled ? ", out of memory" : ""}`;
  if (container.RestartCount > restarts) {
    return byCommand(`has ended by itself (${end}), and Docker starts it again`, "logs");
  }
  switch (Status) {
    case "running":
      return undefined;
    case "paused":
      return byCommand("is paused", "unpause");
    case "restarting":
      return byCommand(`has ended (${end}), and Docker starts it again`, "logs");
    case "created":
      return byCommand("was never started", "start");
    case "removing":
    case "exited":
    case "dead":
      return byCommand(`has ended (${end})`, "start");
    default:
      return Status satisfies never;
  }
}

const READ_LINES = 200;
/** Shorter ones, such as `true`, are in every log. */
const SHORTEST_SECRET = 3;

/** The end of a container's log for an error message, without the secrets of its environment. */
export async function readLogEnd(
  engine: Engine,
  name: string,
  container: InspectedContainer | undefined,
  signal: AbortSignal,
): Promise<string> {
  const secrets = (container?.Config.Env ?? []).flatMap((variable) => {
    const [, value = ""] = /^\w*(?:KEY|PASSWORD|URL|TOKEN|SECRET)=(.*)$/is.exec(variable) ?? [];
    return value.length < SHORTEST_SECRET ? [] : [value];
  });
  const command = ["logs", `--tail=${READ_LINES}`, name];
  const log = await runOnEngine(engine, command, { signal, mergeOutput: true }).catch(() =>
    Buffer.alloc(0),
  );
  // The longest first: one secret may be part of another.
  secrets.sort((a, b) => b.length - a.length);
  return quoteLog(log.toString("utf8"), secrets);
}
