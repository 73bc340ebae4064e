/** The images that tests with Docker run. */
import { CommandError } from "../../components/provider/host/command.ts";
import { ensureBuilt, type Recipe } from "./build.ts";
import { isDebianRoot } from "./debian.ts";
import { docker, IMAGE_LABEL, readImageLabel, STAND_IN_LABEL } from "./docker.ts";
import { litellmImage } from "./litellm-image.ts";
import { machineImage } from "./machine-image.ts";
import { nodeImage } from "./node-image.ts";
import { pebbleImage } from "./pebble-image.ts";
import { postgresImages } from "./postgres-image.ts";
import { redisImage } from "./redis-image.ts";
import { traefikImage } from "./traefik-image.ts";
import { upstreamImage } from "./upstream-image.ts";

/** Images that a registry has: ours stand in for them where it cannot be reached. */
const OFFICIAL: readonly Recipe[] = [
  ...postgresImages,
  litellmImage,
  nodeImage,
  traefikImage,
  redisImage,
  pebbleImage,
];

/** Where no registry can be reached, that is known sooner. */
const PATIENCE_MILLISECONDS = 2000;

/**
 * Makes sure of all images: the official ones are pulled, and built where that fails.
 *
 * @throws Error when an image can neither be pulled nor built here
 */
export async function ensureImages(log: (line: string) => void): Promise<void> {
  await Promise.all(OFFICIAL.map((recipe) => ensureOfficial(recipe, log)));
  await ensureBuilt(upstreamImage, log);
  if (isDebianRoot()) await ensureBuilt(machineImage, log);
  // What was built before under the same names.
  await docker(["image", "prune", "--force", `--filter=label=${IMAGE_LABEL}`]);
}

async function ensureOfficial(recipe: Recipe, log: (line: string) => void): Promise<void> {
  if ((await readImageLabel(recipe.image, STAND_IN_LABEL)) === "") {
    return;
  }
  const failure = await pull(recipe.image, log);
  if (failure === undefined) {
    log(`pulled ${recipe.image}`);
    return;
  }
  if (!isDebianRoot()) {
    throw new Error(
      `${recipe.image} cannot be pulled, and a stand-in is only built by root on Debian; test it: docker pull ${recipe.image}\n${failure}`,
    );
  }
  await ensureBuilt(recipe, log);
}

/** Returns why an image cannot be pulled. */
async function pull(image: string, log: (line: string) => void): Promise<string | undefined> {
  const notice = setTimeout(() => {
    log(`pulling ${image} …`);
  }, PATIENCE_MILLISECONDS);
  try {
    await docker(["pull", "--quiet", image]);
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) {
      return error.lastLines(3);
    }
    throw error;
  } finally {
    clearTimeout(notice);
  }
}
