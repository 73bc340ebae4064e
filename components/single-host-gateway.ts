import * as pulumi from "@pulumi/pulumi";

import type { SingleHostPlan } from "../stacks/plan/plan.ts";
import { createContainerServices } from "./container-services.ts";
import type { DockerHost } from "./docker-host.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { ProxyContainer } from "./proxy-container.ts";

/** A gateway of containers on one Docker host. */
export class SingleHostGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly data: pulumi.Resource | undefined;
  readonly docker: DockerHost;
  readonly prismaEngine = undefined;
  readonly certificateAuthority = undefined;

  constructor(
    name: string,
    args: GatewayArgs<SingleHostPlan>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const { secrets, host, databaseUrl, data, proxySecrets } = createContainerServices(
      name,
      args,
      this,
    );
    const proxy = new ProxyContainer(
      `${name}-proxy`,
      { plan, host, migrationAttempt: args.migrationAttempt, secrets: proxySecrets },
      { parent: this },
    );

    this.url = proxy.url;
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = databaseUrl;
    this.data = data;
    this.docker = host;
    this.registerOutputs({ url: this.url });
  }
}
