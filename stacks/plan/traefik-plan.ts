import type { CheckedEdge } from "./checks.ts";
import { CONFIGURATION_FOLDER } from "./configuration-folder.ts";
import { planOverlappingConnections } from "./connection-budget.ts";
import type { ContainerPlan } from "./container-plan.ts";
import { planContainersBase, planDockerHost, planLabels, planPrefix } from "./containers-plan.ts";
import type { TraefikDeploymentSettings } from "../settings/deployment-settings.ts";
import { planDockerDatabase } from "./docker-database-plan.ts";
import { type EdgePlan, planEdge, planEdgeLabels } from "./edge-plan.ts";
import { GENERATION_LABEL, nameGeneration } from "./generation.ts";
import { nameLogin } from "./login-role.ts";
import type {
  Circumstances,
  NetworkPlan,
  ProxyGenerationPlan,
  RedisContainerPlan,
  TraefikPlan,
} from "./plan.ts";
import { applyProfile } from "./profile.ts";
import {
  ADMISSION_SCRIPT,
  planConfiguration,
  planMigration,
  planProxyContainer,
  PROXY_PORT,
  renderMigrationFiles,
  renderProxyFiles,
} from "./proxy-containers-plan.ts";
import { findMock } from "./proxy-plan.ts";
import { planRedis } from "./redis-plan.ts";
import { requireText } from "../required-text.ts";
import type { Settings } from "../settings/settings.ts";

/** From readiness on: a proxy that cannot be used by then will not be. */
const ADMISSION_DEADLINE_SECONDS = 120;

export function planTraefik(
  given: Settings,
  deployment: TraefikDeploymentSettings,
  circumstances: Circumstances,
): TraefikPlan {
  const settings = applyProfile(given, deployment.profile);
  const { stack } = circumstances;
  const { replicas, workers } = deployment;
  const prefix = planPrefix(deployment, circumstances);
  const networks = planNetworks(deployment);
  const connections =
    "connectionLimit" in settings.database
      ? planOverlappingConnections(workers, settings.database.connectionLimit, replicas)
      : undefined;
  const database = planDockerDatabase(settings, {
    prefix,
    networks: [attach(networks.internal, "postgresql")],
    access: { kind: "container" },
    login: nameLogin(settings, circumstances),
    maxConnections: connections?.total ?? 0,
  });
  const redis =
    settings.redis.kind === "managed"
      ? planRedis(settings.redis, { prefix, networks: [attach(networks.internal, "redis")] })
      : undefined;
  const edgeOptions = {
    prefix,
    network: networks.web.name,
    requestTimeoutSeconds: settings.requestTimeoutSeconds,
    proxyPort: PROXY_PORT,
    files: circumstances.files,
  };
  const proxies = planProxies(settings, deployment, circumstances, {
    prefix,
    networks,
    redis,
    labels: planEdgeLabels(deployment, edgeOptions),
  });
  const edge = planEdge(deployment, {
    ...edgeOptions,
    servers: proxies.containers.map(({ name }) => `http://${name}:${PROXY_PORT}`),
  });
  return {
    topology: "traefik",
    ...planContainersBase(settings, deployment, {
      circumstances,
      database,
      connections,
      checked: { edge: describeEdge(edge) },
    }),
    proxyUrl: edge.url,
    logs: {
      proxy: `docker logs ${proxies.containers[0]?.name ?? ""}`,
      ...(edge.kind === "managed" && { traefik: `docker logs ${edge.container.name}` }),
      ...(database.kind === "managed" && {
        database: `docker logs ${database.server.container.name}`,
      }),
      ...(redis !== undefined && { redis: `docker logs ${redis.container.name}` }),
    },
    docker: planDockerHost(deployment),
    labels: planLabels(stack, prefix),
    networks,
    proxies,
    database,
    redis,
    edge,
    connectAddress: deployment.docker.hostname,
  };
}

