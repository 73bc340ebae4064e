import { planAccess } from "./access-plan.ts";
import { type CheckedDeployment, planChecks } from "./checks.ts";
import type { DockerDeploymentSettings } from "../settings/deployment-settings.ts";
import { parseImage } from "../settings/image.ts";
import { listModelNames } from "../settings/includes.ts";
import type {
  Circumstances,
  ConnectionBudget,
  DockerDatabasePlan,
  DockerHostPlan,
  PlanBase,
} from "./plan.ts";
import { findMock, readBatchSeconds } from "./proxy-plan.ts";
import type { Settings } from "../settings/settings.ts";

/** What the names of all that is made on the Docker host begin with. */
export function planPrefix(
  { namePrefix }: DockerDeploymentSettings,
  { stack }: Pick<Circumstances, "stack">,
): string {
  return namePrefix ?? `litellm-${stack}`;
}

/** Carried by all that is made on the Docker host: they tell the stack. */
export function planLabels(stack: string, prefix: string): Record<string, string> {
  return { "litellm-gateway.stack": stack, "litellm-gateway.prefix": prefix };
}

export function planDockerHost({ docker }: DockerDeploymentSettings): DockerHostPlan {
  const { host, context, certificateFolder, sshOptions, registries } = docker;
  return { host, context, certificateFolder, sshOptions, registries };
}

/** What a plan of containers has whatever the topology; `checked` tells what only the topology knows. */
export function planContainersBase(
  settings: Settings,
  deployment: DockerDeploymentSettings,
  options: {
    readonly circumstances: Pick<Circumstances, "stack" | "files">;
    readonly database: DockerDatabasePlan;
    readonly connections: ConnectionBudget | undefined;
    readonly checked?: Partial<CheckedDeployment>;
  },
): Pick<
  PlanBase,
  | "stack"
  | "protect"
  | "discardsDatabase"
  | "uiUsername"
  | "versions"
  | "connections"
  | "access"
  | "checks"
> {
  const { database } = settings;
  const { cache } = settings;
  const { connections } = options;
  const { stack, files } = options.circumstances;
  return {
    stack,
    protect: deployment.protect,
    discardsDatabase: database.kind === "none" && database.discardExisting,
    uiUsername: settings.ui.username,
    versions: {
      litellm: describeVersion(deployment.image),
      ...(options.database.kind === "managed" && {
        postgresql: String(options.database.server.majorVersion),
      }),
    },
    connections,
    access: planAccess(settings),
    checks: planChecks({
      database:
        database.kind === "none" ? "none" : database.kind === "url" ? "unreachable" : "reachable",
      // Of a server of our own the limit is set, and nobody else uses it.
      connections: database.kind === "external" ? connections?.used : undefined,
      models: listModelNames(settings, files),
      offersUnregistered: settings.allowNonRegisteredModels,
      chatModel: findMock(settings, "chat"),
      embeddingModel: findMock(settings, "embedding"),
      spendLogSeconds: readBatchSeconds(settings),
      cache: cache.enabled ? cache.mode : undefined,
      ...options.checked,
    }),
  };
}

/** The tag of an image without what only says that it is one. */
function describeVersion(image: string): string {
  const parts = parseImage(image);
  return parts?.tag?.replace(/^v(?=\d)/, "") ?? parts?.digest ?? image;
}
