import { z } from "zod";

import { image } from "./image.ts";
import { Machine } from "./machine-settings.ts";
import type { DeepReadonly } from "./models.ts";
import { boolean, integer, ipAddress, number, port } from "./scalars.ts";

const identifier = z.string().regex(
  // PostgreSQL's own databases, its superuser and everything in pg_ are taken.
  /^(?!pg_|postgres$|template[01]$)[a-z_][a-z0-9_]{0,62}$/,
  "must be a free PostgreSQL name: small letters, digits and _, at most 63, not starting with a digit or pg_",
);

const connectionLimit = integer({ min: 1, max: 1000 })
  .default(10)
  .meta({
    description:
      "Connections that each worker opens at most: LiteLLM's `database_connection_pool_limit`.",
    examples: [10],
  });

/** What is made for the proxy on a server that we may administer. */
const prepared = {
  name: identifier
    .default("litellm")
    .meta({ description: "Name of the database. Changing it replaces the database." }),
  role: identifier.default("litellm").meta({ description: "Role that the proxy logs in with." }),
  connectionLimit,
};

const EmbeddedDatabase = z.strictObject({
  kind: z.literal("embedded").default("embedded").meta({
    description: "A PostgreSQL server of this stack's own, as a process. With topology `local`.",
  }),
  port: port()
    .default(5433)
    .meta({ description: "Port of PostgreSQL on 127.0.0.1.", examples: [5433] }),
  ...prepared,
});

const ManagedDatabase = z.strictObject({
  kind: z.literal("managed").meta({
    description:
      "A PostgreSQL server of this stack's own, in a container. With topology `single-host`.",
  }),
  version: integer({ min: 14, max: 18 })
    .default(16)
    .meta({ description: "Major version of PostgreSQL. Data does not follow a change by itself." }),
  image: image()
    .optional()
    .meta({
      description: "Image of PostgreSQL of that version. Default: `postgres:<version>`.",
      examples: ["postgres:16.14-bookworm"],
    }),
  address: ipAddress().default("127.0.0.1").meta({
    description:
      "Address of the Docker host that the port is published on; the deployment makes role and database through it.",
  }),
  port: port()
    .default(5433)
    .meta({ description: "Port of PostgreSQL on the Docker host.", examples: [5433] }),
  ...prepared,
  cpus: number({ above: 0 }).default(1).meta({ description: "CPUs that PostgreSQL may use." }),
  memoryMegabytes: integer({ min: 256 })
    .default(1024)
    .meta({ description: "Memory that PostgreSQL may use, in MiB; a quarter is its buffer." }),
  keepVolume: boolean().default(true).meta({
    description: "Leave the volume with the data where it is when the stack is destroyed.",
  }),
});

const MachineDatabase = z.strictObject({
  kind: z.literal("machine").meta({
    description: "A PostgreSQL server of this stack's own, on a machine. With topology `two-vm`.",
  }),
  machine: Machine.meta({
    description: "The machine that PostgreSQL runs on.",
    examples: [{ address: "192.168.10.19", ssh: { user: "deploy" } }],
  }),
  version: integer({ min: 15, max: 18 }).default(17).meta({
    description:
      "Major version of PostgreSQL: of the distribution where it has it, else of postgresql.org.",
  }),
  port: port()
    .default(5432)
    .meta({ description: "Port of PostgreSQL.", examples: [5432] }),
  listenEverywhere: boolean().default(false).meta({
    description:
      "Listen on all addresses of the machine, rather than on its own and the loopback only.",
  }),
  name: identifier
    .default("litellm_db")
    .meta({ description: "Name of the database. Changing it replaces the database." }),
  role: identifier.default("litellm_user").meta({
    description: "Role that owns what the proxy stores; it logs in by another that is a member.",
  }),
  connectionLimit,
  memoryMegabytes: integer({ min: 256 }).optional().meta({
    description: "Memory that PostgreSQL is tuned for, in MiB. Default: all of the machine's.",
  }),
  tunnelPort: port().optional().meta({
    description:
      "Port of this machine on which PostgreSQL is administered, through SSH. Default: one that follows from the stack's name.",
  }),
  engine: z
    .enum(["prisma", "sqlalchemy", "both"])
    .default("prisma")
    .meta({
      description:
        "What stores: LiteLLM itself (keys, teams, spend), the toolkit's request log with static keys, or both.",
      examples: ["prisma", "both"],
    }),
  firewall: z.enum(["none", "nftables"]).default("none").meta({
    description: "Let only the gateway's machine reach PostgreSQL's port, by nftables as well.",
  }),
  keepData: boolean().default(true).meta({
    description: "Leave PostgreSQL's data and settings where they are when the stack is destroyed.",
  }),
});

