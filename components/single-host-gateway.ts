import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { SingleHostPlan } from "../stacks/plan.ts";
import { Database } from "./database.ts";
import { DockerHost } from "./docker-host.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { runPostgres } from "./postgres-container.ts";
import { ProxyContainer } from "./proxy-container.ts";
import { GatewaySecrets, requireSecret } from "./secrets.ts";

/** A gateway of containers on one Docker host. */
export class SingleHostGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly prismaEngine = undefined;

  constructor(
    name: string,
    args: GatewayArgs<SingleHostPlan>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const secrets = new GatewaySecrets(
      `${name}-secrets`,
      { given: args.secrets, protect: plan.protect },
      { parent: this },
    );
    const host = new DockerHost(
      `${name}-docker`,
      { plan, secrets: args.secrets },
      { parent: this },
    );
    const database = createDatabase(`${name}-database`, plan, host, secrets, args.secrets, this);
    const proxyDatabaseUrl =
      plan.database.kind === "url"
        ? requireSecret(args.secrets, "databaseUrl")
        : database?.proxyUrl;
    const proxy = new ProxyContainer(
      `${name}-proxy`,
      {
        plan,
        host,
        migrationAttempt: args.migrationAttempt,
        secrets: {
          ...args.secrets,
          ...secrets.forProxy,
          ...(proxyDatabaseUrl !== undefined && { databaseUrl: proxyDatabaseUrl }),
        },
      },
      { parent: this },
    );

    this.url = proxy.url;
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = database?.url;
    this.registerOutputs({ url: this.url });
  }
}

function createDatabase(
  name: string,
  { database: plan, protect }: SingleHostPlan,
  host: DockerHost,
  { superuserPassword, databasePassword: password }: GatewaySecrets,
  given: Secrets,
  parent: pulumi.Resource,
): Database | undefined {
  switch (plan.kind) {
    case "none":
    case "url":
      return undefined;
    case "external": {
      const adminPassword = requireSecret(given, "databaseAdminPassword");
      const args = { plan, protect, startServer: undefined, adminPassword, password };
      return new Database(name, args, { parent });
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
      const args = { plan, protect, startServer, adminPassword: superuserPassword, password };
      return new Database(name, args, { parent });
    }
    default:
      return plan satisfies never;
  }
}
