import * as pulumi from "@pulumi/pulumi";

import type { ContainerPlan } from "../../stacks/plan/container-plan.ts";
import { isLoopback } from "../../stacks/hosts.ts";
import type { ContainersPlan, DockerHostPlan } from "../../stacks/plan/plan.ts";
import {
  findMigration,
  listContainerNames,
  listNetworks,
  listServices,
} from "../../stacks/plan/planned-containers.ts";
import { formatDockerCommand, isDockerMissing, runDocker } from "../docker-command.ts";
import { locateEngine } from "../docker-context.ts";
import { findPortHolder } from "../provider/host/process-table.ts";
import type { RecordedStack } from "./recorded-stack.ts";

/** What `docker ps --format json` tells of a container. */
interface ListedContainer {
  readonly Names: string;
  readonly Labels: string;
  /** `running`, `paused`, `exited`, … */
  readonly State: string;
  /** `127.0.0.1:4000->4000/tcp, …` */
  readonly Ports: string;
}

interface EngineInfo {
  readonly NCPU: number;
  readonly ServerVersion?: string;
  readonly ServerErrors?: readonly string[];
}

/** Everything on the Docker host that would stop the deployment half way. */
export async function findEngineObstacles(
  plan: ContainersPlan,
  recorded: RecordedStack,
): Promise<string[]> {
  try {
    locateEngine(plan.docker);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  let info: EngineInfo;
  let listed: ListedContainer[];
  try {
    [info, listed] = await Promise.all([readInfo(plan.docker), listContainers(plan.docker)]);
  } catch (error) {
    if (isDockerMissing(error)) {
      await pulumi.log.warn(
        "the docker command is not installed here, so nothing was checked on the Docker host before the deployment: https://docs.docker.com/engine/install/",
      );
      return [];
    }
    return [describeUnreachable(plan.docker, error)];
  }
  const services = listServices(plan);
  const migration = findMigration(plan);
  const containers = [...services, ...(migration === undefined ? [] : [migration])];
  const names = listContainerNames(plan);
  await warnOfStopped(services, listed, plan);
  return [
    ...(await checkNetworks(plan)),
    ...containers.flatMap((container) => checkCpus(container, info.NCPU)),
    ...names.flatMap((name) => checkName(name, listed, plan)),
    ...containers.flatMap((container) => checkPort(container, listed, plan)),
    ...containers.flatMap((container) => checkPaused(container, listed, plan)),
    ...(recorded.database === undefined ? await checkKeptData(plan) : []),
  ];
}

async function readInfo(docker: DockerHostPlan): Promise<EngineInfo> {
  const { stdout } = await runDocker(docker, ["info", "--format", "{{json .}}"]);
  const info = JSON.parse(stdout) as EngineInfo;
  if (info.ServerVersion === undefined || info.ServerVersion === "") {
    throw new Error(info.ServerErrors?.[0] ?? "it does not answer");
  }
  return info;
}

async function listContainers(docker: DockerHostPlan): Promise<ListedContainer[]> {
  // Not `{{json .}}`, for which the engine measures every container's files.
  const columns = ["Names", "Labels", "State", "Ports"];
  const format = `{${columns.map((name) => `"${name}":{{json .${name}}}`).join(",")}}`;
  const { stdout } = await runDocker(docker, ["ps", "--all", "--no-trunc", "--format", format]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ListedContainer);
}

function describeUnreachable(docker: DockerHostPlan, error: unknown): string {
  const { stderr = "", message } = error as { stderr?: string; message: string };
  const reason = (stderr.trim() || message).split("\n").at(-1) ?? message;
  const { host, context } = docker;
  const engine =
    host ?? (context === undefined ? "this machine's Docker engine" : `Docker context ${context}`);
  const isHere = host === undefined ? context === undefined : host.startsWith("unix:");
  const start = isHere
    ? "start it: sudo systemctl start docker"
    : `see what it says: ${formatDockerCommand(docker, ["info"])}`;
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
  name: string,
  listed: readonly ListedContainer[],
  { labels, stack }: ContainersPlan,
): string[] {
  const other = findByName(name, listed);
  if (other === undefined || isOurs(other, labels)) return [];
  return [
    `the Docker host has a container ${name} that is not of stack ${stack}; remove it (docker rm --force ${name}), or choose other names: pulumi config set --path deployment.namePrefix <prefix>`,
  ];
}

/** Data that an earlier deployment left: its role, database and passwords would be in the way. */
async function checkKeptData({ docker, database, labels }: ContainersPlan): Promise<string[]> {
  if (database.kind !== "managed") return [];
  const { volume } = database.server;
  const filters = Object.entries(labels).map(([label, value]) => `label=${label}=${value}`);
  const { stdout } = await runDocker(docker, [
    ...["volume", "ls", "--quiet"],
    ...[`name=${volume}`, ...filters].flatMap((filter) => ["--filter", filter]),
  ]);
  if (!stdout.split("\n").includes(volume) || (await isEmpty(volume, docker))) return [];
  return [
    `the Docker host has the volume ${volume} with the data of an earlier deployment; take what is needed out of it (README, "Data that was kept"), then remove it: docker volume rm ${volume}; or leave it and choose other names: pulumi config set --path deployment.namePrefix <prefix>`,
  ];
}

/** As a deployment leaves a volume that was killed while it made it. */
async function isEmpty(volume: string, docker: DockerHostPlan): Promise<boolean> {
  const usage = ["system", "df", "--verbose", "--format", "{{json .Volumes}}"];
  // It counts the files of all volumes.
  const { stdout } = await runDocker(docker, usage, { timeoutMilliseconds: 300_000 });
  const volumes = JSON.parse(stdout) as { readonly Name: string; readonly Size: string }[];
  return volumes.find(({ Name }) => Name === volume)?.Size === "0B";
}

function findByName(name: string, listed: readonly ListedContainer[]): ListedContainer | undefined {
  return listed.find(({ Names }) => Names.split(",").includes(name));
}

function isOurs({ Labels }: ListedContainer, labels: Readonly<Record<string, string>>): boolean {
  const present = Labels.split(",");
  return Object.entries(labels).every(([label, value]) => present.includes(`${label}=${value}`));
}

function checkPort(
  { name, ports }: ContainerPlan,
  listed: readonly ListedContainer[],
  plan: ContainersPlan,
): string[] {
  return ports.flatMap(({ port }) => {
    const publisher = listed.find(({ Ports }) => publishes(Ports, port));
    if (publisher !== undefined && isOurs(publisher, plan.labels)) return [];
    const holder =
      publisher === undefined ? findLocalHolder(port, plan.docker) : `container ${publisher.Names}`;
    if (holder === undefined) return [];
    return [
      `port ${port} is taken by ${holder}; stop it, or choose another: pulumi config set --path ${namePortSetting(name, port, plan)} ${port + 1}`,
    ];
  });
}

function namePortSetting(container: string, port: number, plan: ContainersPlan): string {
  if (plan.topology === "single-host") {
    return plan.proxy.container.name === container ? "deployment.proxyPort" : "database.port";
  }
  const { edge } = plan;
  const isHttps = edge.kind === "managed" && edge.container.ports.at(-1)?.port === port;
  return isHttps ? "deployment.traefik.httpsPort" : "deployment.traefik.httpPort";
}

/** A network that somebody else made is not ours to use unasked, and one that is to be used must be there. */
async function checkNetworks(plan: ContainersPlan): Promise<string[]> {
  if (plan.topology !== "traefik") return [];
  const obstacles = await Promise.all(
    Object.entries(listNetworks(plan)).map(async ([suffix, network]) => {
      const setting = `deployment.networks.${suffix.replace("network-", "")}`;
      const labels = await readNetworkLabels(network.name, plan.docker);
      if (network.isExisting) {
        return labels !== undefined
          ? []
          : [
              `the Docker host has no network ${network.name}; make it (docker network create ${network.name}), or let the stack make it: pulumi config set --path ${setting}.existing false`,
            ];
      }
      const isFree =
        labels === undefined ||
        Object.entries(plan.labels).every(([label, value]) => labels[label] === value);
      return isFree
        ? []
        : [
            `the Docker host has a network ${network.name} that is not of stack ${plan.stack}; use it (pulumi config set --path ${setting}.existing true), or choose another name: pulumi config set --path ${setting}.name <name>`,
          ];
    }),
  );
  return obstacles.flat();
}

/** Undefined where there is no network of that name. */
async function readNetworkLabels(
  name: string,
  docker: DockerHostPlan,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const format = "{{json .Labels}}";
    const { stdout } = await runDocker(docker, ["network", "inspect", "--format", format, name]);
    return (JSON.parse(stdout) as Record<string, string> | null) ?? {};
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    if (/not found|no such network/i.test(stderr)) return undefined;
    throw error;
  }
}

