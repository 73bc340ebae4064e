import * as pulumi from "@pulumi/pulumi";

import { observeCircumstances } from "../components/circumstances.ts";
import { createGateway } from "../components/gateway.ts";
import { chooseAttempt } from "../components/migration-attempt.ts";
import { manageAccess } from "../components/managed-access.ts";
import { describeLostKeys } from "../components/preflight/lost-keys.ts";
import { assertDeployable } from "../components/preflight/preflight.ts";
import { readRecordedStack } from "../components/preflight/recorded-stack.ts";
import { observeGenerations } from "../components/running-generations.ts";
import { verify } from "../components/verification/verify.ts";
import { loadConfig } from "./config.ts";
import { formatConnections } from "./plan/connection-budget.ts";
import type { StackOutputs } from "./outputs.ts";
import { planDeployment } from "./plan/plan.ts";
import { listWarnings } from "./settings/warnings.ts";

export default async (): Promise<StackOutputs> => {
  const { settings, secrets, fingerprints } = await loadConfig();
  const recorded = await readRecordedStack();
  const generations = await observeGenerations(recorded.generations, settings.deployment);
  const circumstances = observeCircumstances(pulumi.getStack(), settings, {
    fingerprints,
    generations,
  });
  for (const warning of listWarnings(settings)) await pulumi.log.warn(warning);
  const plan = planDeployment(settings, circumstances);
  await assertDeployable(plan, recorded, secrets);
  const lostKeys = describeLostKeys(plan, recorded);
  if (lostKeys !== undefined) await pulumi.log.warn(lostKeys);
  const migrationAttempt = chooseAttempt(recorded.migration);
  const gateway = await createGateway("gateway", { plan, secrets, migrationAttempt });
  const { masterKey, databaseUrl, prismaEngine, certificateAuthority } = gateway;
  const connectAddress = "connectAddress" in plan ? plan.connectAddress : undefined;
  const virtualKeys = await manageAccess("access", { plan, gateway, secrets });
  return {
    topology: plan.topology,
    proxyUrl: gateway.url,
    uiUrl: pulumi.interpolate`${gateway.url}/ui`,
    ...(plan.uiUsername !== undefined && { uiUsername: plan.uiUsername }),
    ...(gateway.uiPassword !== undefined && { uiPassword: gateway.uiPassword }),
    openaiBaseUrl: pulumi.interpolate`${gateway.url}/v1`,
    masterKey,
    ...(gateway.recovery !== undefined && { recovery: gateway.recovery }),
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(connectAddress !== undefined && { connectAddress }),
    ...(certificateAuthority !== undefined && { certificateAuthority }),
    ...(plan.connections !== undefined && {
      databaseConnections: formatConnections(plan.connections),
    }),
    clientEnvironment: {
      LITELLM_PROXY_URL: gateway.url,
      LITELLM_PROXY_API_KEY: masterKey,
    },
    logs: plan.logs,
    versions: { ...plan.versions, ...(prismaEngine !== undefined && { prismaEngine }) },
    ...(gateway.machines !== undefined && { machines: pulumi.secret(gateway.machines) }),
    ...(gateway.machine !== undefined && { machine: gateway.machine }),
    ...(gateway.staticKeys !== undefined && { staticKeys: gateway.staticKeys }),
    ...(virtualKeys !== undefined && { virtualKeys }),
    ...(plan.topology === "two-vm" && { operations: plan.operations }),
    checks: plan.checks,
    verified: verify(plan, {
      proxyUrl: gateway.url,
      masterKey,
      databaseUrl,
      connectAddress,
      certificateAuthority,
      machine: gateway.machine,
      ...(plan.topology === "two-vm" && {
        operations: plan.operations,
        machines: gateway.machines,
        staticKeys: gateway.staticKeys,
      }),
    }),
  };
};
