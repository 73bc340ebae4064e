import { Network } from "@pulumi/docker/network.js";
import { Provider } from "@pulumi/docker/provider.js";
import { RemoteImage } from "@pulumi/docker/remoteImage.js";
import * as pulumi from "@pulumi/pulumi";

import type { ContainersPlan, NetworkPlan } from "../stacks/plan/plan.ts";
import { readAbsentTarget } from "./absent-target.ts";
import { formatLabels } from "./container.ts";
import { locateEngine } from "./docker-context.ts";
import { requireSecret } from "./secrets.ts";

export interface DockerHostArgs {
  readonly plan: Pick<ContainersPlan, "docker" | "labels">;
  /** Networks of the stack, by the last part of their resource's name. */
  readonly networks: Readonly<Record<string, NetworkPlan>>;
  /** Passwords of registries, by the name of the secret. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
}

/** One Docker engine, with the networks of the stack's own and the images that it needs. */
export class DockerHost extends pulumi.ComponentResource {
  readonly provider: Provider;
  /** The same engine for resources of our own. */
  readonly engine: {
    readonly host?: string;
    readonly certificateFolder?: string;
    readonly sshOptions: string[];
  };
  readonly plan: DockerHostArgs["plan"];
  readonly #name: string;
  readonly #networks = new Map<string, Network>();
  readonly #images = new Map<string, RemoteImage>();

  constructor(name: string, args: DockerHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:DockerHost", name, {}, opts);
    const { docker, labels } = args.plan;
    this.#name = name;
    this.plan = args.plan;
    // A machine that only previews may have no such context: there, what is recorded stays.
    const isAbsent = readAbsentTarget() !== undefined;
    const { host, certificateFolder } = isAbsent ? docker : locateEngine(docker);
    this.engine = {
      ...(host !== undefined && { host }),
      ...(certificateFolder !== undefined && { certificateFolder }),
      sshOptions: [...docker.sshOptions],
    };
    this.provider = new Provider(
      `${name}-engine`,
      {
        ...(host !== undefined && { host }),
        ...(certificateFolder !== undefined && { certPath: certificateFolder }),
        ...(docker.sshOptions.length > 0 && { sshOpts: [...docker.sshOptions] }),
        registryAuth: docker.registries.map(({ address, username, password }) => ({
          address,
          username,
          password: requireSecret(args.secrets, password),
        })),
        // A preview compares with the state: it must not need the engine.
        disableDockerDaemonCheck: true,
      },
      {
        parent: this,
        ignoreChanges: isAbsent && docker.context !== undefined ? ["host", "certPath"] : [],
      },
    );
    for (const [suffix, network] of Object.entries(args.networks)) {
      if (network.isExisting) continue;
      this.#networks.set(
        network.name,
        new Network(
          `${name}-${suffix}`,
          {
            name: network.name,
            driver: "bridge",
            labels: formatLabels(labels),
            ...(network.isInternal && { internal: true }),
          },
          { parent: this, provider: this.provider, deleteBeforeReplace: true },
        ),
      );
    }
    this.registerOutputs({});
  }

  /** A network's name, once it is there. */
  network(name: string): pulumi.Input<string> {
    return this.#networks.get(name)?.name ?? name;
  }

  /**
   * An image's name, once the host has it: it is pulled only where it is missing, and before any
   * container that is to be replaced by one of it has been stopped.
   */
  image(reference: string): pulumi.Output<string> {
    const known = this.#images.get(reference);
    const image =
      known ??
      new RemoteImage(
        `${this.#name}-image-${nameImage(reference)}`,
        // Other containers may use it as well.
        { name: reference, keepLocally: true },
        { parent: this, provider: this.provider },
      );
    this.#images.set(reference, image);
    return image.name;
  }
}

/** `ghcr.io/berriai/litellm:v1.2.3` → `litellm`: the same resource for another version. */
function nameImage(reference: string): string {
  return /([^/:@]+)(?::[^/@]+)?(?:@.+)?$/.exec(reference)?.[1] ?? reference;
}
