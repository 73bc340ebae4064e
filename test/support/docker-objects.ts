import { docker } from "../lab/docker.ts";

/** What `docker inspect` tells of a container, as far as tests read it. */
export interface InspectedContainer {
  readonly Id: string;
  /** With a slash before it. */
  readonly Name: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly StartedAt: string;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: {
    readonly Env: readonly string[];
    readonly Image: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly StopTimeout: number;
  };
  readonly Mounts: readonly { readonly Source: string; readonly RW: boolean }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, object>> };
}

/** @throws Error when there is none of that name */
export async function inspectContainer(name: string): Promise<InspectedContainer> {
  const inspected = JSON.parse(await docker(["inspect", name])) as InspectedContainer[];
  if (inspected[0] === undefined) throw new Error(`${name} is not there`);
  return inspected[0];
}

/** Names of the containers, volumes and networks of a deployment, whatever state they are in. */
export async function listObjects(
  kind: "container" | "volume" | "network",
  prefix: string,
): Promise<string[]> {
  const [command, column] = {
    container: [["ps", "--all"], "Names"] as const,
    volume: [["volume", "ls"], "Name"] as const,
    network: [["network", "ls"], "Name"] as const,
  }[kind];
  const filter = ["--filter", `name=${prefix}`, "--format", `{{.${column}}}`];
  const names = (await docker([...command, ...filter])).split("\n");
  return names.filter((name) => name.startsWith(`${prefix}-`)).sort();
}
