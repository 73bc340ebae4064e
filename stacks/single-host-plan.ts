import { renderLitellmConfig } from "../templates/litellm-config.ts";
import { planChecks } from "./checks.ts";
import { planConnections } from "./connection-budget.ts";
import type { ContainerPlan } from "./container-plan.ts";
import type { ExternalDatabaseSettings, ManagedDatabaseSettings } from "./database-settings.ts";
import type { SingleHostDeploymentSettings } from "./deployment-settings.ts";
import { DOCKER_HOST_NAME, formatHost } from "./hosts.ts";
import { parseImage } from "./image.ts";
import type {
  Circumstances,
  ConfigurationVolumePlan,
  ConnectionBudget,
  ExternalDatabasePlan,
  ManagedDatabasePlan,
  ProxyContainerPlan,
  SingleHostPlan,
} from "./plan.ts";
import { applyProfile } from "./profile.ts";
import { findMock, planArguments, planSecretVariables, planVariables } from "./proxy-plan.ts";
import type { Settings } from "./settings.ts";
import { sha256 } from "./sha256.ts";

/** Where a container finds the files of the stack. */
const CONFIGURATION_FOLDER = "/etc/litellm";
const CONFIG_FILE = "litellm-config.yaml";
const CERTIFICATE_AUTHORITY_FILE = "database-ca.pem";
/** Ports inside the containers. */
const PROXY_PORT = 4000;
const POSTGRES_PORT = 5432;
const SUPERUSER = "postgres";
/** For all migrations together: the first ones take a minute, a change of a large table many. */
const MIGRATION_DEADLINE_SECONDS = 1800;
/** What the containers' Python runs of ours, as files of this project. */
export const START_SCRIPT = "templates/sitecustomize.py";
export const MIGRATION_SCRIPT = "templates/migrate-database.py";

export function planSingleHost(
  given: Settings,
  deployment: SingleHostDeploymentSettings,
  circumstances: Circumstances,
): SingleHostPlan {
  const settings = applyProfile(given, deployment.profile);
  const { database } = settings;
  const { docker, workers } = deployment;
  const { stack } = circumstances;
  const prefix = deployment.namePrefix ?? `litellm-${stack}`;
  const connections =
    "connectionLimit" in database ? planConnections(workers, database.connectionLimit) : undefined;
  const proxy = planProxy(settings, deployment, circumstances, prefix);
  const plannedDatabase = planDatabase(settings, deployment, prefix, connections);
  return {
    topology: "single-host",
    stack,
    protect: deployment.protect,
    discardsDatabase: settings.database.kind === "none" && settings.database.discardExisting,
    proxyUrl: `http://${formatHost(docker.hostname)}:${deployment.proxyPort}`,
    uiUsername: settings.ui.username,
    logs: {
      proxy: `docker logs ${proxy.container.name}`,
      ...(plannedDatabase.kind === "managed" && {
        database: `docker logs ${plannedDatabase.server.container.name}`,
      }),
    },
    versions: {
      litellm: describeVersion(deployment.image),
      ...(plannedDatabase.kind === "managed" && {
        postgresql: String(plannedDatabase.server.majorVersion),
      }),
    },
    connections,
    docker: {
      host: docker.host,
      context: docker.context,
      certificateFolder: docker.certificateFolder,
      sshOptions: docker.sshOptions,
      registries: docker.registries,
    },
    labels: { "litellm-gateway.stack": stack, "litellm-gateway.prefix": prefix },
    network: prefix,
    proxy,
    database: plannedDatabase,
    checks: planChecks({
      database:
        database.kind === "none" ? "none" : database.kind === "url" ? "unreachable" : "reachable",
      // Of a server of our own the limit is set, and nobody else uses it.
      connections: database.kind === "external" ? connections?.total : undefined,
      models: settings.models.map(({ name }) => name),
      offersUnregistered: settings.allowNonRegisteredModels,
      chatModel: findMock(settings, "chat"),
      embeddingModel: findMock(settings, "embedding"),
      spendLogSeconds: readBatchSeconds(settings),
    }),
  };
}

