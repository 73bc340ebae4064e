import { dirname } from "node:path/posix";

import { renderGatewaySocket } from "../../templates/gateway-socket.ts";
import { type DatabaseToWaitFor, renderGatewayUnit } from "../../templates/gateway-unit.ts";
import { describeStartSettings } from "../../templates/litellm-config.ts";
import { CONFIG_FILE, renderLitellmFiles } from "../../templates/litellm-files.ts";
import { renderTimedUnit, renderTimerUnit } from "../../templates/timer-unit.ts";
import { hasRequestLog, usesPrisma } from "../settings/database-settings.ts";
import type { TwoVmDeploymentSettings } from "../settings/deployment-settings.ts";
import { REQUIREMENTS_FILE } from "./local-plan.ts";
import { planMachine } from "./machine.ts";
import type { GatewayMachinePlan, MachineFilePlan, MachineUnitPlan } from "./machine-plan.ts";
import type { Circumstances } from "./plan.ts";
import { authorityFileOf } from "./proxy-containers-plan.ts";
import { planRedisVariables, planSecretVariables, planVariables } from "./proxy-plan.ts";
import { listRequestLogFiles, REQUEST_LOG_REQUIREMENTS_FILE } from "./request-log-files.ts";
import { requireText } from "../required-text.ts";
import type { Settings } from "../settings/settings.ts";
import { sha256 } from "../sha256.ts";

const USER = "litellm";
export const PROGRAM_FOLDER = "/opt/litellm";
export const CONFIGURATION_FOLDER = "/etc/litellm";
export const LOG_FOLDER = "/var/log/litellm";
export const STATE_FOLDER = "/var/lib/litellm";
export const SERVICE = "litellm-gateway.service";
export const SOCKET = "litellm-gateway.socket";
const RETENTION = "litellm-request-log-retention";
const SCRIPTS_FOLDER = `${PROGRAM_FOLDER}/bin`;
const PACKAGES_FOLDER = `${PROGRAM_FOLDER}/request-log`;
const ENVIRONMENT_FILE = `${CONFIGURATION_FOLDER}/litellm.env`;
const STATIC_KEYS_FILE = `${CONFIGURATION_FOLDER}/static-keys.json`;
export const CERTIFICATE_AUTHORITY_FILE = `${CONFIGURATION_FOLDER}/database-ca.pem`;
const SPILL_FILE = `${STATE_FOLDER}/request-log.spill`;

/** Programs of the toolkit that run on the machine, by what they need. */
const SCRIPTS = {
  always: ["serve-litellm.py", "reload-litellm.py"],
  withDatabase: ["wait-for-database.py"],
  withPrisma: ["migrate-database.py"],
};

/** Files of the project whose texts {@link planGatewayMachine} needs. */
export function listGatewayMachineSources(settings: Settings): string[] {
  return [
    REQUIREMENTS_FILE,
    ...listScripts(settings).map((name) => `templates/${name}`),
    ...[authorityFileOf(settings)].filter((path) => path !== undefined),
    ...(hasRequestLog(settings.database)
      ? [REQUEST_LOG_REQUIREMENTS_FILE, ...listRequestLogFiles()]
      : []),
  ];
}

function listScripts({ database }: Settings): string[] {
  return [
    ...SCRIPTS.always,
    ...(database.kind === "none" ? [] : SCRIPTS.withDatabase),
    ...(usesPrisma(database) ? SCRIPTS.withPrisma : []),
  ];
}

