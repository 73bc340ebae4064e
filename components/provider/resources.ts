import { containerFile } from "./docker/container-file.ts";
import { rollout } from "./docker/rollout.ts";
import { directory } from "./host/directory.ts";
import { file } from "./host/file.ts";
import { databaseMigration } from "./litellm/database-migration.ts";
import { postgresCluster } from "./host/postgres-cluster.ts";
import { prismaClient } from "./litellm/prisma-client.ts";
import { hostProcess } from "./host/process.ts";
import { pythonEnvironment } from "./host/python-environment.ts";
import type { ResourceDefinition } from "./resource.ts";
import { saltKey } from "./litellm/salt-key.ts";
import { certificateAuthority } from "./tls/certificate-authority.ts";
import { certificate } from "./tls/certificate.ts";

/** Every resource that the provider plugin serves. */
export const resources = [
  certificate,
  certificateAuthority,
  containerFile,
  databaseMigration,
  directory,
  file,
  hostProcess,
  postgresCluster,
  prismaClient,
  pythonEnvironment,
  rollout,
  saltKey,
] as readonly unknown[] as readonly ResourceDefinition[];
