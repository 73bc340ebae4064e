import { dirname } from "node:path";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { labEnvironment } from "./environment.ts";
import { LAB_FOLDER } from "./folder.ts";

/** On every image that the lab makes: a hash of what it was made from. */
export const IMAGE_LABEL = "litellm-gateway.lab-image";
/** On an image with the name of an official one that no registry could be asked for. */
export const STAND_IN_LABEL = "litellm-gateway.stand-in";
/**
 * On containers, networks and volumes that tests of this checkout make for themselves, and
 * that `npm run lab -- down` removes.
 */
export const LAB_LABEL = `litellm-gateway.lab=${dirname(LAB_FOLDER)}`;

/**
 * Runs `docker` in the lab's environment and returns what it prints.
 *
 * @throws CommandError
 */
export function docker(arguments_: readonly string[], input?: string): Promise<string> {
  return runCommand("docker", arguments_, {
    environment: { ...process.env, ...labEnvironment() },
    ...(input !== undefined && { input }),
  });
}

/** A label of an image; empty where it has none of that name, undefined where there is no such image. */
export async function readImageLabel(image: string, label: string): Promise<string | undefined> {
  const format = `{{ index .Config.Labels "${label}" }}`;
  try {
    return (await docker(["image", "inspect", "--format", format, image])).trim();
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}
