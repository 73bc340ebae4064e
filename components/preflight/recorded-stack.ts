import * as pulumi from "@pulumi/pulumi";

import { GENERATION_LABEL } from "../../stacks/plan/generation.ts";
import { ATTEMPT_LABEL } from "../migration-attempt.ts";

/** What Pulumi's state says of this stack before the deployment. Values may be secret. */
export interface RecordedStack {
  readonly topology: string | undefined;
  /** The data of a PostgreSQL server of the stack's own. */
  readonly database:
    | {
        readonly majorVersion: string | undefined;
        readonly url: string | undefined;
        /** What stores in it; undefined where only LiteLLM itself does. */
        readonly engine?: string | undefined;
      }
    | undefined;
  /** Keys of `access.keys`, by their names there. */
  readonly virtualKeys: readonly string[];
  /** The one-shot container of the last migration. */
  readonly migration: { readonly attempt: number; readonly succeeded: boolean } | undefined;
  /** Generations of proxies behind Traefik. */
  readonly generations: {
    /** The one that the last rollout has given the traffic. */
    readonly serving: string | undefined;
    /** Names of the proxies' containers, by generation. */
    readonly containers: Readonly<Record<string, readonly string[]>>;
  };
}

interface RecordedResource {
  readonly type: string;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Types of the resources that hold the data of a server of the stack's own. */
const dataTypes: readonly string[] = [
  "litellm:host:PostgresCluster",
  "litellm:ssh:PostgresService",
  "docker:index/volume:Volume",
];

/** Reads the state, which is there after a failed deployment too, when the stack's outputs may be gone. */
export async function readRecordedStack(): Promise<RecordedStack> {
  // The engine's own function behind StackReference; that resource reads the outputs only.
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
    stackName: pulumi.getStack(),
  })) as { outputs: Readonly<Record<string, RecordedResource>> };
  const resources = Object.entries(outputs).map(([urn, resource]) => ({ urn, ...resource }));
  const find = (name: string) => resources.find(({ urn }) => urn.endsWith(`::${name}`));
  const hasData = resources.some(
    ({ urn, type }) => dataTypes.includes(type) && urn.includes("::gateway-database-"),
  );
  const { topology, versions, databaseUrl, operations } = (resources.find(
    ({ type }) => type === "pulumi:pulumi:Stack",
  )?.outputs ?? {}) as {
    topology?: string;
    versions?: { postgresql?: string };
    databaseUrl?: string;
    operations?: { engine?: string };
  };
  return {
    topology: topology ?? deriveTopology(resources),
    database: hasData
      ? {
          majorVersion: versions?.postgresql,
          engine: operations?.engine,
          url: databaseUrl ?? (find("gateway-database")?.outputs["url"] as string | undefined),
        }
      : undefined,
    virtualKeys: resources
      .filter(({ type }) => type === "litellm:access:VirtualKey")
      .map(({ urn }) => urn.replace(/^.*::access-key-/, "")),
    migration: describeMigration(find("gateway-proxy-migration")),
    generations: describeGenerations(resources),
  };
}

function describeGenerations(resources: readonly RecordedResource[]): RecordedStack["generations"] {
  const rollout = resources.find(({ type }) => type === "litellm:docker:Rollout")?.outputs;
  const containers: Record<string, string[]> = {};
  for (const { type, outputs } of resources) {
    if (type !== "docker:index/container:Container") continue;
    const { name, labels } = outputs as unknown as RecordedContainer;
    const generation = labels?.find(({ label }) => label === GENERATION_LABEL)?.value;
    if (generation !== undefined) (containers[generation] ??= []).push(name);
  }
  // A rollout that failed has the new generation among its inputs, and those that serve among its outputs.
  const { serving = [] } = (rollout ?? {}) as { readonly serving?: readonly string[] };
  return {
    serving: Object.keys(containers).find((generation) =>
      containers[generation]?.some((name) => serving.includes(name)),
    ),
    containers,
  };
}

interface RecordedContainer {
  readonly name: string;
  readonly labels?: readonly { readonly label: string; readonly value: string }[];
}

function describeMigration(container: RecordedResource | undefined): RecordedStack["migration"] {
  if (container === undefined) return undefined;
  const { labels, exitCode } = container.outputs as unknown as RecordedContainer & {
    readonly exitCode?: number;
  };
  const attempt = labels?.find(({ label }) => label === ATTEMPT_LABEL)?.value;
  return { attempt: Number(attempt ?? 1), succeeded: exitCode === 0 };
}

/** From what is there, when no deployment has ended. */
function deriveTopology(resources: readonly RecordedResource[]): string | undefined {
  if (resources.some(({ type }) => type === "litellm:index:ProxyGeneration")) return "traefik";
  if (resources.some(({ type }) => type === "litellm:index:DockerHost")) return "single-host";
  return resources.some(({ type }) => type.startsWith("litellm:host:")) ? "local" : undefined;
}
