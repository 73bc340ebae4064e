import { execFileSync } from "node:child_process";
import { join } from "node:path";

import type { DockerHostPlan } from "../stacks/plan/plan.ts";

/** Where an engine is, and the folder with the certificates to reach it by TLS. */
type EngineLocation = Pick<DockerHostPlan, "host" | "certificateFolder">;

/**
 * The engine of a Docker context where one is named. Docker's provider would take a context's address
 * without its certificates, and know none but those in ~/.docker.
 *
 * @throws Error that says what is wrong with the context
 */
export function locateEngine({ host, certificateFolder, context }: DockerHostPlan): EngineLocation {
  if (context === undefined) return { host, certificateFolder };
  const { Endpoints, TLSMaterial, Storage } = inspectContext(context);
  return {
    host: Endpoints.docker.Host,
    certificateFolder:
      certificateFolder ??
      (TLSMaterial.docker === undefined ? undefined : join(Storage.TLSPath, "docker")),
  };
}

/** What `docker context inspect` tells. */
interface InspectedContext {
  readonly Endpoints: { readonly docker: { readonly Host: string } };
  readonly TLSMaterial: { readonly docker?: readonly string[] };
  readonly Storage: { readonly TLSPath: string };
}

const inspected = new Map<string, InspectedContext>();

function inspectContext(context: string): InspectedContext {
  const known = inspected.get(context);
  if (known !== undefined) return known;
  const command = ["context", "inspect", "--format", "{{json .}}", context];
  let text: string;
  try {
    text = execFileSync("docker", command, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stderr = "", code } = error as { stderr?: string; code?: string };
    const reason =
      code === "ENOENT" ? "the docker command, which knows it, is not installed" : stderr.trim();
    throw new Error(
      `Docker context ${context} cannot be read (${reason}); see which there are: docker context ls`,
      { cause: error },
    );
  }
  const result = JSON.parse(text) as InspectedContext;
  inspected.set(context, result);
  return result;
}
