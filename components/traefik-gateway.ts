import * as pulumi from "@pulumi/pulumi";

import { GENERATION_LABEL } from "../stacks/plan/generation.ts";
import type { TraefikPlan } from "../stacks/plan/plan.ts";
import { RETIRE_COMMAND } from "../stacks/plan/proxy-containers-plan.ts";
import { writeConfiguration } from "./configuration-volume.ts";
import { createContainerServices } from "./container-services.ts";
import type { DockerHost } from "./docker-host.ts";
import type { Gateway, GatewayArgs } from "./gateway.ts";
import { migrateDatabase } from "./migration.ts";
import { ProxyGeneration } from "./proxy-generation.ts";
import { runRedis } from "./redis-container.ts";
import { Rollout } from "./resources.ts";
import { Traefik } from "./traefik.ts";

/** From Docker's verdict on a proxy until an existing Traefik has acted on it, in seconds. */
const LABELS_SETTLE_SECONDS = 5;

/** A gateway of containers on one Docker host, behind Traefik. */
export class TraefikGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly data: pulumi.Resource | undefined;
  readonly docker: DockerHost;
  readonly prismaEngine = undefined;
  readonly certificateAuthority: pulumi.Output<string> | undefined;

  constructor(
    name: string,
    args: GatewayArgs<TraefikPlan>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const { secrets, host, databaseUrl, data, proxySecrets } = createContainerServices(
      name,
      args,
      this,
    );
    const traefik =
      plan.edge.kind === "managed"
        ? new Traefik(
            `${name}-traefik`,
            { plan: plan.edge, host, secrets: args.secrets },
            { parent: this },
          )
        : undefined;
    const redis =
      plan.redis === undefined || secrets.redisPassword === undefined
        ? undefined
        : runRedis(`${name}-redis`, {
            plan: plan.redis,
            host,
            redisPassword: secrets.redisPassword,
            parent: this,
          });
    const { proxies } = plan;
    const generation = new ProxyGeneration(
      `${name}-proxy-${proxies.generation}`,
      {
        plan: proxies,
        host,
        secrets: proxySecrets,
        migrated: this.#migrate(`${name}-proxy`, args, host, proxySecrets),
        dependsOn: redis === undefined ? [] : [redis],
      },
      { parent: this },
    );
    const rollout = new Rollout(
      `${name}-rollout`,
      {
        engine: host.engine,
        generation: proxies.generation,
        proxies: proxies.containers.map((container) => container.name),
        labels: { ...plan.labels },
        generationLabel: GENERATION_LABEL,
        readyDeadlineSeconds: proxies.containers[0]?.service?.readyDeadlineSeconds ?? 300,
        stopGraceSeconds: proxies.containers[0]?.stopGraceSeconds ?? 600,
        admission: {
          command: [...proxies.admission.command],
          deadlineSeconds: proxies.admission.deadlineSeconds,
        },
        edge: describeEdge(plan),
        // Another container of the same name has not been seen yet.
        revision: Object.fromEntries(
          generation.containers.map((container, index) => [String(index + 1), container.id]),
        ),
      },
      {
        parent: this,
        dependsOn: [...generation.containers, ...(traefik === undefined ? [] : traefik.ready)],
        customTimeouts: { create: "1h", update: "26h" },
      },
    );

    this.url = rollout.serving.apply(() => plan.proxyUrl);
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = databaseUrl;
    this.data = data;
    this.docker = host;
    this.certificateAuthority = traefik?.certificateAuthority;
    this.registerOutputs({ url: this.url });
  }

  #migrate(
    name: string,
    { plan, migrationAttempt: attempt }: GatewayArgs<TraefikPlan>,
    host: DockerHost,
    secrets: Readonly<Record<string, pulumi.Input<string>>>,
  ): pulumi.Output<string> | undefined {
    const { migration } = plan.proxies;
    if (migration === undefined) return undefined;
    const files = writeConfiguration(
      `${name}-migration-files`,
      migration.configuration,
      host,
      this,
    );
    return migrateDatabase(`${name}-migration`, migration.container, {
      host,
      secrets,
      parent: this,
      dependsOn: [files],
      attempt,
    });
  }
}

function describeEdge({ edge }: TraefikPlan) {
  switch (edge.kind) {
    case "managed":
      return {
        kind: "file" as const,
        container: edge.container.name,
        path: edge.routes.path,
        content: edge.routes.content,
        service: edge.routes.service,
        servers: [...edge.routes.servers],
        apiUrl: edge.routes.apiUrl,
      };
    case "existing":
      return {
        kind: "labels" as const,
        retireCommand: [...RETIRE_COMMAND],
        settleSeconds: LABELS_SETTLE_SECONDS,
      };
    default:
      return edge satisfies never;
  }
}
