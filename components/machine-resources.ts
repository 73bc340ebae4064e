/**
 * The resources of our own provider plugin that are on machines, as a program declares them. Only types
 * are imported from their definitions: those run in the plugin, never in the program.
 */
import * as pulumi from "@pulumi/pulumi";

import type { aptPackages } from "./provider/ssh/apt-packages.ts";
import type { aptRepository } from "./provider/ssh/apt-repository.ts";
import type { directory } from "./provider/ssh/directory.ts";
import type { file } from "./provider/ssh/file.ts";
import type { hostKey } from "./provider/ssh/host-key.ts";
import type { job } from "./provider/ssh/job.ts";
import type { postgresService } from "./provider/ssh/postgres-service.ts";
import type { machinePrismaClient } from "./provider/ssh/prisma-client.ts";
import type { machinePythonEnvironment } from "./provider/ssh/python-environment.ts";
import type { systemUser } from "./provider/ssh/system-user.ts";
import type { systemdUnit } from "./provider/ssh/systemd-unit.ts";
import type { tunnel } from "./provider/ssh/tunnel.ts";
import type { Args } from "./resources.ts";

export type MachineHostKeyArgs = Args<typeof hostKey>;

/** The public host key of a machine, learnt when it is created and kept from then on. */
export class MachineHostKey extends pulumi.CustomResource {
  /** Such as `ssh-ed25519 AAAA…`. */
  declare readonly hostKey: pulumi.Output<string>;

  constructor(name: string, args: MachineHostKeyArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:ssh:HostKey", name, { ...args, hostKey: undefined }, opts);
  }
}

export type MachineFileArgs = Args<typeof file>;

/** A text file on a machine, always written as a whole. Give secret content as a secret. */
export class MachineFile extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly content: pulumi.Output<string>;

  constructor(name: string, args: MachineFileArgs, opts?: pulumi.CustomResourceOptions) {
    const defaults = { mode: undefined, owner: undefined, group: undefined };
    super("litellm:ssh:File", name, { ...defaults, ...args }, opts);
  }
}

export type MachineDirectoryArgs = Args<typeof directory>;

/** A folder on a machine. Deleting it deletes what is in it, if it was made by this resource. */
export class MachineDirectory extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: MachineDirectoryArgs, opts?: pulumi.CustomResourceOptions) {
    const defaults = { mode: undefined, owner: undefined, group: undefined, made: undefined };
    super("litellm:ssh:Directory", name, { ...defaults, ...args }, opts);
  }
}

export type SystemUserArgs = Args<typeof systemUser>;

/** A user of a machine's system, with a group of the same name, that nobody logs in as. */
export class SystemUser extends pulumi.CustomResource {
  constructor(name: string, args: SystemUserArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:ssh:SystemUser", name, { ...args, made: undefined }, opts);
  }
}

export type TunnelArgs = Args<typeof tunnel>;

/** A port of this machine that leads to one of another, through SSH. */
export class Tunnel extends pulumi.CustomResource {
  declare readonly localPort: pulumi.Output<number>;

  constructor(name: string, args: TunnelArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:ssh:Tunnel", name, { remoteHost: undefined, ...args }, opts);
  }
}

export type AptRepositoryArgs = Args<typeof aptRepository>;

/** A signed repository of packages. */
export class AptRepository extends pulumi.CustomResource {
  /** `distribution` where it was not needed, else its name. */
  declare readonly origin: pulumi.Output<string>;

  constructor(name: string, args: AptRepositoryArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:ssh:AptRepository",
      name,
      { ...args, origin: undefined, intact: undefined },
      opts,
    );
  }
}

export type AptPackagesArgs = Args<typeof aptPackages>;

/** Packages of a Debian or Ubuntu machine; deleting it removes those that were not there before. */
export class AptPackages extends pulumi.CustomResource {
  /** Versions by name. */
  declare readonly versions: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: AptPackagesArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { versions: undefined, added: undefined };
    super("litellm:ssh:AptPackages", name, { ...args, ...outputs }, opts);
  }
}

export type PostgresServiceArgs = Args<typeof postgresService>;

/** A PostgreSQL cluster as Debian's service. Deleting it may delete the data: protect it. */
export class PostgresService extends pulumi.CustomResource {
  declare readonly dataDirectory: pulumi.Output<string>;
  declare readonly serverVersion: pulumi.Output<string>;
  /** Another one for another cluster, a new one of the same name too. */
  declare readonly systemIdentifier: pulumi.Output<string>;

  constructor(name: string, args: PostgresServiceArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:ssh:PostgresService",
      name,
      {
        ...args,
        superuserPassword: pulumi.secret(args.superuserPassword),
        privateKey: pulumi.secret(args.privateKey),
        dataDirectory: undefined,
        serverVersion: undefined,
        systemIdentifier: undefined,
      },
      opts,
    );
  }
}

export type SystemdUnitArgs = Args<typeof systemdUnit>;

/** A unit of systemd, and whether it runs. */
export class SystemdUnit extends pulumi.CustomResource {
  constructor(name: string, args: SystemdUnitArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:ssh:SystemdUnit", name, { ...args }, opts);
  }
}

export type MachinePythonEnvironmentArgs = Args<typeof machinePythonEnvironment>;

/** A Python environment on a machine, made by uv, that holds exactly the packages of a lock with hashes. */
export class MachinePythonEnvironment extends pulumi.CustomResource {
  /** Path of its interpreter. */
  declare readonly python: pulumi.Output<string>;
  declare readonly pythonVersion: pulumi.Output<string>;
  /** SHA-256 of the lock that is installed. */
  declare readonly installedSha256: pulumi.Output<string>;

  constructor(
    name: string,
    args: MachinePythonEnvironmentArgs,
    opts?: pulumi.CustomResourceOptions,
  ) {
    const outputs = { python: undefined, pythonVersion: undefined, installedSha256: undefined };
    super("litellm:ssh:PythonEnvironment", name, { ...args, ...outputs }, opts);
  }
}

export type MachinePrismaClientArgs = Args<typeof machinePrismaClient>;

/** The Python client of LiteLLM's database on a machine, and the engine that it runs its queries with. */
export class MachinePrismaClient extends pulumi.CustomResource {
  /** Prisma's own engine, or its WASM build where that cannot be downloaded. */
  declare readonly engine: pulumi.Output<"native" | "wasm">;
  /** Variables that LiteLLM needs to use it; none is a secret. */
  declare readonly environment: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: MachinePrismaClientArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { engineVersion: undefined, environment: undefined, schemaSha256: undefined };
    super("litellm:ssh:PrismaClient", name, { engine: undefined, ...args, ...outputs }, opts);
  }
}

export type JobArgs = Args<typeof job>;

/** A command that a machine runs once, and again when what it depends on changes. */
export class Job extends pulumi.CustomResource {
  constructor(name: string, args: JobArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:ssh:Job", name, { ...args, ranFor: undefined }, opts);
  }
}
