import * as pulumi from "@pulumi/pulumi";

import { Gateway } from "../components/gateway.ts";
import { observeCircumstances } from "../components/circumstances.ts";
import { assertDeployable } from "../components/preflight.ts";
import { verify } from "../components/verification/verify.ts";
import { loadConfig } from "./config.ts";
import litellmKeys from "./litellm-keys.json" with { type: "json" };
import type { StackOutputs } from "./outputs.ts";
import { planDeployment } from "./plan.ts";

export default async (): Promise<StackOutputs> => {
  const { settings, secrets } = loadConfig();
  const plan = planDeployment(settings, observeCircumstances(pulumi.getStack()));
  await assertDeployable(plan);
  const gateway = new Gateway("gateway", { plan, secrets });
  const { masterKey, databaseUrl } = gateway;
  return {
    proxyUrl: gateway.url,
    uiUrl: pulumi.interpolate`${gateway.url}/ui`,
    uiUsername: plan.proxy.uiUsername,
    uiPassword: gateway.uiPassword,
    openaiBaseUrl: pulumi.interpolate`${gateway.url}/v1`,
    masterKey,
    ...(databaseUrl !== undefined && { databaseUrl }),
    clientEnvironment: {
      LITELLM_PROXY_URL: gateway.url,
      LITELLM_PROXY_API_KEY: masterKey,
    },
    logs: {
      proxy: plan.proxy.logFile,
      ...(plan.database.kind === "embedded" && { database: plan.database.logFile }),
    },
    versions: {
      litellm: litellmKeys.version,
      ...(plan.database.kind === "embedded" && {
        postgresql: String(plan.database.majorVersion),
        prismaEngine: gateway.prismaEngine,
      }),
    },
    checks: plan.checks,
    verified: verify(plan.checks, { proxyUrl: gateway.url, masterKey, databaseUrl }),
  };
};
