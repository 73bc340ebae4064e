import * as pulumi from "@pulumi/pulumi";

import { ATTEMPT_LABEL } from "../migration-attempt.ts";

/** What Pulumi's state says of this stack before the deployment. Values may be secret. */
export interface RecordedStack {
  readonly topology: string | undefined;
  /** The data of a PostgreSQL server of the stack's own. */
  readonly database:
    { readonly majorVersion: string | undefined; readonly url: string | undefined } | undefined;
  /** The one-shot container of the last migration. */
  readonly migration: { readonly attempt: number; readonly succeeded: boolean } | undefined;
}

interface RecordedResource {
  readonly type: string;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Types of the resources that hold the data of a server of the stack's own. */
const dataTypes: readonly string[] = ["litellm:host:PostgresCluster", "docker:index/volume:Volume"];

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
  const { topology, versions, databaseUrl } = (resources.find(
    ({ type }) => type === "pulumi:pulumi:Stack",
  )?.outputs ?? {}) as {
    topology?: string;
    versions?: { postgresql?: string };
    databaseUrl?: string;
  };
  return {
    topology: topology ?? deriveTopology(resources),
    database: hasData
      ? {
          majorVersion: versions?.postgresql,
          url: databaseUrl ?? (find("gateway-database")?.outputs["url"] as string | undefined),
        }
      : undefined,
    migration: describeMigration(find("gateway-proxy-migration")),
  };
}

function describeMigration(container: RecordedResource | undefined): RecordedStack["migration"] {
  if (container === undefined) return undefined;
  const { labels, exitCode } = container.outputs as {
    labels?: readonly { readonly label: string; readonly value: string }[];
    exitCode?: number;
  };
  const attempt = labels?.find(({ label }) => label === ATTEMPT_LABEL)?.value;
  return { attempt: Number(attempt ?? 1), succeeded: exitCode === 0 };
}

/** From what is there, when no deployment has ended. */
function deriveTopology(resources: readonly RecordedResource[]): string | undefined {
  if (resources.some(({ type }) => type === "litellm:index:DockerHost")) return "single-host";
  return resources.some(({ type }) => type.startsWith("litellm:host:")) ? "local" : undefined;
}
