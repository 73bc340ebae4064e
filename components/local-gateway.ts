import * as pulumi from "@pulumi/pulumi";

import type { LocalPlan } from "../stacks/plan/plan.ts";
import { Database } from "./database.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { startPostgres } from "./postgres-process.ts";
import { ProxyProcess } from "./proxy-process.ts";
import { Directory } from "./resources.ts";
import { GatewaySecrets } from "./secrets.ts";

/** A gateway of processes on this machine. */
export class LocalGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly prismaEngine: pulumi.Output<string> | undefined;
  readonly certificateAuthority = undefined;
  readonly data: pulumi.Resource | undefined;

  constructor(name: string, args: GatewayArgs<LocalPlan>, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const secrets = new GatewaySecrets(
      `${name}-secrets`,
      { given: args.secrets, protect: plan.protect },
      { parent: this },
    );
    const folder = new Directory(`${name}-folder`, { path: plan.folder }, { parent: this });
    const database = createDatabase(`${name}-database`, plan, secrets, {
      parent: this,
      dependsOn: folder,
    });
    const proxy = new ProxyProcess(
      `${name}-proxy`,
      {
        plan,
        secrets: { ...args.secrets, ...secrets.forProxy },
        databaseUrl: database?.proxyUrl,
      },
      { parent: this, dependsOn: folder },
    );

    this.url = proxy.url;
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = database?.url;
    this.data = database?.data;
    this.prismaEngine = database === undefined ? undefined : proxy.prismaEngine;
    this.registerOutputs({ url: this.url });
  }
}

function createDatabase(
  name: string,
  { database: plan, protect }: LocalPlan,
  secrets: GatewaySecrets,
  options: pulumi.ComponentResourceOptions,
): Database | undefined {
  if (plan.kind === "none") return undefined;
  const { superuserPassword, databasePassword } = secrets;
  return new Database(
    name,
    {
      plan,
      protect,
      startServer: (server, parent) =>
        startPostgres(server, { plan, protect, superuserPassword, parent }),
      adminPassword: superuserPassword,
      password: databasePassword,
    },
    options,
  );
}
