import { CONFIG_FILE, renderLitellmFiles } from "../../templates/litellm-files.ts";
import { CERTIFICATE_AUTHORITY_FILE, CONFIGURATION_FOLDER } from "./configuration-folder.ts";
import type { ContainerPlan } from "./container-plan.ts";
import type { DockerDeploymentSettings } from "../settings/deployment-settings.ts";
import { listEdgeSecrets } from "../settings/edge-settings.ts";
import type { Circumstances, ConfigurationVolumePlan } from "./plan.ts";
import {
  planArguments,
  planRedisVariables,
  planSecretVariables,
  planVariables,
} from "./proxy-plan.ts";
import { REDIS_PORT } from "./redis-plan.ts";
import type { Settings } from "../settings/settings.ts";
import { requireText } from "../required-text.ts";
import { sha256 } from "../sha256.ts";

/** Port of the proxy inside its container. */
export const PROXY_PORT = 4000;
const MIGRATION_FILE = "migrate-database.py";
/** For all migrations together: the first ones take a minute, a change of a large table many. */
const MIGRATION_DEADLINE_SECONDS = 1800;
/** What the containers' Python runs of ours, as files of this project. */
export const START_SCRIPT = "templates/sitecustomize.py";
export const MIGRATION_SCRIPT = "templates/migrate-database.py";
export const ADMISSION_SCRIPT = "templates/admit-proxy.py";

/** Project files whose texts the containers of LiteLLM need. */
export function listProxyFiles(settings: Settings): string[] {
  const authorityFile = authorityFileOf(settings);
  return [
    START_SCRIPT,
    MIGRATION_SCRIPT,
    ...(settings.deployment.topology === "traefik" ? [ADMISSION_SCRIPT] : []),
    ...(authorityFile === undefined ? [] : [authorityFile]),
  ];
}

/** Certificate authority of an external database server, relative to the project's folder. */
export function authorityFileOf({ database }: Settings): string | undefined {
  return database.kind === "external" ? database.certificateAuthorityFile : undefined;
}

/** Texts of the files that a proxy reads at its start, by name. */
export function renderProxyFiles(
  settings: Settings,
  { files }: Pick<Circumstances, "files">,
): Record<string, string> {
  return {
    ...renderLitellmFiles(settings, files),
    "sitecustomize.py": requireText(files, START_SCRIPT),
    ...renderAuthority(settings, files),
  };
}

/** Texts of the files that the migration needs, by name; none without a database. */
export function renderMigrationFiles(
  settings: Settings,
  { files }: Pick<Circumstances, "files">,
): Record<string, string> {
  if (settings.database.kind === "none") return {};
  return {
    [MIGRATION_FILE]: requireText(files, MIGRATION_SCRIPT),
    ...renderAuthority(settings, files),
  };
}

function renderAuthority(
  settings: Settings,
  files: Circumstances["files"],
): Record<string, string> {
  const path = authorityFileOf(settings);
  return path === undefined ? {} : { [CERTIFICATE_AUTHORITY_FILE]: requireText(files, path) };
}

/** @param image of LiteLLM: the one that the host of the stack has anyway */
export function planConfiguration(
  volume: string,
  image: string,
  files: Readonly<Record<string, string>>,
): ConfigurationVolumePlan {
  return { volume, container: volume, image, folder: CONFIGURATION_FOLDER, files };
}

/** What all containers of LiteLLM have. */
function planCommon(image: string, configuration: ConfigurationVolumePlan) {
  return {
    image,
    volumes: [{ volume: configuration.volume, folder: CONFIGURATION_FOLDER, readOnly: true }],
    temporaryFolders: { "/tmp": 512 },
    init: true,
    capabilities: [],
    sharedMemoryMegabytes: 64,
    stopSignal: "SIGTERM",
  };
}

const databaseVariable = { DATABASE_URL: "databaseUrl" };

/** The one-shot container that brings the database's schema up to date; none without a database. */
export function planMigration(
  settings: Settings,
  deployment: DockerDeploymentSettings,
  configuration: ConfigurationVolumePlan,
  options: Pick<ContainerPlan, "name" | "networks">,
): ContainerPlan | undefined {
  if (settings.database.kind === "none") return undefined;
  return {
    ...planCommon(deployment.image, configuration),
    ...options,
    entrypoint: ["python3", `${CONFIGURATION_FOLDER}/${MIGRATION_FILE}`],
    command: [],
    variables: {
      ...WRITABLE_PATHS,
      LITELLM_MODE: "PRODUCTION",
      MIGRATION_DEADLINE_SECONDS: String(MIGRATION_DEADLINE_SECONDS),
      ...OFFLINE,
    },
    secretVariables: databaseVariable,
    labels: labelFiles(configuration, [MIGRATION_FILE, CERTIFICATE_AUTHORITY_FILE]),
    ports: [],
    cpus: deployment.cpusPerWorker,
    memoryMegabytes: deployment.memoryMegabytesPerWorker,
    service: undefined,
    stopGraceSeconds: 30,
  };
}

