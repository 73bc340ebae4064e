/** A container as plain data: what `up` runs, and what the Compose file describes. */
export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
  /** Who runs in it. Default: the image's own. */
  readonly user?: string;
  /** Undefined: the image's own. */
  readonly entrypoint: readonly string[] | undefined;
  readonly command: readonly string[];
  /** Environment variables that are no secrets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Environment variables that carry secrets, by the name of the secret. */
  readonly secretVariables: Readonly<Record<string, string>>;
  /** Beside the stack's own. They hold the hash of each file that the container reads at its start. */
  readonly labels: Readonly<Record<string, string>>;
  /** The first one is the stack's own. */
  readonly networks: readonly ContainerNetwork[];
  readonly ports: readonly PublishedPort[];
  readonly volumes: readonly MountedVolume[];
  /** Folders in memory, with their size in MiB: the only ones that can be written to beside the volumes. */
  readonly temporaryFolders: Readonly<Record<string, number>>;
  /** Whether Docker's own init process comes first, for a program that does not reap its children. */
  readonly init: boolean;
  /** Kept of Linux's capabilities, as `CAP_…`, sorted. */
  readonly capabilities: readonly string[];
  readonly cpus: number;
  readonly memoryMegabytes: number;
  /** Size of /dev/shm in MiB. */
  readonly sharedMemoryMegabytes: number;
  /** Undefined for a container that runs to its end. */
  readonly service: ServicePlan | undefined;
  readonly stopSignal: string;
  /** From the stop signal until the container is killed. */
  readonly stopGraceSeconds: number;
}

interface ContainerNetwork {
  readonly name: string;
  /** Name of the container there beside its own; undefined on networks that others use as well. */
  readonly alias: string | undefined;
}

interface PublishedPort {
  /** Address of the Docker host. */
  readonly address: string;
  readonly port: number;
  readonly containerPort: number;
}

interface MountedVolume {
  readonly volume: string;
  readonly folder: string;
  readonly readOnly: boolean;
}

/** A container that runs until it is stopped, and is started again when it ends by itself. */
interface ServicePlan {
  /** Command that succeeds when the service can be used. */
  readonly probe: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly retries: number;
  /** From the start on; a failing probe counts only after it. */
  readonly readyDeadlineSeconds: number;
}

/** Rotation of a container's log: the newest files of this size. */
export const LOG_ROTATION = { maxSizeMegabytes: 10, maxFiles: 5 } as const;

/** What the container is called among those of its stack. */
export function serviceName({ name, networks }: Pick<ContainerPlan, "name" | "networks">): string {
  return networks[0]?.alias ?? name;
}
