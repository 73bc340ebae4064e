import { requireText } from "../required-text.ts";
import { planAccess } from "./access-plan.ts";
import type { Check } from "./checks.ts";
import type { ExistingDeploymentSettings } from "../settings/deployment-settings.ts";
import { planMachine } from "./machine.ts";
import type { Circumstances, ExistingPlan } from "./plan.ts";
import type { Settings } from "../settings/settings.ts";

/** What access can be managed with. Nothing is asked of a model: all of them may cost money. */
const CHECKS: readonly Check[] = [
  { kind: "live" },
  { kind: "ready", database: "connected" },
  { kind: "admin" },
];

export function planExisting(
  settings: Settings,
  deployment: ExistingDeploymentSettings,
  { stack, files }: Circumstances,
): ExistingPlan {
  const { url, certificateAuthorityFile, connectAddress, machine } = deployment;
  return {
    topology: "existing",
    stack,
    protect: false,
    discardsDatabase: false,
    proxyUrl: url.replace(/\/+$/, ""),
    uiUsername: undefined,
    logs: {},
    versions: {},
    connections: undefined,
    access: planAccess(settings),
    connectAddress,
    certificateAuthority:
      certificateAuthorityFile === undefined
        ? undefined
        : requireText(files, certificateAuthorityFile),
    machine:
      machine === undefined ? undefined : planMachine("gateway", machine, settings.secretNames),
    checks: CHECKS,
  };
}
