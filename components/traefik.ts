import { basename } from "node:path";

import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { CredentialsPlan, ManagedEdgePlan } from "../stacks/plan/edge-plan.ts";
import { renderTraefikCredentials } from "../templates/traefik-credentials.ts";
import { createContainer, formatLabels } from "./container.ts";
import type { DockerHost } from "./docker-host.ts";
import { Certificate, CertificateAuthority, ContainerFile } from "./resources.ts";
import { requireSecret } from "./secrets.ts";

export interface TraefikArgs {
  readonly plan: ManagedEdgePlan;
  readonly host: DockerHost;
  /** Secrets that the user has set. */
  readonly secrets: Secrets;
}

/** Traefik of the stack's own, with its certificates and passwords; the rollout of proxies gives it routes. */
export class Traefik extends pulumi.ComponentResource {
  /** What must be there before the routes. */
  readonly ready: readonly pulumi.Resource[];
  /** Of a private certificate authority, PEM. */
  readonly certificateAuthority: pulumi.Output<string> | undefined;

  constructor(name: string, args: TraefikArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Traefik", name, {}, opts);
    const { plan, host, secrets } = args;
    const volumes = plan.volumes.map(
      (volume) =>
        new Volume(
          `${name}-volume-${volume.slice(plan.container.name.length + 1)}`,
          { name: volume, labels: formatLabels(host.plan.labels) },
          { parent: this, provider: host.provider },
        ),
    );
    const container = createContainer(`${name}-container`, plan.container, {
      host,
      secrets,
      parent: this,
      dependsOn: volumes,
      awaitHealthy: true,
    });
    const within = { parent: this, dependsOn: [container] };
    const place = { engine: host.engine, container: plan.container.name };
    const files = Object.entries(plan.files).map(
      ([path, content]) =>
        new ContainerFile(`${name}-${basename(path)}`, { ...place, path, content }, within),
    );
    const { credentials } = plan;
    if (credentials !== undefined) {
      const { authority, keyPair } = this.#provideCertificate(name, credentials, secrets);
      this.certificateAuthority = authority;
      const users = credentials.users ? requireSecret(secrets, "adminUsers") : undefined;
      const content = pulumi
        .all([users, keyPair?.chain, keyPair?.privateKey])
        .apply(([lines, chain, privateKey]) =>
          renderTraefikCredentials(credentials, {
            users: lines,
            certificate:
              chain === undefined || privateKey === undefined ? undefined : { chain, privateKey },
          }),
        );
      files.push(
        new ContainerFile(
          `${name}-credentials`,
          { ...place, path: credentials.path, content: pulumi.secret(content), mode: "0600" },
          within,
        ),
      );
    } else {
      this.certificateAuthority = undefined;
    }
    this.ready = [container, ...files];
    this.registerOutputs({});
  }

  #provideCertificate(
    name: string,
    { certificate }: CredentialsPlan,
    secrets: Secrets,
  ): {
    readonly authority: pulumi.Output<string> | undefined;
    readonly keyPair: KeyPair | undefined;
  } {
    switch (certificate?.kind) {
      case undefined:
        return { authority: undefined, keyPair: undefined };
      case "files": {
        const privateKey = requireSecret(secrets, "tlsPrivateKey");
        return { authority: undefined, keyPair: { chain: certificate.chain, privateKey } };
      }
      case "private": {
        const authority = new CertificateAuthority(
          `${name}-authority`,
          { commonName: `LiteLLM gateway ${certificate.names[0] ?? ""}`.slice(0, 64) },
          { parent: this },
        );
        const { certificate: chain, privateKey } = new Certificate(
          `${name}-certificate`,
          {
            authorityCertificate: authority.certificate,
            authorityPrivateKey: authority.privateKey,
            names: [...certificate.names],
            validityDays: certificate.validityDays,
            renewBeforeDays: certificate.renewBeforeDays,
          },
          { parent: this },
        );
        return { authority: authority.certificate, keyPair: { chain, privateKey } };
      }
      default:
        return certificate satisfies never;
    }
  }
}

interface KeyPair {
  readonly chain: pulumi.Input<string>;
  readonly privateKey: pulumi.Input<string>;
}
