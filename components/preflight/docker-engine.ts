import { execFile } from "node:child_process";
import { promisify } from "node:util";

import * as pulumi from "@pulumi/pulumi";

import type { ContainerPlan } from "../../stacks/container-plan.ts";
import { isLoopback } from "../../stacks/hosts.ts";
import type { DockerHostPlan, SingleHostPlan } from "../../stacks/plan.ts";
import { findPortHolder } from "../provider/host/process-table.ts";

/** What `docker ps --format json` tells of a container. */
interface ListedContainer {
  readonly Names: string;
  readonly Labels: string;
  /** `127.0.0.1:4000->4000/tcp, …` */
  readonly Ports: string;
}

interface EngineInfo {
  readonly NCPU: number;
  readonly ServerVersion?: string;
  readonly ServerErrors?: readonly string[];
}

/** Everything on the Docker host that would stop the deployment half way. */
export async function findEngineObstacles(plan: SingleHostPlan): Promise<string[]> {
  let info: EngineInfo;
  let listed: ListedContainer[];
  try {
    [info, listed] = await Promise.all([readInfo(plan.docker), listContainers(plan.docker)]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      await pulumi.log.warn(
        "the docker command is not installed here, so nothing was checked on the Docker host before the deployment: https://docs.docker.com/engine/install/",
      );
      return [];
    }
    return [describeUnreachable(plan.docker, error)];
  }
  const containers = listPlannedContainers(plan);
  return [
    ...containers.flatMap((container) => checkCpus(container, info.NCPU)),
    ...containers.flatMap((container) => checkName(container, listed, plan)),
    ...containers.flatMap((container) => checkPort(container, listed, plan)),
  ];
}

function listPlannedContainers({ proxy, database }: SingleHostPlan): ContainerPlan[] {
  return [
    proxy.container,
    ...(proxy.migration === undefined ? [] : [proxy.migration]),
    ...(database.kind === "managed" ? [database.server.container] : []),
  ];
}

async function readInfo(docker: DockerHostPlan): Promise<EngineInfo> {
  const info = JSON.parse(await runDocker(docker, "info", "--format", "{{json .}}")) as EngineInfo;
  if (info.ServerVersion === undefined || info.ServerVersion === "") {
    throw new Error(info.ServerErrors?.[0] ?? "it does not answer");
  }
  return info;
}

async function listContainers(docker: DockerHostPlan): Promise<ListedContainer[]> {
  const lines = await runDocker(docker, "ps", "--all", "--no-trunc", "--format", "{{json .}}");
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ListedContainer);
}

async function runDocker(docker: DockerHostPlan, ...arguments_: string[]): Promise<string> {
  const engine = [
    ...(docker.host === undefined ? [] : ["--host", docker.host]),
    ...(docker.context === undefined ? [] : ["--context", docker.context]),
  ];
  const { stdout } = await promisify(execFile)("docker", [...engine, ...arguments_], {
    timeout: 20_000,
    maxBuffer: 2 ** 26,
    env: {
      ...process.env,
      ...(docker.certificateFolder !== undefined && {
        DOCKER_CERT_PATH: docker.certificateFolder,
        DOCKER_TLS_VERIFY: "1",
      }),
    },
  });
  return stdout;
}

function describeUnreachable({ host, context }: DockerHostPlan, error: unknown): string {
  const { stderr = "", message } = error as { stderr?: string; message: string };
  const reason = (stderr.trim() || message).split("\n").at(-1) ?? message;
  const engine =
    host ?? (context === undefined ? "this machine's Docker engine" : `Docker context ${context}`);
  const start =
    host === undefined || host.startsWith("unix:")
      ? "start it: sudo systemctl start docker"
      : `see what it says: docker --host ${host} info`;
  return `${engine} does not answer (${reason}); ${start}`;
}

function checkCpus({ name, cpus }: ContainerPlan, available: number): string[] {
  return cpus <= available
    ? []
    : [
        `${name} may use ${cpus} CPUs, and the Docker host has ${available}; use fewer workers: pulumi config set --path deployment.workers ${Math.max(1, Math.floor(available))}`,
      ];
}

/** A container of that name that is not this stack's. */
function checkName(
  { name }: ContainerPlan,
  listed: readonly ListedContainer[],
  { labels, stack }: SingleHostPlan,
): string[] {
  const other = listed.find(({ Names }) => Names.split(",").includes(name));
  if (other === undefined || isOurs(other, labels)) return [];
  return [
    `the Docker host has a container ${name} that is not of stack ${stack}; remove it (docker rm --force ${name}), or choose other names: pulumi config set --path deployment.namePrefix <prefix>`,
  ];
}

function isOurs({ Labels }: ListedContainer, labels: Readonly<Record<string, string>>): boolean {
  const present = Labels.split(",");
  return Object.entries(labels).every(([label, value]) => present.includes(`${label}=${value}`));
}

function checkPort(
  { name, port }: ContainerPlan,
  listed: readonly ListedContainer[],
  plan: SingleHostPlan,
): string[] {
  if (port === undefined) return [];
  const publisher = listed.find(({ Ports }) =>
    Ports.split(", ").some((mapping) => mapping.includes(`:${port.port}->`)),
  );
  if (publisher !== undefined && isOurs(publisher, plan.labels)) return [];
  const holder =
    publisher === undefined
      ? findLocalHolder(port.port, plan.docker)
      : `container ${publisher.Names}`;
  if (holder === undefined) return [];
  const setting = plan.proxy.container.name === name ? "deployment.proxyPort" : "database.port";
  return [
    `port ${port.port} is taken by ${holder}; stop it, or choose another: pulumi config set --path ${setting} ${port.port + 1}`,
  ];
}

/** A process of this machine, where the Docker host is this machine. */
function findLocalHolder(port: number, { host, context }: DockerHostPlan): string | undefined {
  const engine = host ?? process.env["DOCKER_HOST"] ?? "unix:";
  const isLocal =
    context === undefined &&
    (engine.startsWith("unix:") || isLoopback(URL.parse(engine)?.hostname ?? ""));
  const holder = isLocal ? findPortHolder(port) : undefined;
  if (holder === undefined) return undefined;
  return holder.pid === undefined ? holder.command : `process ${holder.pid} (${holder.command})`;
}
