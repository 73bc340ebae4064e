import type { Container as DockerContainer } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";

import type { ContainerPlan } from "../stacks/plan/container-plan.ts";
import { type ContainerOptions, createContainer } from "./container.ts";
import { ATTEMPT_LABEL } from "./migration-attempt.ts";
import { quoteLog } from "./quoted-log.ts";

export interface MigrationOptions extends ContainerOptions {
  /** Another number runs the migration again. */
  readonly attempt: number;
}

/** Migrates the database in a container that runs to its end. Returns `done`, or the `up` fails. */
export function migrateDatabase(
  name: string,
  plan: ContainerPlan,
  options: MigrationOptions,
): pulumi.Output<string> {
  const labels = { ...options.labels, [ATTEMPT_LABEL]: String(options.attempt) };
  const container = createContainer(name, plan, { ...options, labels });
  return assertMigrated(container, options.secrets["databaseUrl"]);
}

/** Docker takes a command that failed for one that ended: here it stops the deployment, before the proxy. */
function assertMigrated(
  container: DockerContainer,
  databaseUrl: pulumi.Input<string> | undefined,
): pulumi.Output<string> {
  return pulumi.unsecret(
    pulumi
      .all([container.exitCode, container.containerLogs, databaseUrl ?? ""])
      .apply(([exitCode, logs, url]) => {
        if (exitCode === 0) return "done";
        throw new pulumi.RunError(
          `the database migration ended with exit code ${exitCode}; the proxy was not touched:\n` +
            `${quoteLog(logs, [url])}\n` +
            "mend the cause and run `pulumi up`, which runs it again",
        );
      }),
  );
}
