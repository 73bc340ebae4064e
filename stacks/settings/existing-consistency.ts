import type { DeploymentSettings } from "./deployment-settings.ts";
import type { Issue } from "./issue.ts";
import { removeCommand } from "./issue.ts";
import { gatewaySecrets, setSecretCommand } from "./secret-names.ts";

interface ExistingCandidate {
  readonly deployment: DeploymentSettings | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** Whether the gateway is run elsewhere, as far as a deployment says that is not checked yet. */
export function isExisting(deployment: unknown): boolean {
  return (
    typeof deployment === "object" &&
    deployment !== null &&
    "topology" in deployment &&
    deployment.topology === "existing"
  );
}

/**
 * Refuses what describes a gateway, for those who run it decide that.
 *
 * @param settings - known ones that are given, secrets left out
 */
export function refuseForeign(
  settings: readonly string[],
  secretNames: ReadonlySet<string>,
): Issue[] {
  const refused = [
    ...settings.filter((key) => key !== "deployment" && key !== "access"),
    ...[...secretNames].filter((name) => name !== "masterKey" && gatewaySecrets.has(name)),
  ];
  return refused.map((key) => ({
    path: [key],
    message: 'describes a gateway of the stack\'s own, which topology "existing" does not have',
    command: removeCommand([key]),
  }));
}

/** What of the settings of a gateway that is run elsewhere does not fit the others. */
export function checkExisting({ deployment, secretNames }: ExistingCandidate): Issue[] {
  if (deployment?.topology !== "existing") return [];
  const { url, certificateAuthorityFile } = deployment;
  const issues: Issue[] = [];
  if (certificateAuthorityFile !== undefined && url.startsWith("http:")) {
    const path = ["deployment", "certificateAuthorityFile"];
    issues.push({
      path,
      message: `is not used with ${url}, which has no TLS`,
      command: removeCommand(path),
    });
  }
  if (!secretNames.has("masterKey")) {
    issues.push({
      path: ["masterKey"],
      message: `is required with topology "existing": the master key of the gateway at ${url}`,
      command: setSecretCommand("masterKey"),
    });
  }
  return issues;
}
