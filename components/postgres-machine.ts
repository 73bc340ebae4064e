import * as pulumi from "@pulumi/pulumi";

import type { PostgresMachinePlan } from "../stacks/plan/machine-plan.ts";
import { sha256 } from "../stacks/sha256.ts";
import type { MachineConnection } from "./machine.ts";
import {
  AptPackages,
  AptRepository,
  MachineFile,
  PostgresService,
  SystemdUnit,
  Tunnel,
} from "./machine-resources.ts";
import { Certificate, CertificateAuthority } from "./resources.ts";

export interface PostgresMachineArgs {
  readonly plan: PostgresMachinePlan;
  readonly connection: MachineConnection;
  readonly superuserPassword: pulumi.Input<string>;
  /** Protect the data against deletion. */
  readonly protect: boolean;
}

/** PostgreSQL on a machine, with a certificate of its own and a way to it from this machine. */
export class PostgresMachine extends pulumi.ComponentResource {
  /** Holds the data. */
  readonly service: PostgresService;
  /** Leads to the server. */
  readonly tunnel: Tunnel;
  /** Of its certificate, PEM. */
  readonly certificateAuthority: pulumi.Output<string>;
  /** Where its packages are from: the distribution, or the repository's name. */
  readonly origin: pulumi.Output<string>;

  constructor(name: string, args: PostgresMachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:PostgresMachine", name, {}, opts);
    const { plan, connection } = args;
    const within = { parent: this };
    const { components, ...source } = plan.repository;
    const repository = new AptRepository(
      `${name}-repository`,
      { connection, ...source, components: [...components] },
      within,
    );
    const packages = new AptPackages(
      `${name}-packages`,
      { connection, packages: [...plan.packages] },
      { ...within, dependsOn: repository },
    );
    const authority = new CertificateAuthority(
      `${name}-authority`,
      { commonName: plan.authorityName },
      within,
    );
    const certificate = new Certificate(
      `${name}-certificate`,
      {
        authorityCertificate: authority.certificate,
        authorityPrivateKey: authority.privateKey,
        names: [...plan.certificateNames],
      },
      within,
    );
    const firewall = this.#closePort(name, plan, connection, packages);
    this.service = new PostgresService(
      `${name}-service`,
      {
        connection,
        version: plan.majorVersion,
        cluster: plan.cluster,
        port: plan.port,
        settings: { ...plan.settings },
        hba: plan.hba,
        superuserPassword: args.superuserPassword,
        certificate: certificate.certificate,
        privateKey: certificate.privateKey,
        keepData: plan.keepData,
        ...(plan.memoryMegabytes !== undefined && { memoryMegabytes: plan.memoryMegabytes }),
      },
      // Closed before it is opened.
      { ...within, dependsOn: [packages, ...firewall], protect: args.protect },
    );
    this.tunnel = new Tunnel(
      `${name}-tunnel`,
      { connection, remotePort: plan.port, localPort: plan.tunnelPort },
      { ...within, dependsOn: this.service },
    );
    this.certificateAuthority = authority.certificate;
    this.origin = repository.origin;
    this.registerOutputs({ origin: this.origin });
  }

  #closePort(
    name: string,
    { firewall }: PostgresMachinePlan,
    connection: MachineConnection,
    packages: AptPackages,
  ): pulumi.Resource[] {
    if (firewall === undefined) return [];
    const within = { parent: this, dependsOn: packages };
    const rules = new MachineFile(
      `${name}-firewall-rules`,
      { connection, ...firewall.rules },
      within,
    );
    const { content, enabled, active } = firewall.unit;
    return [
      new SystemdUnit(
        `${name}-firewall`,
        {
          connection,
          name: firewall.unit.name,
          content,
          enabled,
          active,
          restartOn: { rules: sha256(firewall.rules.content) },
          reloadOn: {},
        },
        { parent: this, dependsOn: rules },
      ),
    ];
  }
}