/** LiteLLM as a hardened service of a machine. */
export function planGatewayMachine(
  settings: Settings,
  deployment: TwoVmDeploymentSettings,
  { files }: Circumstances,
  /** Undefined without a database, and where only its URL tells. */
  databaseToWaitFor: DatabaseToWaitFor | undefined,
): GatewayMachinePlan {
  const { database, requestTimeoutSeconds } = settings;
  const isLogging = hasRequestLog(database);
  const hasPrisma = usesPrisma(database);
  const requirements = [
    requireText(files, REQUIREMENTS_FILE),
    ...(isLogging ? [requireText(files, REQUEST_LOG_REQUIREMENTS_FILE)] : []),
  ].join("\n");
  const requirementsSha256 = sha256(requirements);
  const environmentFolder = `${PROGRAM_FOLDER}/python-${requirementsSha256.slice(0, 12)}`;
  const python = `${environmentFolder}/bin/python`;
  const programs = planPrograms(settings, files);
  const configuration = Object.entries(renderLitellmFiles(settings, files)).map(
    ([path, content]): MachineFilePlan => ({
      path: `${CONFIGURATION_FOLDER}/${path}`,
      content,
      mode: "0640",
      group: USER,
    }),
  );
  const confinement = {
    user: USER,
    group: USER,
    environmentFile: ENVIRONMENT_FILE,
    workingDirectory: STATE_FOLDER,
    readWritePaths: [LOG_FOLDER, STATE_FOLDER],
  };
  return {
    machine: planMachine("gateway", deployment.machine, settings.secretNames),
    packages: ["ca-certificates", "python3"],
    user: USER,
    home: STATE_FOLDER,
    directories: planDirectories([...programs, ...configuration]),
    python: { path: environmentFolder, requirements, requirementsSha256 },
    usesPrisma: hasPrisma,
    programs,
    configuration,
    startSettingsSha256: sha256(describeStartSettings(settings)),
    environment: {
      path: ENVIRONMENT_FILE,
      ...planEnvironment(settings),
    },
    requestLog: isLogging
      ? { parameters: { sslmode: "verify-full", sslrootcert: CERTIFICATE_AUTHORITY_FILE } }
      : undefined,
    staticKeys: isLogging ? planStaticKeys(settings) : undefined,
    certificateAuthority: planAuthority(settings, files),
    migrations: [
      // Prisma begins with an empty database only, so it comes first.
      ...(hasPrisma
        ? [
            {
              name: "migration",
              command: [
                // The service's environment tells LiteLLM to leave the schema alone.
                ...["/usr/bin/env", "--unset=DISABLE_SCHEMA_UPDATE"],
                ...[python, `${SCRIPTS_FOLDER}/migrate-database.py`],
              ],
            },
          ]
        : []),
      ...(isLogging
        ? [
            {
              name: "request-log-migration",
              command: [python, "-m", "litellm_request_log", "migrate"],
            },
          ]
        : []),
    ],
    socket: {
      name: SOCKET,
      content: renderGatewaySocket({
        description: "Port of the LiteLLM gateway",
        service: SERVICE,
        address: deployment.proxyAddress ?? deployment.machine.address,
        port: deployment.proxyPort,
      }),
      enabled: true,
      // The service requires it; by itself it would not start before the service is there.
      active: "as-needed",
    },
    service: {
      name: SERVICE,
      content: renderGatewayUnit({
        description: "LiteLLM gateway",
        ...confinement,
        python,
        scripts: SCRIPTS_FOLDER,
        config: `${CONFIGURATION_FOLDER}/${CONFIG_FILE}`,
        socket: SOCKET,
        workers: deployment.workers,
        stopGraceSeconds: requestTimeoutSeconds + 20,
        waitForDatabase: databaseToWaitFor,
        usesNode: hasPrisma,
      }),
      enabled: true,
      active: true,
    },
    furtherUnits: planRetention(settings, { python, confinement }),
  };
}

function planPrograms(
  settings: Settings,
  files: Readonly<Record<string, string>>,
): MachineFilePlan[] {
  const place = (path: string, source: string): MachineFilePlan => ({
    path,
    content: requireText(files, source),
    mode: "0644",
    group: "root",
  });
  return [
    ...listScripts(settings).map((name) => place(`${SCRIPTS_FOLDER}/${name}`, `templates/${name}`)),
    ...(hasRequestLog(settings.database)
      ? listRequestLogFiles().map((source) =>
          place(`${PACKAGES_FOLDER}/${source.slice("templates/request-log/".length)}`, source),
        )
      : []),
  ];
}

