import { CERTIFICATE_AUTHORITY_FILE, CONFIGURATION_FOLDER } from "./configuration-folder.ts";
import type { ContainerPlan } from "./container-plan.ts";
import type { ManagedDatabaseSettings } from "../settings/database-settings.ts";
import { planExternalDatabase } from "./external-database-plan.ts";
import { DOCKER_HOST_NAME } from "../hosts.ts";
import type { DockerDatabasePlan, ManagedDatabasePlan } from "./plan.ts";
import type { Settings } from "../settings/settings.ts";

/** Inside the container. */
const POSTGRES_PORT = 5432;
const SUPERUSER = "postgres";

export interface DockerDatabaseContext {
  /** What the names of all that is made on the Docker host begin with. */
  readonly prefix: string;
  /** Networks that a server of the stack's own is on. */
  readonly networks: ContainerPlan["networks"];
  /** Where this machine reaches the server: a published port, or the container itself. */
  readonly access:
    { readonly kind: "port"; readonly host: string } | { readonly kind: "container" };
  /** Role that the proxies log in with; undefined: the one that owns what is in the database. */
  readonly login: string | undefined;
  readonly maxConnections: number;
}

/** The database of proxies in containers: in a container of its own, on a server that exists, or none. */
export function planDockerDatabase(
  { database }: Settings,
  context: DockerDatabaseContext,
): DockerDatabasePlan {
  switch (database.kind) {
    case "managed":
      return planManagedDatabase(database, context);
    case "external":
      return planExternalDatabase(database, {
        adminHost: database.host === DOCKER_HOST_NAME ? "127.0.0.1" : database.host,
        login: context.login,
        certificateAuthorityFile: `${CONFIGURATION_FOLDER}/${CERTIFICATE_AUTHORITY_FILE}`,
      });
    case "url":
    case "none":
      return { kind: database.kind };
    case "embedded":
    case "machine":
      // Refused among the settings, with the kinds that there are.
      throw new Error(`containers have no database of kind ${database.kind}`);
    default:
      return database satisfies never;
  }
}

function planManagedDatabase(
  database: ManagedDatabaseSettings,
  context: DockerDatabaseContext,
): ManagedDatabasePlan {
  const { access, login, prefix } = context;
  const container = planPostgres(database, context);
  return {
    kind: "managed",
    name: database.name,
    role: database.role,
    login,
    admin: {
      host: access.kind === "port" ? access.host : undefined,
      port: access.kind === "port" ? database.port : POSTGRES_PORT,
      user: SUPERUSER,
      isSuperuser: true,
      database: "postgres",
      sslmode: "disable",
      certificateAuthorityFile: undefined,
    },
    // The stack's own network, on one machine.
    proxy: { host: container.name, port: POSTGRES_PORT, parameters: { sslmode: "disable" } },
    server: {
      majorVersion: database.version,
      volume: `${prefix}-postgresql`,
      keepVolume: database.keepVolume,
      container,
    },
  };
}

function planPostgres(
  database: ManagedDatabaseSettings,
  { access, maxConnections, networks, prefix }: DockerDatabaseContext,
): ContainerPlan {
  const { version, memoryMegabytes } = database;
  return {
    name: `${prefix}-postgresql`,
    image: database.image ?? `postgres:${version}`,
    entrypoint: undefined,
    command: [
      "postgres",
      ...formatParameters({
        cluster_name: prefix,
        max_connections: String(maxConnections),
        password_encryption: "scram-sha-256",
        // A quarter of the memory: https://www.postgresql.org/docs/current/runtime-config-resource.html
        shared_buffers: `${Math.floor(memoryMegabytes / 4)}MB`,
      }),
    ],
    variables: {
      POSTGRES_USER: SUPERUSER,
      // Passwords for local connections as well: without these the image's pg_hba trusts them.
      POSTGRES_HOST_AUTH_METHOD: "scram-sha-256",
      POSTGRES_INITDB_ARGS:
        "--auth-local=scram-sha-256 --auth-host=scram-sha-256 --encoding=UTF8 --locale=C",
    },
    secretVariables: { POSTGRES_PASSWORD: "superuserPassword" },
    labels: {},
    networks,
    ports:
      access.kind === "port"
        ? [{ address: database.address, port: database.port, containerPort: POSTGRES_PORT }]
        : [],
    volumes: [
      {
        volume: `${prefix}-postgresql`,
        // From 18 on the image keeps each major version in a folder of its own below this one.
        folder: version >= 18 ? "/var/lib/postgresql" : "/var/lib/postgresql/data",
        readOnly: false,
      },
    ],
    temporaryFolders: { "/tmp": 64, "/var/run/postgresql": 1 },
    // PostgreSQL reaps its children itself, and root without CAP_KILL could not pass it the stop signal.
    init: false,
    // The entry point makes the data its own and then becomes the user postgres.
    capabilities: ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"],
    cpus: database.cpus,
    memoryMegabytes,
    // Parallel queries exchange their rows there.
    sharedMemoryMegabytes: Math.floor(memoryMegabytes / 4),
    service: {
      // By TCP: while the image initialises the data, its server listens on a socket only.
      probe: ["pg_isready", "--host=127.0.0.1", `--username=${SUPERUSER}`, "--quiet"],
      intervalSeconds: 10,
      timeoutSeconds: 5,
      retries: 3,
      readyDeadlineSeconds: 120,
    },
    // Fast shutdown: running transactions are rolled back, nothing committed is lost.
    stopSignal: "SIGINT",
    stopGraceSeconds: 90,
  };
}

function formatParameters(parameters: Readonly<Record<string, string>>): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
