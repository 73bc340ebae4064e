import { directory } from "./directory.ts";
import { file } from "./file.ts";
import { databaseMigration } from "./litellm-migration.ts";
import { postgresCluster } from "./postgres-cluster.ts";
import { prismaClient } from "./prisma-client.ts";
import { hostProcess } from "./process.ts";
import { pythonEnvironment } from "./python-environment.ts";
import type { ResourceDefinition } from "./resource.ts";
import { saltKey } from "./salt-key.ts";

/** Every resource that the provider plugin serves. */
export const resources = [
  databaseMigration,
  directory,
  file,
  hostProcess,
  postgresCluster,
  prismaClient,
  pythonEnvironment,
  saltKey,
] as readonly unknown[] as readonly ResourceDefinition[];
