import type * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { ContainersPlan } from "../stacks/plan/plan.ts";
import { Database } from "./database.ts";
import type { DockerHost } from "./docker-host.ts";
import { runPostgres } from "./postgres-container.ts";
import { type GatewaySecrets, requireSecret } from "./secrets.ts";

export interface ContainerDatabaseArgs {
  readonly plan: Pick<ContainersPlan, "database" | "protect">;
  readonly host: DockerHost;
  readonly secrets: GatewaySecrets;
  /** Secrets that the user has set. */
  readonly given: Secrets;
  readonly parent: pulumi.Resource;
}

/** How the database of proxies in containers is reached; undefined without one, and where it is not known. */
export interface ContainerDatabase {
  /** From this machine. */
  readonly url: pulumi.Output<string> | undefined;
  /** From the proxies. */
  readonly proxyUrl: pulumi.Input<string> | undefined;
  /** What holds its data, where that is the stack's own. */
  readonly data?: pulumi.Resource | undefined;
}

/** The database as planned: in a container of its own, on a server that exists, or none. */
export function createContainerDatabase(
  name: string,
  args: ContainerDatabaseArgs,
): ContainerDatabase {
  const { host, given, parent } = args;
  const { database: plan, protect } = args.plan;
  const { superuserPassword, databasePassword: password } = args.secrets;
  switch (plan.kind) {
    case "none":
      return { url: undefined, proxyUrl: undefined };
    case "url":
      return { url: undefined, proxyUrl: requireSecret(given, "databaseUrl") };
    case "external": {
      const adminPassword = requireSecret(given, "databaseAdminPassword");
      const startServer = undefined;
      return new Database(
        name,
        { plan, protect, startServer, adminPassword, password },
        { parent },
      );
    }
    case "managed": {
      const startServer = (serverName: string, database: pulumi.Resource) =>
        runPostgres(serverName, {
          plan: plan.server,
          host,
          protect,
          superuserPassword,
          parent: database,
        });
      const adminPassword = superuserPassword;
      return new Database(
        name,
        { plan, protect, startServer, adminPassword, password },
        { parent },
      );
    }
    default:
      return plan satisfies never;
  }
}
