import type * as pulumi from "@pulumi/pulumi";

import type { ContainersPlan } from "../stacks/plan/plan.ts";
import { listNetworks } from "../stacks/plan/planned-containers.ts";
import { createContainerDatabase } from "./container-database.ts";
import { DockerHost } from "./docker-host.ts";
import type { GatewayArgs } from "./gateway.ts";
import { GatewaySecrets } from "./secrets.ts";

/** What proxies in containers need before they start, whatever is in front of them. */
export interface ContainerServices {
  readonly secrets: GatewaySecrets;
  readonly host: DockerHost;
  /** Connection string of the proxy's role from this machine; undefined where none is known. */
  readonly databaseUrl: pulumi.Output<string> | undefined;
  /** What holds the database's data, where that is the stack's own. */
  readonly data: pulumi.Resource | undefined;
  /** Every secret that the plan's proxies and their migration name, `databaseUrl` included. */
  readonly proxySecrets: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Registers them as children of a gateway with this name. */
export function createContainerServices(
  name: string,
  { plan, secrets: given }: GatewayArgs<ContainersPlan>,
  parent: pulumi.Resource,
): ContainerServices {
  const hasRedis = plan.topology === "traefik" && plan.redis !== undefined;
  const secrets = new GatewaySecrets(
    `${name}-secrets`,
    { given, protect: plan.protect, hasRedis },
    { parent },
  );
  const host = new DockerHost(
    `${name}-docker`,
    { plan, networks: listNetworks(plan), secrets: given },
    { parent },
  );
  const database = createContainerDatabase(`${name}-database`, {
    plan,
    host,
    secrets,
    given,
    parent,
  });
  return {
    secrets,
    host,
    databaseUrl: database.url,
    data: database.data,
    proxySecrets: {
      ...given,
      ...secrets.forProxy,
      ...(database.proxyUrl !== undefined && { databaseUrl: database.proxyUrl }),
    },
  };
}