/** What is seen of it from this machine. */
function describeEdge(edge: EdgePlan): CheckedEdge {
  const { hosts, issuer, hstsSeconds, httpPort, admin } = edge;
  const isRestricted = admin.sourceRanges.length > 0 || admin.basicAuth;
  return {
    hosts,
    issuer,
    hstsSeconds,
    httpPort,
    // Whether this machine is among the source ranges is not known: its address may be changed on the way.
    refused: !isRestricted
      ? []
      : admin.paths.map((path) =>
          admin.sourceRanges.length > 0
            ? { path, status: 403, mayBeAllowed: true }
            : { path, status: 401 },
        ),
    management: !isRestricted ? "allowed" : admin.basicAuth ? "refused" : "unknown",
  };
}

function planNetworks({ networks }: TraefikDeploymentSettings): TraefikPlan["networks"] {
  const { web, internal } = networks;
  return {
    web: { name: web.name, isExisting: web.existing, isInternal: false },
    internal: {
      name: internal.name,
      isExisting: internal.existing,
      isInternal: !internal.existing,
    },
  };
}

/** On a network that others use as well, a short name might be theirs. */
function attach(
  { name, isExisting }: NetworkPlan,
  alias: string,
): ContainerPlan["networks"][number] {
  return { name, alias: isExisting ? undefined : alias };
}

function planProxies(
  settings: Settings,
  deployment: TraefikDeploymentSettings,
  circumstances: Circumstances,
  options: {
    readonly prefix: string;
    readonly networks: TraefikPlan["networks"];
    readonly redis: RedisContainerPlan | undefined;
    readonly labels: Readonly<Record<string, string>>;
  },
): ProxyGenerationPlan {
  const { files, fingerprints, generations } = circumstances;
  const { prefix, networks, labels } = options;
  const { image, replicas } = deployment;
  const hasDatabase = settings.database.kind !== "none";
  const attached = [
    attach(networks.internal, "litellm"),
    { name: networks.web.name, alias: undefined },
  ];
  const texts = {
    ...renderProxyFiles(settings, circumstances),
    "admit-proxy.py": requireText(files, ADMISSION_SCRIPT),
  };
  const plan = (generation: string): Pick<ProxyGenerationPlan, "configuration" | "containers"> => {
    const volume = `${prefix}-configuration-${generation}`;
    const configuration = planConfiguration(volume, image, texts);
    const container = planProxyContainer(settings, deployment, configuration, {
      name: `${prefix}-proxy-${generation}`,
      networks: attached,
      ports: [],
      traefik: deployment.traefik.kind,
      redisHost: options.redis?.container.name,
    });
    return {
      configuration,
      containers: Array.from({ length: replicas }, (_, index) => ({
        ...container,
        name: `${container.name}-${index + 1}`,
        labels: { ...container.labels, ...labels, [GENERATION_LABEL]: generation },
      })),
    };
  };
  const blueprint = plan("");
  const secretNames = new Set(
    blueprint.containers.flatMap(({ secretVariables }) => Object.values(secretVariables)),
  );
  if (hasDatabase) secretNames.add("databasePassword");
  const generation = nameGeneration(
    [blueprint, [...secretNames].sort().map((name) => [name, fingerprints[name]])],
    generations,
  );
  const migrationFiles = planConfiguration(
    `${prefix}-migration`,
    image,
    renderMigrationFiles(settings, circumstances),
  );
  const migration = planMigration(settings, deployment, migrationFiles, {
    name: `${prefix}-migration-step`,
    networks: [
      { name: networks.internal.name, alias: undefined },
      // The way to a server elsewhere.
      { name: networks.web.name, alias: undefined },
    ],
  });
  const chatModel = findMock(settings, "chat");
  return {
    generation,
    ...plan(generation),
    migration: migration && { configuration: migrationFiles, container: migration },
    admission: {
      command: [
        ...["python3", `${CONFIGURATION_FOLDER}/admit-proxy.py`],
        ...(hasDatabase ? ["--database"] : []),
        // It gives up in time to say why.
        `--deadline=${ADMISSION_DEADLINE_SECONDS - 10}`,
        ...(chatModel === undefined ? [] : ["--model", chatModel]),
      ],
      deadlineSeconds: ADMISSION_DEADLINE_SECONDS,
    },
  };
}
