/**
 * The resources of our own provider plugin, as a program declares them. Only types are
 * imported from their definitions: those run in the plugin, never in the program.
 */
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";

import type { containerFile } from "./provider/docker/container-file.ts";
import type { rollout } from "./provider/docker/rollout.ts";
import type { directory } from "./provider/host/directory.ts";
import type { file } from "./provider/host/file.ts";
import type { databaseMigration } from "./provider/litellm/database-migration.ts";
import type { postgresCluster } from "./provider/host/postgres-cluster.ts";
import type { prismaClient } from "./provider/litellm/prisma-client.ts";
import type { hostProcess } from "./provider/host/process.ts";
import type { pythonEnvironment } from "./provider/host/python-environment.ts";
import type { saltKey } from "./provider/litellm/salt-key.ts";
import type { certificateAuthority } from "./provider/tls/certificate-authority.ts";
import type { certificate } from "./provider/tls/certificate.ts";

/** A value whose every part may be the output of another resource. */
type DeepInput<T> = unknown extends T
  ? unknown
  : pulumi.Input<{ [Key in keyof T]: DeepInput<T[Key]> }>;

/** What a program gives for a definition's inputs: those with a default may be left out. */
export type Args<Definition extends { readonly inputs: z.ZodType }> = {
  readonly [Key in keyof z.input<Definition["inputs"]>]: DeepInput<
    z.input<Definition["inputs"]>[Key]
  >;
};

export type DirectoryArgs = Args<typeof directory>;

/** A folder on this machine. Deleting it deletes what is in it. */
export class Directory extends pulumi.CustomResource {
  /** Absolute, or relative to the project's folder. Changing it replaces the folder. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: DirectoryArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:host:Directory", name, { mode: undefined, ...args }, opts);
  }
}

export type FileArgs = Args<typeof file>;

/**
 * A text file on this machine, always written as a whole. Missing folders are made, and stay
 * when it is deleted. A file that is there already is not overwritten but refused: remove or
 * import it. Give secret content as a secret, and a mode such as `0600` with it.
 */
export class File extends pulumi.CustomResource {
  /** Absolute, or relative to the project's folder. Changing it replaces the file. */
  declare readonly path: pulumi.Output<string>;
  declare readonly content: pulumi.Output<string>;
  /** Permissions, octal. Default: `0644`. */
  declare readonly mode: pulumi.Output<string>;

  constructor(name: string, args: FileArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:host:File", name, { mode: undefined, ...args }, opts);
  }
}

export type SaltKeyArgs = Args<typeof saltKey>;

/**
 * LiteLLM's salt key. It never changes: another value is refused, because what the database
 * stores could not be read any more.
 */
export class SaltKey extends pulumi.CustomResource {
  /** The key itself, secret. */
  declare readonly value: pulumi.Output<string>;
  /** First 12 hexadecimal digits of its SHA-256: tells two keys apart and betrays neither. */
  declare readonly fingerprint: pulumi.Output<string>;

  constructor(name: string, args: SaltKeyArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:index:SaltKey",
      name,
      { value: pulumi.secret(args.value), fingerprint: undefined },
      opts,
    );
  }
}

export type ProcessArgs = Args<typeof hostProcess>;

/**
 * A server on this machine, detached from the deployment that started it. It exists once it is
 * ready; a change of what it was started with restarts it, and `up` starts it again when it died.
 */
export class Process extends pulumi.CustomResource {
  declare readonly pid: pulumi.Output<number>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(name: string, args: ProcessArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { pid: undefined, startTime: undefined, running: undefined };
    super("litellm:host:Process", name, { ...args, ...outputs }, opts);
  }
}

export type PostgresClusterArgs = Args<typeof postgresCluster>;

/**
 * A PostgreSQL data directory: UTF8, C collation, data checksums, SCRAM-SHA-256 for everybody.
 * Deleting it deletes the data: protect it.
 */
export class PostgresCluster extends pulumi.CustomResource {
  declare readonly dataDirectory: pulumi.Output<string>;

  constructor(name: string, args: PostgresClusterArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:host:PostgresCluster",
      name,
      { ...args, superuserPassword: pulumi.secret(args.superuserPassword) },
      opts,
    );
  }
}

export type PythonEnvironmentArgs = Args<typeof pythonEnvironment>;

/** A Python environment made by uv that holds exactly the packages of a lock with hashes. */
export class PythonEnvironment extends pulumi.CustomResource {
  /** Path of its interpreter. */
  declare readonly python: pulumi.Output<string>;
  declare readonly pythonVersion: pulumi.Output<string>;
  /** SHA-256 of the lock that is installed. */
  declare readonly installedSha256: pulumi.Output<string>;