/** What the certificate of the database is checked by. */
function planAuthority(
  settings: Settings,
  files: Readonly<Record<string, string>>,
): GatewayMachinePlan["certificateAuthority"] {
  const path = CERTIFICATE_AUTHORITY_FILE;
  if (settings.database.kind === "machine") return { path, content: undefined };
  const given = authorityFileOf(settings);
  return given === undefined ? undefined : { path, content: requireText(files, given) };
}

/** All folders, outer ones first. */
function planDirectories(files: readonly MachineFilePlan[]): GatewayMachinePlan["directories"] {
  const own = { mode: "0750", owner: USER, group: USER };
  const roots = [
    { path: PROGRAM_FOLDER, mode: "0755", owner: "root", group: "root" },
    { path: CONFIGURATION_FOLDER, mode: "0750", owner: "root", group: USER },
    { path: LOG_FOLDER, ...own },
    { path: STATE_FOLDER, ...own },
  ];
  const inner = new Set<string>();
  for (const { path } of files) {
    for (
      let folder = dirname(path);
      !roots.some((root) => root.path === folder);
      folder = dirname(folder)
    ) {
      inner.add(folder);
    }
  }
  return [
    ...roots,
    ...[...inner]
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      .map((path) => ({ ...requireRoot(roots, path), path })),
  ];
}

function requireRoot<Root extends { readonly path: string }>(
  roots: readonly Root[],
  path: string,
): Root {
  const root = roots.find((each) => path.startsWith(`${each.path}/`));
  if (root === undefined) throw new Error(`${path} is in no folder of the gateway's`);
  return root;
}

function planEnvironment(
  settings: Settings,
): Pick<GatewayMachinePlan["environment"], "variables" | "secretVariables"> {
  const { database, requestLog } = settings;
  const redis = planRedisVariables(settings);
  return {
    variables: {
      ...planVariables(settings),
      ...redis.variables,
      PYTHONUNBUFFERED: "1",
      UI_USERNAME: settings.ui.username,
      ...(hasRequestLog(database) && {
        PYTHONPATH: PACKAGES_FOLDER,
        REQUEST_LOG_BUFFER_ROWS: String(requestLog.bufferRows),
        REQUEST_LOG_SPILL_BYTES: String(requestLog.spillMegabytes * 2 ** 20),
        REQUEST_LOG_SPILL_FILE: SPILL_FILE,
        ...(requestLog.retentionDays !== undefined && {
          REQUEST_LOG_RETENTION_DAYS: String(requestLog.retentionDays),
        }),
        STATIC_KEYS_FILE,
        ...(usesPrisma(database) && { STATIC_KEYS_AND_DATABASE: "1" }),
      }),
    },
    secretVariables: {
      ...planSecretVariables(
        settings,
        Object.values(settings.staticKeys).flatMap(({ secret }) => secret ?? []),
      ),
      ...redis.secretVariables,
    },
  };
}

function planStaticKeys({ staticKeys }: Settings): GatewayMachinePlan["staticKeys"] {
  return {
    path: STATIC_KEYS_FILE,
    keys: Object.entries(staticKeys)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([alias, { models, expires, userId, secret }]) => ({
        alias,
        models,
        expires,
        userId,
        secret,
      })),
  };
}

function planRetention(
  { database, requestLog }: Settings,
  options: {
    readonly python: string;
    readonly confinement: {
      readonly user: string;
      readonly group: string;
      readonly environmentFile: string;
      readonly workingDirectory: string;
      readonly readWritePaths: readonly string[];
    };
  },
): MachineUnitPlan[] {
  if (!hasRequestLog(database) || requestLog.retentionDays === undefined) return [];
  return [
    {
      name: `${RETENTION}.service`,
      content: renderTimedUnit({
        description: "Deletes old rows of LiteLLM's request log",
        ...options.confinement,
        command: [options.python, "-m", "litellm_request_log", "prune"],
      }),
      enabled: false,
      active: "as-needed",
    },
    {
      name: `${RETENTION}.timer`,
      content: renderTimerUnit({
        description: "Deletes old rows of LiteLLM's request log every night",
        service: `${RETENTION}.service`,
        calendar: "*-*-* 03:30:00",
      }),
      enabled: true,
      active: true,
    },
  ];
}
