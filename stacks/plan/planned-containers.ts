import type { ContainerPlan } from "./container-plan.ts";
import type { ConfigurationVolumePlan, ContainersPlan, NetworkPlan } from "./plan.ts";

/** Containers that keep running. */
export function listServices(plan: ContainersPlan): ContainerPlan[] {
  return [
    ...(plan.database.kind === "managed" ? [plan.database.server.container] : []),
    ...listHelpers(plan),
    ...listProxies(plan),
  ];
}

/** Containers of the proxy that are planned now. */
function listProxies(plan: ContainersPlan): readonly ContainerPlan[] {
  return plan.topology === "traefik" ? plan.proxies.containers : [plan.proxy.container];
}

function listHelpers(plan: ContainersPlan): ContainerPlan[] {
  if (plan.topology === "single-host") return [];
  const { edge, redis } = plan;
  return [
    ...(edge.kind === "managed" ? [edge.container] : []),
    ...(redis === undefined ? [] : [redis.container]),
  ];
}

/** Names of all containers, also of those that end, or never start. */
export function listContainerNames(plan: ContainersPlan): string[] {
  const migration = findMigration(plan);
  return [
    ...listServices(plan).map(({ name }) => name),
    ...(migration === undefined ? [] : [migration.name]),
    ...listConfigurations(plan).map(({ container }) => container),
  ];
}

/** The one-shot container of the migration; none without a database. */
export function findMigration(plan: ContainersPlan): ContainerPlan | undefined {
  return plan.topology === "traefik" ? plan.proxies.migration?.container : plan.proxy.migration;
}

function listConfigurations(plan: ContainersPlan): ConfigurationVolumePlan[] {
  if (plan.topology === "single-host") return [plan.proxy.configuration];
  const { configuration, migration } = plan.proxies;
  return [configuration, ...(migration === undefined ? [] : [migration.configuration])];
}

/** Networks, by the last part of their resource's name. */
export function listNetworks(plan: ContainersPlan): Record<string, NetworkPlan> {
  return plan.topology === "traefik"
    ? { "network-web": plan.networks.web, "network-internal": plan.networks.internal }
    : { network: { name: plan.network, isExisting: false, isInternal: false } };
}
