import * as pulumi from "@pulumi/pulumi";

import type { AccessPlan } from "../stacks/plan/access-plan.ts";
import type { Plan } from "../stacks/plan/plan.ts";
import { writeConfiguration } from "./configuration-volume.ts";
import type { Gateway } from "./gateway.ts";
import { MachineFile } from "./machine-resources.ts";
import { File } from "./resources.ts";

export interface KeyDeliveryArgs {
  readonly key: AccessPlan["keys"][number];
  readonly value: pulumi.Output<string>;
  readonly plan: Plan;
  readonly gateway: Gateway;
}

/** Where Docker itself shows a container its secrets. */
const SECRETS_FOLDER = "/run/secrets";
/** Where systemd looks for `LoadCredential=` without a path. */
const CREDENTIALS_FOLDER = "/etc/credstore";

/** Puts a key where its user reads it, and nobody else does. */
export class KeyDelivery extends pulumi.ComponentResource {
  constructor(name: string, args: KeyDeliveryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:KeyDelivery", name, {}, opts);
    const { key, plan, gateway } = args;
    const { file, variable, dockerVolume, systemdCredential } = key.delivery;
    const value = pulumi.secret(args.value);
    if (file !== undefined) {
      const content = pulumi.interpolate`${variable}=${value}\n`;
      new File(`${name}-file`, { path: file, content, mode: "0600" }, { parent: this });
    }
    if (dockerVolume !== undefined && gateway.docker !== undefined) {
      writeConfiguration(
        `${name}-volume`,
        {
          volume: dockerVolume,
          container: `${dockerVolume}-writer`,
          image: findImage(plan),
          folder: SECRETS_FOLDER,
          files: { [SECRET_FILE]: value },
        },
        gateway.docker,
        this,
      );
    }
    if (systemdCredential !== undefined && gateway.machines !== undefined) {
      new MachineFile(
        `${name}-credential`,
        {
          connection: gateway.machines.gateway,
          path: `${CREDENTIALS_FOLDER}/${systemdCredential}`,
          content: value,
          mode: "0600",
        },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}

/** Its name in the volume, as a service finds its secret in Docker's own. */
const SECRET_FILE = "litellm_api_key";

/** One that the host has anyway: the container is never started. */
function findImage(plan: Plan): string {
  switch (plan.topology) {
    case "single-host":
      return plan.proxy.container.image;
    case "traefik":
      return plan.proxies.configuration.image;
    case "local":
    case "two-vm":
    case "existing":
      throw new Error(`topology ${plan.topology} has no Docker host to deliver a key to`);
  }
}