function describeVersion(image: string): string {
  const parts = parseImage(image);
  return parts?.tag?.replace(/^v(?=\d)/, "") ?? parts?.digest ?? image;
}

function readBatchSeconds({ generalSettings }: Settings): number | undefined {
  const seconds = generalSettings["proxy_batch_write_at"];
  return typeof seconds === "number" ? seconds : undefined;
}

function planProxy(
  settings: Settings,
  deployment: SingleHostDeploymentSettings,
  { files }: Circumstances,
  prefix: string,
): ProxyContainerPlan {
  const { database } = settings;
  const { workers, image, docker } = deployment;
  const authorityFile = authorityFileOf(settings);
  const configuration: ConfigurationVolumePlan = {
    volume: `${prefix}-configuration`,
    container: `${prefix}-configuration`,
    image,
    folder: CONFIGURATION_FOLDER,
    files: {
      [CONFIG_FILE]: renderLitellmConfig(settings),
      "sitecustomize.py": requireFile(files, START_SCRIPT),
      ...(database.kind !== "none" && {
        "migrate-database.py": requireFile(files, MIGRATION_SCRIPT),
      }),
      ...(authorityFile !== undefined && {
        [CERTIFICATE_AUTHORITY_FILE]: requireFile(files, authorityFile),
      }),
    },
  };
  const common = {
    image,
    volumes: [{ volume: configuration.volume, folder: CONFIGURATION_FOLDER, readOnly: true }],
    temporaryFolders: { "/tmp": 512 },
    init: true,
    capabilities: [],
    sharedMemoryMegabytes: 64,
  };
  const databaseVariable = { DATABASE_URL: "databaseUrl" };
  const hasDatabase = database.kind !== "none";
  const migration: ContainerPlan = {
    ...common,
    name: `${prefix}-migration`,
    entrypoint: ["python3", `${CONFIGURATION_FOLDER}/migrate-database.py`],
    command: [],
    variables: {
      ...WRITABLE_PATHS,
      LITELLM_MODE: "PRODUCTION",
      MIGRATION_DEADLINE_SECONDS: String(MIGRATION_DEADLINE_SECONDS),
      ...OFFLINE,
    },
    secretVariables: databaseVariable,
    labels: labelFiles(configuration, ["migrate-database.py", CERTIFICATE_AUTHORITY_FILE]),
    alias: "migration",
    port: undefined,
    cpus: deployment.cpusPerWorker,
    memoryMegabytes: deployment.memoryMegabytesPerWorker,
    service: undefined,
    stopSignal: "SIGTERM",
    stopGraceSeconds: 30,
  };
  return {
    configuration,
    migration: hasDatabase ? migration : undefined,
    container: {
      ...common,
      name: `${prefix}-proxy`,
      entrypoint: undefined,
      command: planArguments({
        configFile: `${CONFIGURATION_FOLDER}/${CONFIG_FILE}`,
        host: "0.0.0.0",
        port: PROXY_PORT,
        workers,
      }),
      variables: {
        ...WRITABLE_PATHS,
        // For sitecustomize.py.
        PYTHONPATH: CONFIGURATION_FOLDER,
        ...planVariables(settings),
        UI_USERNAME: settings.ui.username,
      },
      secretVariables: {
        ...planSecretVariables(
          settings,
          docker.registries.map(({ password }) => password),
        ),
        ...(hasDatabase && databaseVariable),
      },
      labels: labelFiles(configuration, [
        CONFIG_FILE,
        "sitecustomize.py",
        CERTIFICATE_AUTHORITY_FILE,
      ]),
      alias: "litellm",
      port: {
        address: deployment.proxyAddress,
        port: deployment.proxyPort,
        containerPort: PROXY_PORT,
      },
      cpus: deployment.cpusPerWorker * workers,
      memoryMegabytes: deployment.memoryMegabytesPerWorker * workers,
      service: {
        // The image has neither curl nor wget.
        probe: [
          "python3",
          "-c",
          `import urllib.request; urllib.request.urlopen("http://127.0.0.1:${PROXY_PORT}/health/readiness", timeout=4)`,
        ],
        intervalSeconds: 15,
        timeoutSeconds: 5,
        retries: 3,
        readyDeadlineSeconds: 300,
      },
      stopSignal: "SIGTERM",
      stopGraceSeconds: settings.requestTimeoutSeconds + 20,
    },
  };
}

