import { listLitellmSources } from "../../templates/litellm-files.ts";
import {
  type ExistingDeploymentSettings,
  isOnDockerHost,
} from "../settings/deployment-settings.ts";
import { listEdgeFiles } from "../settings/edge-settings.ts";
import { listGatewayMachineSources } from "./gateway-machine-plan.ts";
import { listIncludedFiles } from "../settings/includes.ts";
import { authorityFileOf, listProxyFiles } from "./proxy-containers-plan.ts";
import type { Settings } from "../settings/settings.ts";

/** A file whose text the plan needs, relative to the project's folder. */
export interface RequiredFile {
  readonly path: string;
  /** Setting that names it; undefined for a file of the toolkit's own. */
  readonly setting: string | undefined;
}

/** Files whose texts the plan needs. */
export function listRequiredFiles(settings: Settings): RequiredFile[] {
  const { deployment } = settings;
  const authorityFile = authorityFileOf(settings);
  const included = listIncludedFiles(settings);
  return [
    ...(isOnDockerHost(deployment) ? listProxyFiles(settings) : []).map((path) => ({
      path,
      setting: path === authorityFile ? "database.certificateAuthorityFile" : undefined,
    })),
    ...(deployment.topology === "traefik" ? listEdgeFiles(deployment) : []).map((path) => ({
      path,
      setting: "deployment.certificates",
    })),
    ...(deployment.topology === "two-vm" ? listGatewayMachineSources(settings) : []).map(
      (path) => ({
        path,
        setting: path === authorityFile ? "database.certificateAuthorityFile" : undefined,
      }),
    ),
    ...(deployment.topology === "existing" ? listAuthorityFile(deployment) : []).map((path) => ({
      path,
      setting: "deployment.certificateAuthorityFile",
    })),
    ...listLitellmSources(settings).map((path) => ({
      path,
      setting: included.includes(path) ? "includes" : undefined,
    })),
  ];
}

function listAuthorityFile({ certificateAuthorityFile }: ExistingDeploymentSettings): string[] {
  return certificateAuthorityFile === undefined ? [] : [certificateAuthorityFile];
}