/** A container of the proxy. */
export function planProxyContainer(
  settings: Settings,
  deployment: DockerDeploymentSettings,
  configuration: ConfigurationVolumePlan,
  options: Pick<ContainerPlan, "name" | "networks" | "ports"> & {
    /** Whose Traefik is before it; nothing reaches it around that. */
    readonly traefik: "managed" | "existing" | undefined;
    /** A Redis server of the stack's own. */
    readonly redisHost: string | undefined;
  },
): ContainerPlan {
  const { workers } = deployment;
  const { traefik, redisHost, ...place } = options;
  const redis = planRedisVariables(
    settings,
    redisHost === undefined ? undefined : { host: redisHost, port: REDIS_PORT },
  );
  return {
    ...planCommon(deployment.image, configuration),
    ...place,
    entrypoint: undefined,
    command: planArguments({
      configFile: `${CONFIGURATION_FOLDER}/${CONFIG_FILE}`,
      host: "0.0.0.0",
      port: PROXY_PORT,
      workers,
      // Another worker in the place of one that has requests cuts them.
      recycle: traefik === undefined,
      detailedDebug: settings.detailedDebug,
    }),
    variables: {
      ...WRITABLE_PATHS,
      // For sitecustomize.py.
      PYTHONPATH: CONFIGURATION_FOLDER,
      ...planVariables(settings, { behindProxy: traefik !== undefined }),
      ...redis.variables,
      UI_USERNAME: settings.ui.username,
    },
    secretVariables: {
      ...planSecretVariables(settings, listKeptSecrets(deployment)),
      ...redis.secretVariables,
      ...(settings.database.kind !== "none" && databaseVariable),
    },
    labels: labelFiles(
      configuration,
      Object.keys(configuration.files).filter((file) => file !== MIGRATION_FILE),
    ),
    cpus: deployment.cpusPerWorker * workers,
    memoryMegabytes: deployment.memoryMegabytesPerWorker * workers,
    service: {
      ...(traefik === "existing" ? RETIRABLE : PATIENT),
      readyDeadlineSeconds: 300,
    },
    stopGraceSeconds: settings.requestTimeoutSeconds + 20,
  };
}

/** Secrets that the user has set for others than the proxy. */
function listKeptSecrets(deployment: DockerDeploymentSettings): string[] {
  return [
    ...deployment.docker.registries.map(({ password }) => password),
    ...(deployment.topology === "traefik" ? listEdgeSecrets(deployment) : []),
  ];
}

/** The image has neither curl nor wget. */
const PATIENT = {
  probe: [
    "python3",
    "-c",
    `import urllib.request; urllib.request.urlopen("http://127.0.0.1:${PROXY_PORT}/health/readiness", timeout=4)`,
  ],
  intervalSeconds: 15,
  timeoutSeconds: 5,
  retries: 3,
};

/** In a proxy's container: makes it unhealthy, so that an existing Traefik sends it no more requests. */
const RETIREMENT_FILE = "/tmp/retired";
export const RETIRE_COMMAND = ["python3", "-c", `open("${RETIREMENT_FILE}", "w").close()`];
const READY_FILE = "/tmp/ready";

/**
 * An existing Traefik goes by Docker's word alone. So this fails soon when it is told to; a proxy that was
 * ready once has but to live: readiness fails for a busy one too, and with none left nobody is served.
 */
const RETIRABLE = {
  probe: [
    "python3",
    "-c",
    [
      "import os, sys, urllib.request",
      `os.path.exists("${RETIREMENT_FILE}") and sys.exit(1)`,
      `state = "liveliness" if os.path.exists("${READY_FILE}") else "readiness"`,
      `urllib.request.urlopen(f"http://127.0.0.1:${PROXY_PORT}/health/{state}", timeout=14)`,
      `open("${READY_FILE}", "w").close()`,
    ].join("; "),
  ],
  intervalSeconds: 3,
  timeoutSeconds: 15,
  retries: 3,
};

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
