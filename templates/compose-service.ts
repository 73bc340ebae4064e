import { type ContainerPlan, LOG_ROTATION, serviceName } from "../stacks/plan/container-plan.ts";
import { DOCKER_HOST_NAME, formatHost } from "../stacks/hosts.ts";

/** A value of docker-compose.yaml. */
type Compose = string | number | boolean | readonly Compose[] | ComposeMap;
export interface ComposeMap {
  readonly [key: string]: Compose;
}

export interface ComposeServiceOptions {
  readonly labels: Readonly<Record<string, string>>;
  /** Container that must be ready or done before this one starts. */
  readonly after: ContainerPlan | undefined;
  /** Folders beside docker-compose.yaml that stand for a volume, by its name. */
  readonly folders: Readonly<Record<string, string>>;
}

/**
 * A service that runs the container as `up` does (components/container.ts). Keys and their meaning:
 * https://docs.docker.com/reference/compose-file/services/
 */
export function buildService(plan: ContainerPlan, options: ComposeServiceOptions): ComposeMap {
  const { after } = options;
  return {
    ...escapeDollars({
      container_name: plan.name,
      image: plan.image,
      ...(plan.entrypoint !== undefined && { entrypoint: plan.entrypoint }),
      ...(plan.command.length > 0 && { command: plan.command }),
    }),
    environment: buildEnvironment(plan),
    ...(after !== undefined && {
      depends_on: {
        [serviceName(after)]: {
          condition:
            after.service === undefined ? "service_completed_successfully" : "service_healthy",
        },
      },
    }),
    ...escapeDollars({
      ...keepRunning(plan),
      ...connect(plan),
      ...store(plan, options.folders),
      ...confine(plan),
      stop_signal: plan.stopSignal,
      stop_grace_period: `${plan.stopGraceSeconds}s`,
      logging: {
        driver: "json-file",
        options: {
          "max-file": String(LOG_ROTATION.maxFiles),
          "max-size": `${LOG_ROTATION.maxSizeMegabytes}m`,
        },
      },
      labels: options.labels,
    }),
  };
}

/** Secrets by reference: the container gets those that the plan gives it, and no other line of .env. */
function buildEnvironment({ variables, secretVariables }: ContainerPlan): ComposeMap {
  const references = Object.entries(secretVariables).map(
    ([variable, secret]): [string, Compose] => [variable, `\${${secret}:?set it in .env}`],
  );
  const all = [...Object.entries(escapeDollars(variables)), ...references];
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function keepRunning({ service }: ContainerPlan): ComposeMap {
  if (service === undefined) return { restart: "no" };
  return {
    restart: "unless-stopped",
    healthcheck: {
      test: ["CMD", ...service.probe],
      interval: `${service.intervalSeconds}s`,
      timeout: `${service.timeoutSeconds}s`,
      retries: service.retries,
      start_period: `${service.readyDeadlineSeconds}s`,
      start_interval: "1s",
    },
  };
}

function connect({ ports }: ContainerPlan): ComposeMap {
  return {
    extra_hosts: { [DOCKER_HOST_NAME]: "host-gateway" },
    ...(ports.length > 0 && {
      ports: ports.map(
        ({ address, port, containerPort }) => `${formatHost(address)}:${port}:${containerPort}`,
      ),
    }),
  };
}

function store(plan: ContainerPlan, folders: ComposeServiceOptions["folders"]): ComposeMap {
  const { volumes, temporaryFolders } = plan;
  const memory = Object.entries(temporaryFolders).map(
    ([folder, megabytes]) => `${folder}:rw,nosuid,nodev,size=${megabytes}m`,
  );
  return {
    volumes: volumes.map(({ volume, folder: target, readOnly: read_only }) => {
      const folder = folders[volume];
      return folder === undefined
        ? { type: "volume", source: volume, target, read_only }
        : // A folder that was forgotten when the file was copied is an error, not an empty folder.
          { type: "bind", source: folder, target, read_only, bind: { create_host_path: false } };
    }),
    ...(memory.length > 0 && { tmpfs: memory }),
  };
}

function confine(plan: ContainerPlan): ComposeMap {
  return {
    init: plan.init,
    read_only: true,
    security_opt: ["no-new-privileges"],
    cap_drop: ["ALL"],
    ...(plan.capabilities.length > 0 && { cap_add: plan.capabilities }),
    cpus: plan.cpus,
    mem_limit: `${plan.memoryMegabytes}m`,
    // No swap beside it.
    memswap_limit: `${plan.memoryMegabytes}m`,
    shm_size: `${plan.sharedMemoryMegabytes}m`,
  };
}

/** Compose takes `$NAME` for a variable, in every value. */
export function escapeDollars(map: ComposeMap): ComposeMap {
  const escape = (value: Compose): Compose => {
    if (typeof value === "string") return value.replaceAll("$", "$$$$");
    if (typeof value !== "object") return value;
    return isList(value) ? value.map(escape) : escapeDollars(value);
  };
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, escape(value)]));
}

function isList(value: ComposeMap | readonly Compose[]): value is readonly Compose[] {
  return Array.isArray(value);
}
