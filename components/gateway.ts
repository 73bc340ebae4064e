import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { DatabasePlan, Plan } from "../stacks/plan.ts";
import { Database } from "./database.ts";
import { Proxy } from "./proxy.ts";
import { Directory } from "./resources.ts";
import { GatewaySecrets } from "./secrets.ts";

export interface GatewayArgs {
  readonly plan: Plan;
  /** Secrets that the user has set. */
  readonly secrets: Secrets;
}

/** An LLM gateway: the LiteLLM proxy, its database and its keys. */
export class Gateway extends pulumi.ComponentResource {
  /** Base URL of the proxy, once it is ready. */
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  /** Connection string of the proxy's role; undefined without a database. */
  readonly databaseUrl: pulumi.Output<string> | undefined;
  /** Which of Prisma's engines serves the database. */
  readonly prismaEngine: pulumi.Output<string>;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const secrets = new GatewaySecrets(
      `${name}-secrets`,
      { given: args.secrets, protect: plan.protect },
      { parent: this },
    );
    const folder = new Directory(`${name}-folder`, { path: plan.folder }, { parent: this });
    const database = createDatabase(`${name}-database`, plan.database, args, secrets, {
      parent: this,
      dependsOn: folder,
    });
    const proxy = new Proxy(
      `${name}-proxy`,
      {
        plan: plan.proxy,
        secrets: {
          ...args.secrets,
          masterKey: secrets.masterKey,
          saltKey: secrets.saltKey,
          uiPassword: secrets.uiPassword,
        },
        databaseUrl: database?.url,
      },
      { parent: this, dependsOn: folder },
    );

    this.url = proxy.url;
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.databaseUrl = database?.url;
    this.prismaEngine = proxy.prismaEngine;
    this.registerOutputs({ url: this.url });
  }
}

function createDatabase(
  name: string,
  plan: DatabasePlan,
  { plan: { protect } }: GatewayArgs,
  secrets: GatewaySecrets,
  options: pulumi.ComponentResourceOptions,
): Database | undefined {
  switch (plan.kind) {
    case "none":
      return undefined;
    case "embedded":
      return new Database(
        name,
        {
          plan,
          protect,
          superuserPassword: secrets.superuserPassword,
          password: secrets.databasePassword,
        },
        options,
      );
    default:
      return plan satisfies never;
  }
}
