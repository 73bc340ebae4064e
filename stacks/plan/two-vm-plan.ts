import type { DatabaseToWaitFor } from "../../templates/gateway-unit.ts";
import { planAccess } from "./access-plan.ts";
import { type Check, planChecks } from "./checks.ts";
import { planOverlappingConnections } from "./connection-budget.ts";
import { hasRequestLog, usesPrisma } from "../settings/database-settings.ts";
import type { TwoVmDeploymentSettings } from "../settings/deployment-settings.ts";
import { planExternalDatabase } from "./external-database-plan.ts";
import {
  CERTIFICATE_AUTHORITY_FILE,
  CONFIGURATION_FOLDER,
  LOG_FOLDER,
  planGatewayMachine,
  PROGRAM_FOLDER,
  SERVICE,
  SOCKET,
  STATE_FOLDER,
} from "./gateway-machine-plan.ts";
import { formatHost } from "../hosts.ts";
import { listModelNames } from "../settings/includes.ts";
import litellmKeys from "../settings/litellm-keys.json" with { type: "json" };
import { nameLogin } from "./login-role.ts";
import { planMachineChecks } from "./machine-checks.ts";
import type { OperationsPlan } from "./operations.ts";
import type { Circumstances, ConnectionBudget, TwoVmPlan } from "./plan.ts";
import { planMachineDatabase } from "./postgres-machine-plan.ts";
import { applyProfile } from "./profile.ts";
import { findMock, readBatchSeconds } from "./proxy-plan.ts";
import type { Settings } from "../settings/settings.ts";

export function planTwoVm(
  given: Settings,
  deployment: TwoVmDeploymentSettings,
  circumstances: Circumstances,
): TwoVmPlan {
  const settings = applyProfile(given, deployment.profile);
  const { stack } = circumstances;
  const { database: stored, staticKeys } = settings;
  const connections =
    "connectionLimit" in stored
      ? // A reload starts new workers beside the old ones, and the request log of each has one more.
        planOverlappingConnections(
          deployment.workers,
          stored.connectionLimit + (hasRequestLog(stored) ? 1 : 0),
          1,
        )
      : undefined;
  const database = planDatabase(settings, deployment, circumstances, connections?.total ?? 0);
  const gateway = planGatewayMachine(
    settings,
    deployment,
    circumstances,
    describeServer(database, usesPrisma(stored)),
  );
  const operations: OperationsPlan = {
    gateway: {
      unit: SERVICE,
      socket: SOCKET,
      timers: gateway.furtherUnits
        .map(({ name }) => name)
        .filter((name) => name.endsWith(".timer")),
      user: "litellm",
      program: PROGRAM_FOLDER,
      configuration: CONFIGURATION_FOLDER,
      logs: LOG_FOLDER,
      state: STATE_FOLDER,
      address: deployment.proxyAddress ?? deployment.machine.address,
      port: deployment.proxyPort,
    },
    database:
      database.kind === "machine" && stored.kind === "machine"
        ? {
            unit: `postgresql@${stored.version}-${database.server.cluster}.service`,
            version: stored.version,
            cluster: database.server.cluster,
            port: stored.port,
            name: stored.name,
            role: stored.role,
            hbaFile: `/etc/postgresql/${stored.version}/${database.server.cluster}/pg_hba.conf`,
            configurationFile: `/etc/postgresql/${stored.version}/${database.server.cluster}/conf.d/litellm.conf`,
            address: stored.machine.address,
          }
        : undefined,
    engine: stored.kind === "machine" ? stored.engine : stored.kind === "none" ? "none" : "prisma",
    hasRequestLog: hasRequestLog(stored),
    staticKeys: Object.entries(staticKeys).map(([alias, { models }]) => ({ alias, models })),
  };
  return {
    topology: "two-vm",
    stack,
    protect: deployment.protect,
    discardsDatabase: stored.kind === "none" && stored.discardExisting,
    proxyUrl: `http://${formatHost(deployment.machine.address)}:${deployment.proxyPort}`,
    uiUsername: settings.ui.username,
    logs: {
      proxy: `npm run logs -- ${stack} gateway`,
      ...(database.kind === "machine" && { database: `npm run logs -- ${stack} database` }),
    },
    versions: {
      litellm: litellmKeys.version,
      ...(stored.kind === "machine" && { postgresql: String(stored.version) }),
    },
    connections,
    access: planAccess(settings),
    gateway,
    database,
    operations,
    checks: planTwoVmChecks(settings, operations, circumstances, connections),
  };
}

function planTwoVmChecks(
  settings: Settings,
  operations: OperationsPlan,
  { files }: Circumstances,
  connections: ConnectionBudget | undefined,
): Check[] {
  const { database: stored, cache, callbacks, staticKeys, litellmSettings } = settings;
  const chatModel = findMock(settings, "chat");
  const models = listModelNames(settings, files);
  const isCounting = callbacks.some(({ kind }) => kind === "prometheus");
  const isOpen = litellmSettings["require_auth_for_metrics_endpoint"] === false;
  return [
    ...planChecks({
      database: usesPrisma(stored) ? (stored.kind === "url" ? "unreachable" : "reachable") : "none",
      connections: stored.kind === "external" ? connections?.used : undefined,
      models,
      offersUnregistered: settings.allowNonRegisteredModels,
      chatModel,
      embeddingModel: findMock(settings, "embedding"),
      spendLogSeconds: readBatchSeconds(settings),
      cache: cache.enabled ? cache.mode : undefined,
      hasStaticKeys: operations.hasRequestLog,
    }),
    ...planMachineChecks(operations, {
      models,
      chatModel,
      spendLogSeconds: readBatchSeconds(settings),
      metrics: isCounting ? (isOpen ? "open" : "with-key") : "none",
      staticKeys: Object.entries(staticKeys).map(([alias, { models: own, expires }]) => ({
        alias,
        models: own,
        expires,
      })),
    }),
  ];
}

/** What must be there before the proxy starts. */
function describeServer(
  database: TwoVmPlan["database"],
  isRequired: boolean,
): DatabaseToWaitFor | undefined {
  if (database.kind !== "machine" && database.kind !== "external") return undefined;
  const { name, login, role, proxy } = database;
  const { host, port, parameters } = proxy;
  return {
    host,
    port,
    database: name,
    user: login ?? role,
    caFile: parameters["sslcert"],
    isRequired,
  };
}

function planDatabase(
  { database, secretNames }: Settings,
  deployment: TwoVmDeploymentSettings,
  circumstances: Circumstances,
  maxConnections: number,
): TwoVmPlan["database"] {
  const login = nameLogin({ database }, circumstances);
  switch (database.kind) {
    case "machine":
      return planMachineDatabase(database, {
        stack: circumstances.stack,
        gatewayAddress: deployment.machine.address,
        maxConnections,
        login,
        certificateAuthorityFile: CERTIFICATE_AUTHORITY_FILE,
        secretNames,
      });
    case "external":
      return planExternalDatabase(database, {
        adminHost: database.host,
        login,
        certificateAuthorityFile: CERTIFICATE_AUTHORITY_FILE,
      });
    case "url":
    case "none":
      return { kind: database.kind };
    case "embedded":
    case "managed":
      // Refused among the settings, with the kinds that there are.
      throw new Error(`machines have no database of kind ${database.kind}`);
    default:
      return database satisfies never;
  }
}