const ExternalDatabase = z.strictObject({
  kind: z.literal("external").meta({
    description:
      "A PostgreSQL server that exists: the stack makes a database and a role on it. Needs the secret `databaseAdminPassword`.",
  }),
  host: z
    .string()
    .min(1)
    .meta({
      description:
        "Host of the server, as the proxy reaches it; the Docker host itself is `host.docker.internal`.",
      examples: ["postgres.example.com"],
    }),
  port: integer({ min: 1, max: 65535 }).default(5432).meta({ description: "Port of the server." }),
  adminHost: z.string().min(1).optional().meta({
    description: "Host of the server, as this machine reaches it, where that is another name.",
  }),
  adminPort: integer({ min: 1, max: 65535 })
    .optional()
    .meta({ description: "Port of the server, as this machine reaches it. Default: `port`." }),
  adminUser: z.string().min(1).default("postgres").meta({
    description: "Role that may make databases and roles; used by the deployment only.",
  }),
  adminIsSuperuser: boolean().default(true).meta({
    description:
      "Whether `adminUser` is a superuser; with most managed services it is not. Then it needs CREATEDB, CREATEROLE and, to drop the database, `pg_signal_backend`.",
  }),
  adminDatabase: z
    .string()
    .min(1)
    .default("postgres")
    .meta({ description: "Database that `adminUser` logs in to." }),
  sslmode: z.enum(["disable", "require", "verify-full"]).default("require").meta({
    description:
      "TLS to the server: none, encrypted, or encrypted with the certificate and host name checked.",
  }),
  certificateAuthorityFile: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        "PEM file with the certificate authority of the server, relative to the project's folder; for `verify-full`.",
      examples: ["certificates/postgres-ca.pem"],
    }),
  ...prepared,
});

const UrlDatabase = z.strictObject({
  kind: z.literal("url").meta({
    description:
      "A database that exists, by its URL alone: the secret `databaseUrl`. Nothing is made on its server but LiteLLM's tables.",
  }),
  connectionLimit,
});

const NoDatabase = z.strictObject({
  kind: z.literal("none").meta({
    description: "No database: the master key is the only key. One can be added later.",
  }),
  discardExisting: boolean().default(false).meta({
    description: "Lose the keys and teams of a database that the stack had before.",
  }),
});

/** Where keys, teams and spend are stored; a variant for each kind. */
export const Database = z.discriminatedUnion("kind", [
  EmbeddedDatabase,
  ManagedDatabase,
  MachineDatabase,
  ExternalDatabase,
  UrlDatabase,
  NoDatabase,
]);

export type DatabaseSettings = DeepReadonly<z.output<typeof Database>>;
export type EmbeddedDatabaseSettings = Extract<DatabaseSettings, { kind: "embedded" }>;
export type ManagedDatabaseSettings = Extract<DatabaseSettings, { kind: "managed" }>;
export type MachineDatabaseSettings = Extract<DatabaseSettings, { kind: "machine" }>;
export type ExternalDatabaseSettings = Extract<DatabaseSettings, { kind: "external" }>;

/** Whether LiteLLM stores keys, teams and spend itself, by Prisma. */
export function usesPrisma(database: DatabaseSettings): boolean {
  if (database.kind === "machine") return database.engine !== "sqlalchemy";
  return database.kind !== "none";
}

/** Whether requests are logged to tables of the toolkit's own. */
export function hasRequestLog(database: DatabaseSettings): boolean {
  return database.kind === "machine" && database.engine !== "prisma";
}