/** The hash of each of these files: another text is another label, and so another container. */
function labelFiles(
  { files }: ConfigurationVolumePlan,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = files[name];
      return text === undefined ? [] : [[`litellm-gateway.${name}`, sha256(text)]];
    }),
  );
}

/** Where LiteLLM writes in an image whose own file system is read-only. */
const WRITABLE_PATHS = { LITELLM_MIGRATION_DIR: "/tmp/litellm-migrations" };

/** The price list of the package, not whatever is newest at start. */
const OFFLINE = { LITELLM_LOCAL_MODEL_COST_MAP: "True" };

/** Files of the project whose texts the plan needs. */
export function listRequiredFiles(settings: Settings): string[] {
  if (settings.deployment.topology !== "single-host") return [];
  const authorityFile = authorityFileOf(settings);
  return [START_SCRIPT, MIGRATION_SCRIPT, ...(authorityFile === undefined ? [] : [authorityFile])];
}

function authorityFileOf({ database }: Settings): string | undefined {
  return database.kind === "external" ? database.certificateAuthorityFile : undefined;
}

function requireFile(files: Readonly<Record<string, string>>, path: string): string {
  const text = files[path];
  if (text === undefined) throw new Error(`the plan needs the text of ${path}`);
  return text;
}

function planDatabase(
  { database }: Settings,
  deployment: SingleHostDeploymentSettings,
  prefix: string,
  connections: ConnectionBudget | undefined,
): SingleHostPlan["database"] {
  switch (database.kind) {
    case "managed":
      return planManagedDatabase(database, deployment, prefix, connections?.total ?? 0);
    case "external":
      return planExternalDatabase(database);
    case "url":
    case "none":
      return { kind: database.kind };
    case "embedded":
      // Refused among the settings, with the kinds that there are.
      throw new Error("a single host has no embedded database");
    default:
      return database satisfies never;
  }
}

function planManagedDatabase(
  database: ManagedDatabaseSettings,
  { docker }: SingleHostDeploymentSettings,
  prefix: string,
  maxConnections: number,
): ManagedDatabasePlan {
  const container = planPostgres(database, prefix, maxConnections);
  return {
    kind: "managed",
    name: database.name,
    role: database.role,
    admin: {
      host: docker.hostname,
      port: database.port,
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
  prefix: string,
  maxConnections: number,
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
    alias: "postgresql",
    port: { address: database.address, port: database.port, containerPort: POSTGRES_PORT },
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

function planExternalDatabase(database: ExternalDatabaseSettings): ExternalDatabasePlan {
  const { host, port, sslmode } = database;
  return {
    kind: "external",
    name: database.name,
    role: database.role,
    admin: {
      host: database.adminHost ?? (host === DOCKER_HOST_NAME ? "127.0.0.1" : host),
      port: database.adminPort ?? port,
      user: database.adminUser,
      isSuperuser: database.adminIsSuperuser,
      database: database.adminDatabase,
      sslmode,
      certificateAuthorityFile: database.certificateAuthorityFile,
    },
    proxy: { host, port, parameters: planTransportSecurity(database) },
  };
}

/** In Prisma's words: it knows no `verify-full`, and checks certificates only when told to. */
function planTransportSecurity({
  sslmode,
  certificateAuthorityFile,
}: ExternalDatabaseSettings): Record<string, string> {
  if (sslmode !== "verify-full") return { sslmode };
  return {
    sslmode: "require",
    sslaccept: "strict",
    ...(certificateAuthorityFile !== undefined && {
      sslcert: `${CONFIGURATION_FOLDER}/${CERTIFICATE_AUTHORITY_FILE}`,
    }),
  };
}
