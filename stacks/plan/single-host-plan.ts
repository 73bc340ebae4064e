import { planConnections } from "./connection-budget.ts";
import { planContainersBase, planDockerHost, planLabels, planPrefix } from "./containers-plan.ts";
import type { SingleHostDeploymentSettings } from "../settings/deployment-settings.ts";
import { planDockerDatabase } from "./docker-database-plan.ts";
import { formatHost } from "../hosts.ts";
import type { Circumstances, SingleHostPlan } from "./plan.ts";
import { applyProfile } from "./profile.ts";
import {
  planConfiguration,
  planMigration,
  planProxyContainer,
  PROXY_PORT,
  renderMigrationFiles,
  renderProxyFiles,
} from "./proxy-containers-plan.ts";
import type { Settings } from "../settings/settings.ts";

export function planSingleHost(
  given: Settings,
  deployment: SingleHostDeploymentSettings,
  circumstances: Circumstances,
): SingleHostPlan {
  const settings = applyProfile(given, deployment.profile);
  const { docker, image, workers } = deployment;
  const { stack } = circumstances;
  const prefix = planPrefix(deployment, circumstances);
  const network = prefix;
  const connections =
    "connectionLimit" in settings.database
      ? planConnections(workers, settings.database.connectionLimit)
      : undefined;
  const database = planDockerDatabase(settings, {
    prefix,
    networks: [{ name: network, alias: "postgresql" }],
    access: { kind: "port", host: docker.hostname },
    login: undefined,
    maxConnections: connections?.total ?? 0,
  });
  const configuration = planConfiguration(`${prefix}-configuration`, image, {
    ...renderProxyFiles(settings, circumstances),
    ...renderMigrationFiles(settings, circumstances),
  });
  const container = planProxyContainer(settings, deployment, configuration, {
    name: `${prefix}-proxy`,
    networks: [{ name: network, alias: "litellm" }],
    ports: [
      {
        address: deployment.proxyAddress,
        port: deployment.proxyPort,
        containerPort: PROXY_PORT,
      },
    ],
    traefik: undefined,
    redisHost: undefined,
  });
  return {
    topology: "single-host",
    ...planContainersBase(settings, deployment, { circumstances, database, connections }),
    proxyUrl: `http://${formatHost(docker.hostname)}:${deployment.proxyPort}`,
    logs: {
      proxy: `docker logs ${container.name}`,
      ...(database.kind === "managed" && {
        database: `docker logs ${database.server.container.name}`,
      }),
    },
    docker: planDockerHost(deployment),
    labels: planLabels(stack, prefix),
    network,
    proxy: {
      configuration,
      migration: planMigration(settings, deployment, configuration, {
        name: `${prefix}-migration`,
        networks: [{ name: network, alias: "migration" }],
      }),
      container,
    },
    database,
  };
}
