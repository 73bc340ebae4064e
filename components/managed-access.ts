import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { Plan } from "../stacks/plan/plan.ts";
import type { ProviderArgs } from "./access-resources.ts";
import type { Gateway } from "./gateway.ts";

/**
 * Teams, users, keys and budgets in the gateway, once it serves.
 *
 * @returns the keys by their names in the settings; undefined where none are managed
 */
export async function manageAccess(
  name: string,
  { plan, gateway, secrets }: { plan: Plan; gateway: Gateway; secrets: Secrets },
): Promise<pulumi.Output<Readonly<Record<string, string | null>>> | undefined> {
  if (plan.access === undefined) return undefined;
  const { Access } = await import("./access.ts");
  const { KeyDelivery } = await import("./key-delivery.ts");
  const access = new Access(name, {
    plan: plan.access,
    gateway: reachGateway(plan, gateway),
    secrets,
    dependsOn: gateway,
    data: gateway.data,
  });
  for (const { key, value } of access.deliveries) {
    new KeyDelivery(
      `${name}-delivery-${key.name}`,
      { key, value, plan, gateway },
      { parent: access },
    );
  }
  return pulumi.secret(
    pulumi
      .all(access.virtualKeys)
      .apply((keys) =>
        Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, value ?? null])),
      ),
  );
}

/** How this machine reaches the admin API. What is known is given as it is, so that a preview can look. */
function reachGateway(
  plan: Plan,
  { masterKey, certificateAuthority, machines, machine }: Gateway,
): ProviderArgs {
  switch (plan.topology) {
    case "local":
    case "single-host":
      return { url: plan.proxyUrl, masterKey };
    case "traefik":
      return {
        url: plan.proxyUrl,
        masterKey,
        certificateAuthority,
        connectAddress: plan.connectAddress,
      };
    case "two-vm":
      // Without TLS the master key does not go over the network but by SSH.
      return { url: plan.proxyUrl, masterKey, machine: machines?.gateway };
    case "existing":
      return {
        url: plan.proxyUrl,
        masterKey,
        certificateAuthority: plan.certificateAuthority,
        connectAddress: plan.connectAddress,
        machine,
      };
    default:
      return plan satisfies never;
  }
}
