import * as pulumi from "@pulumi/pulumi";

import type { SingleHostPlan } from "../stacks/plan/plan.ts";
import { listNetworks } from "../stacks/plan/planned-containers.ts";
import { createContainerDatabase } from "./container-database.ts";
import { DockerHost } from "./docker-host.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { ProxyContainer } from "./proxy-container.ts";
import { GatewaySecrets } from "./secrets.ts";

/** A gateway of containers on one Docker host. */
export class SingleHostGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly prismaEngine = undefined;
  readonly certificateAuthority = undefined;

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
      {
        plan,
        networks: listNetworks(plan),
        secrets: args.secrets,
      },
      { parent: this },
    );
    const database = createContainerDatabase(`${name}-database`, {
      plan,
      host,
      secrets,
      given: args.secrets,
      parent: this,
    });
    const proxy = new ProxyContainer(
      `${name}-proxy`,
      {
        plan,
        host,
        migrationAttempt: args.migrationAttempt,
        secrets: {
          ...args.secrets,
          ...secrets.forProxy,
          ...(database.proxyUrl !== undefined && { databaseUrl: database.proxyUrl }),
        },
      },
      { parent: this },
    );

    this.url = proxy.url;
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = database.url;
    this.registerOutputs({ url: this.url });
  }
}