/** Docker writes neighbouring ports as one: `127.0.0.1:4000-4001->4000-4001/tcp`. */
function publishes(ports: string, port: number): boolean {
  return [...ports.matchAll(/:(\d+)(?:-(\d+))?->/g)].some(
    ([, first, last = first]) => Number(first) <= port && port <= Number(last),
  );
}

/** Nothing answers in it, and the deployment would wait for it. */
function checkPaused(
  { name }: ContainerPlan,
  listed: readonly ListedContainer[],
  { labels }: ContainersPlan,
): string[] {
  const container = findByName(name, listed);
  return container?.State === "paused" && isOurs(container, labels)
    ? [`${name} is paused; let it go on: docker unpause ${name}`]
    : [];
}

/** Pulumi sees that only in a refresh, which fails where it is the database that does not run. */
async function warnOfStopped(
  containers: readonly ContainerPlan[],
  listed: readonly ListedContainer[],
  { labels }: ContainersPlan,
): Promise<void> {
  for (const { name, service } of containers) {
    const container = findByName(name, listed);
    const isStopped = container?.State === "exited" || container?.State === "dead";
    if (service !== undefined && isStopped && isOurs(container, labels)) {
      await pulumi.log.warn(`${name} does not run; start it: docker start ${name}`);
    }
  }
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