  constructor(name: string, args: PythonEnvironmentArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { python: undefined, pythonVersion: undefined, installedSha256: undefined };
    super("litellm:host:PythonEnvironment", name, { ...args, ...outputs }, opts);
  }
}

export type PrismaClientArgs = Args<typeof prismaClient>;

/** The Python client of LiteLLM's database, and the engine that it runs its queries with. */
export class PrismaClient extends pulumi.CustomResource {
  /** Prisma's own engine, or its WASM build where that cannot be downloaded. */
  declare readonly engine: pulumi.Output<"native" | "wasm">;
  /** Variables that LiteLLM needs to use it; none is a secret. */
  declare readonly environment: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: PrismaClientArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { engineVersion: undefined, environment: undefined, schemaSha256: undefined };
    super("litellm:host:PrismaClient", name, { engine: undefined, ...args, ...outputs }, opts);
  }
}

export type DatabaseMigrationArgs = Args<typeof databaseMigration>;

/** LiteLLM's database schema, brought up to date in one step before any proxy starts. */
export class DatabaseMigration extends pulumi.CustomResource {
  /** How many migrations the database records as applied. */
  declare readonly applied: pulumi.Output<number>;

  constructor(name: string, args: DatabaseMigrationArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { applied: undefined, latest: undefined, pending: undefined };
    super(
      "litellm:host:DatabaseMigration",
      name,
      { ...args, databaseUrl: pulumi.secret(args.databaseUrl), ...outputs },
      opts,
    );
  }
}

export type ContainerFileArgs = Args<typeof containerFile>;

/**
 * A text file in a running container, in a volume as a rule. It is always written as a whole, and
 * without a restart. Give secret content as a secret, and a mode such as `0600` with it.
 */
export class ContainerFile extends pulumi.CustomResource {
  /** Name of the container. Changing it replaces the file. */
  declare readonly container: pulumi.Output<string>;
  /** Absolute path in it. Changing it replaces the file. */
  declare readonly path: pulumi.Output<string>;
  /** Permissions, octal. Default: `0644`. */
  declare readonly mode: pulumi.Output<string>;

  constructor(name: string, args: ContainerFileArgs, opts?: pulumi.CustomResourceOptions) {
    const defaults = { mode: undefined, owner: undefined };
    super("litellm:docker:ContainerFile", name, { ...defaults, ...args }, opts);
  }
}

export type RolloutArgs = Args<typeof rollout>;

/**
 * A generation of proxies that takes the place of the one before without a failed request. It
 * must depend on the new containers; Pulumi then removes the old ones after it.
 */
export class Rollout extends pulumi.CustomResource {
  /** Names of the proxies that requests go to. */
  declare readonly serving: pulumi.Output<string[]>;

  constructor(name: string, args: RolloutArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:docker:Rollout",
      name,
      { revision: undefined, ...args, serving: undefined },
      opts,
    );
  }
}

export type CertificateAuthorityArgs = Args<typeof certificateAuthority>;

/**
 * A certificate authority that lives in the stack's state and nowhere else. It keeps its key when its
 * certificate is renewed; another name replaces it, and nobody trusts the new one yet.
 */
export class CertificateAuthority extends pulumi.CustomResource {
  /** Of the authority, PEM: what clients trust. */
  declare readonly certificate: pulumi.Output<string>;
  /** PEM, secret. */
  declare readonly privateKey: pulumi.Output<string>;
  /** End of its validity, ISO 8601. */
  declare readonly notAfter: pulumi.Output<string>;

  constructor(name: string, args: CertificateAuthorityArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { certificate: undefined, privateKey: undefined, notAfter: undefined };
    super("litellm:tls:CertificateAuthority", name, { ...args, ...outputs }, opts);
  }
}

export type CertificateArgs = Args<typeof certificate>;

/** A server's certificate with a key of its own, made anew by a plain `up` before it ends. */
export class Certificate extends pulumi.CustomResource {
  /** PEM. */
  declare readonly certificate: pulumi.Output<string>;
  /** PEM, secret. */
  declare readonly privateKey: pulumi.Output<string>;
  /** End of its validity, ISO 8601. */
  declare readonly notAfter: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = { certificate: undefined, privateKey: undefined, notAfter: undefined };
    super(
      "litellm:tls:Certificate",
      name,
      { ...args, authorityPrivateKey: pulumi.secret(args.authorityPrivateKey), ...outputs },
      opts,
    );
  }
}
