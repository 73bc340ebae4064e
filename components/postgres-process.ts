import * as pulumi from "@pulumi/pulumi";

import type { EmbeddedDatabasePlan } from "../stacks/plan/plan.ts";
import { formatDatabaseUrl } from "./database-url.ts";
import { File, PostgresCluster, Process } from "./resources.ts";
import { sha256 } from "../stacks/sha256.ts";

export interface PostgresProcessArgs {
  readonly plan: EmbeddedDatabasePlan;
  readonly protect: boolean;
  readonly superuserPassword: pulumi.Input<string>;
  readonly parent: pulumi.Resource;
}

/** Starts PostgreSQL as a process of this machine, on a data directory of its own. */
export function startPostgres(name: string, args: PostgresProcessArgs) {
  const { parent, protect, superuserPassword } = args;
  const { admin, server } = args.plan;
  const user = server.serverUser === undefined ? {} : { user: server.serverUser };
  const cluster = new PostgresCluster(
    `${name}-cluster`,
    {
      dataDirectory: server.dataDirectory,
      distribution: server.distribution,
      majorVersion: server.majorVersion,
      superuser: admin.user,
      superuserPassword,
      ...user,
    },
    { parent, protect },
  );
  const configuration = new File(
    `${name}-configuration`,
    { path: server.configurationFile, content: server.configuration },
    { parent },
  );
  const hba = new File(`${name}-hba`, { path: server.hbaFile, content: server.hba }, { parent });
  const process = new Process(
    `${name}-server`,
    {
      name: server.processName,
      command: [
        `${server.distribution}/bin/postgres`,
        `-D`,
        server.dataDirectory,
        `--config-file=${server.configurationFile}`,
        `--hba-file=${server.hbaFile}`,
      ],
      port: server.port,
      readiness: {
        kind: "postgresql",
        url: pulumi
          .output(superuserPassword)
          .apply((password) =>
            formatDatabaseUrl({ ...admin, name: admin.database, user: admin.user, password }),
          ),
      },
      // Fast shutdown: running transactions are rolled back, nothing committed is lost.
      stopSignal: "SIGINT",
      restartOn: { configuration: sha256(server.configuration), hba: sha256(server.hba) },
      logFile: server.logFile,
      ...user,
    },
    { parent, dependsOn: [cluster, configuration, hba] },
  );
  return { data: cluster, server: process };
}
