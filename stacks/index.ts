import * as pulumi from "@pulumi/pulumi";

import { observeCircumstances } from "../components/circumstances.ts";
import { createGateway } from "../components/gateway.ts";
import { chooseAttempt } from "../components/migration-attempt.ts";
import { assertDeployable } from "../components/preflight/preflight.ts";
import { readRecordedStack } from "../components/preflight/recorded-stack.ts";
import { verify } from "../components/verification/verify.ts";
import { loadConfig } from "./config.ts";
import { formatConnections } from "./connection-budget.ts";
import type { StackOutputs } from "./outputs.ts";
import { planDeployment } from "./plan.ts";

export default async (): Promise<StackOutputs> => {
  const { settings, secrets } = loadConfig();
  const plan = planDeployment(settings, observeCircumstances(pulumi.getStack(), settings));
  const recorded = await readRecordedStack();
  await assertDeployable(plan, recorded);
  const migrationAttempt = chooseAttempt(recorded.migration);
  const gateway = await createGateway("gateway", { plan, secrets, migrationAttempt });
  const { masterKey, databaseUrl, prismaEngine } = gateway;
  return {
    topology: plan.topology,
    proxyUrl: gateway.url,
    uiUrl: pulumi.interpolate`${gateway.url}/ui`,
    uiUsername: plan.uiUsername,
    uiPassword: gateway.uiPassword,
    openaiBaseUrl: pulumi.interpolate`${gateway.url}/v1`,
    masterKey,
    recovery: gateway.recovery,
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(plan.connections !== undefined && {
      databaseConnections: formatConnections(plan.connections),
    }),
    clientEnvironment: {
      LITELLM_PROXY_URL: gateway.url,
      LITELLM_PROXY_API_KEY: masterKey,
    },
    logs: plan.logs,
    versions: { ...plan.versions, ...(prismaEngine !== undefined && { prismaEngine }) },
    checks: plan.checks,
    verified: verify(plan, { proxyUrl: gateway.url, masterKey, databaseUrl }),
  };
};
