import { budget } from "./access/budget.ts";
import { credential } from "./access/credential.ts";
import { model } from "./access/model.ts";
import { teamMember } from "./access/team-member.ts";
import { team } from "./access/team.ts";
import { unmanaged } from "./access/unmanaged.ts";
import { user } from "./access/user.ts";
import { virtualKey } from "./access/virtual-key.ts";
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
import { aptPackages } from "./ssh/apt-packages.ts";
import { aptRepository } from "./ssh/apt-repository.ts";
import { directory as machineDirectory } from "./ssh/directory.ts";
import { file as machineFile } from "./ssh/file.ts";
import { hostKey } from "./ssh/host-key.ts";
import { job } from "./ssh/job.ts";
import { postgresService } from "./ssh/postgres-service.ts";
import { machinePrismaClient } from "./ssh/prisma-client.ts";
import { machinePythonEnvironment } from "./ssh/python-environment.ts";
import { systemUser } from "./ssh/system-user.ts";
import { systemdUnit } from "./ssh/systemd-unit.ts";
import { tunnel } from "./ssh/tunnel.ts";
import { certificateAuthority } from "./tls/certificate-authority.ts";
import { certificate } from "./tls/certificate.ts";

/** Every resource that the provider plugin serves. */
export const resources = [
  aptPackages,
  aptRepository,
  budget,
  certificate,
  certificateAuthority,
  containerFile,
  credential,
  databaseMigration,
  directory,
  file,
  hostKey,
  hostProcess,
  job,
  machineDirectory,
  machineFile,
  machinePrismaClient,
  machinePythonEnvironment,
  model,
  postgresCluster,
  postgresService,
  prismaClient,
  pythonEnvironment,
  rollout,
  saltKey,
  systemUser,
  systemdUnit,
  team,
  teamMember,
  tunnel,
  unmanaged,
  user,
  virtualKey,
] as readonly unknown[] as readonly ResourceDefinition[];
