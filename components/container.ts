import { Container as DockerContainer } from "@pulumi/docker/container.js";
import type { ContainerArgs } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";

import { type ContainerPlan, LOG_ROTATION } from "../stacks/plan/container-plan.ts";
import type { DockerHost } from "./docker-host.ts";
import { removeLeftover } from "./leftover-container.ts";
import { requireSecret } from "./secrets.ts";

export interface ContainerOptions {
  readonly host: DockerHost;
  /** Every secret that `plan.secretVariables` names. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  readonly parent: pulumi.Resource;
  readonly dependsOn?: pulumi.Resource[];
  /** Beside the stack's own and the planned ones; another value replaces the container. */
  readonly labels?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Whether a service is there when it can be used, rather than when it has been started. */
  readonly awaitHealthy?: boolean;
}

/** A container as planned: there when it has been started, or when a command without a service has ended. */
export function createContainer(
  name: string,
  plan: ContainerPlan,
  options: ContainerOptions,
): DockerContainer {
  const { host } = options;
  return new DockerContainer(
    name,
    {
      name: plan.name,
      image: host.image(plan.image),
      ...(plan.user !== undefined && { user: plan.user }),
      ...(plan.entrypoint !== undefined && { entrypoints: [...plan.entrypoint] }),
      command: [...plan.command],
      envs: formatEnvironment(plan, options.secrets),
      labels: formatLabels({ ...host.plan.labels, ...plan.labels, ...options.labels }),
      ...connect(plan, host),
      ...confine(plan),
      ...store(plan),
      ...(plan.service === undefined
        ? runOnce()
        : keepRunning(plan.service, options.awaitHealthy ?? false)),
      stopSignal: plan.stopSignal,
      stopTimeout: plan.stopGraceSeconds,
      // Of the provider's own stop, before it removes a container; it kills at once without.
      destroyGraceSeconds: plan.stopGraceSeconds,
      logDriver: "json-file",
      logOpts: {
        "max-file": String(LOG_ROTATION.maxFiles),
        "max-size": `${LOG_ROTATION.maxSizeMegabytes}m`,
      },
    },
    {
      parent: options.parent,
      provider: host.provider,
      dependsOn: options.dependsOn ?? [],
      hooks: { beforeCreate: [() => removeLeftover(plan.name, host.plan)] },
      // The provider would change these in its state alone.
      replaceOnChanges: ["healthcheck", "init", "tmpfs"],
      deleteBeforeReplace: true,
      // What a command prints may hold a secret.
      additionalSecretOutputs: ["containerLogs"],
      customTimeouts: { create: "1h", update: "1h", delete: "1h" },
    },
  );
}

/** Texts as `NAME=value`; all of them a secret when one is. */
function formatEnvironment(
  { variables, secretVariables }: ContainerPlan,
  secrets: Readonly<Record<string, pulumi.Input<string>>>,
): pulumi.Input<string>[] {
  const all: [string, pulumi.Input<string>][] = [
    ...Object.entries(variables),
    ...Object.entries(secretVariables).map(([variable, secret]): [string, pulumi.Input<string>] => [
      variable,
      requireSecret(secrets, secret),
    ]),
  ];
  return all
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([variable, value]) => pulumi.interpolate`${variable}=${value}`);
}

export function formatLabels(labels: Readonly<Record<string, pulumi.Input<string>>>) {
  return Object.entries(labels).map(([label, value]) => ({ label, value }));
}

/** On its networks, with the Docker host by name. */
function connect({ networks, ports }: ContainerPlan, host: DockerHost): Partial<ContainerArgs> {
  return {
    networksAdvanced: networks.map(({ name, alias }) => ({
      name: host.network(name),
      ...(alias !== undefined && { aliases: [alias] }),
    })),
    hosts: [{ host: "host.docker.internal", ip: "host-gateway" }],
    ...(ports.length > 0 && {
      ports: ports.map(({ address, port, containerPort }) => ({
        ip: address,
        external: port,
        internal: containerPort,
      })),
    }),
  };
}

/** No more rights and means than planned. */
function confine(plan: ContainerPlan): Partial<ContainerArgs> {
  return {
    init: plan.init,
    readOnly: true,
    securityOpts: ["no-new-privileges"],
    capabilities: { adds: [...plan.capabilities], drops: ["ALL"] },
    cpus: formatCpus(plan.cpus),
    memory: plan.memoryMegabytes,
    // No swap beside it.
    memorySwap: plan.memoryMegabytes,
    shmSize: plan.sharedMemoryMegabytes,
  };
}

/** As Docker's provider reports it, which takes `1` for a change to `1.0`. */
function formatCpus(cpus: number): string {
  return Number.isInteger(cpus) ? cpus.toFixed(1) : String(cpus);
}

function store({ volumes, temporaryFolders }: ContainerPlan): Partial<ContainerArgs> {
  return {
    volumes: volumes.map(({ volume, folder, readOnly }) => ({
      volumeName: volume,
      containerPath: folder,
      readOnly,
    })),
    tmpfs: Object.fromEntries(
      Object.entries(temporaryFolders).map(([folder, megabytes]) => [
        folder,
        `rw,nosuid,nodev,size=${megabytes}m`,
      ]),
    ),
  };
}

function keepRunning(
  service: NonNullable<ContainerPlan["service"]>,
  awaitHealthy: boolean,
): Partial<ContainerArgs> {
  return {
    restart: "unless-stopped",
    healthcheck: {
      tests: ["CMD", ...service.probe],
      interval: formatDuration(service.intervalSeconds),
      timeout: formatDuration(service.timeoutSeconds),
      retries: service.retries,
      startPeriod: formatDuration(service.readyDeadlineSeconds),
      startInterval: "1s",
    },
    ...(awaitHealthy && { wait: true, waitTimeout: service.readyDeadlineSeconds }),
  };
}

/** As Docker reports it: `300` → `5m0s`. */
function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}

function runOnce(): Partial<ContainerArgs> {
  return { restart: "no", attach: true, logs: true, mustRun: false };
}
