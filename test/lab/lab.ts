/** The whole lab: the engine, and the images in it. */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";

import { CommandError } from "../../components/provider/host/command.ts";
import { withFileLock } from "../../tools/file-lock.mjs";
import { docker, IMAGE_LABEL, LAB_LABEL } from "./docker.ts";
import { ensureEngine, isOwnEngine, stopEngine } from "./engine.ts";
import { dockerEngine } from "./environment.ts";
import { LAB_FOLDER, labPath } from "./folder.ts";
import { ensureImages } from "./images.ts";

type Log = (line: string) => void;

const LOCK_NAME = "lab.lock";

/** Makes sure of an engine and of the images; takes a second where both are there. */
export async function ensureLab(log: Log): Promise<void> {
  await alone(log, async () => {
    await ensureEngine(log);
    await ensureImages(log);
  });
}

/** Makes sure of the images in an engine that answers. */
export async function ensureLabImages(log: Log): Promise<void> {
  await alone(log, () => ensureImages(log));
}

/**
 * Removes what the lab has made: containers, networks and volumes of its tests, its images,
 * and its engine unless somebody else's containers are in it.
 *
 * @param everything whether downloads and the engine's data go as well
 * @throws Error when `everything` cannot go because of somebody else's containers
 */
export async function removeLab(everything: boolean, log: Log): Promise<void> {
  if (!existsSync(LAB_FOLDER)) {
    return;
  }
  await alone(log, async () => {
    const others = dockerEngine().available ? await removeFromEngine(log) : [];
    if (isOwnEngine() && others.length > 0) {
      const names = others.join(" ");
      if (everything) {
        throw new Error(
          `the lab's engine has containers that are not its own; remove them first: docker rm -f ${names}`,
        );
      }
      log(`the engine goes on, with containers that are not the lab's: ${names}`);
      return;
    }
    await stopEngine();
    if (everything) {
      for (const name of readdirSync(LAB_FOLDER).filter((name) => name !== LOCK_NAME)) {
        rmSync(labPath(name), { recursive: true, force: true });
      }
    }
  });
  if (everything) {
    rmdirSync(LAB_FOLDER);
  }
}

/** Returns the names of the containers that stay. */
async function removeFromEngine(log: Log): Promise<string[]> {
  await remove(["container", "rm", "--force", "--volumes"], ["ps", "--all", "--quiet"], LAB_LABEL);
  await remove(["network", "rm"], ["network", "ls", "--quiet"], LAB_LABEL);
  await remove(["volume", "rm"], ["volume", "ls", "--quiet"], LAB_LABEL);
  for (const image of await list(["images", "--quiet", `--filter=label=${IMAGE_LABEL}`])) {
    await docker(["image", "rm", image]).catch((error: unknown) => {
      if (!(error instanceof CommandError)) {
        throw error;
      }
      log(`image ${image} stays: ${error.lastLines(1)}`);
    });
  }
  return list(["ps", "--all", "--format={{.Names}}"]);
}

async function remove(command: string[], listing: string[], label: string): Promise<void> {
  const found = await list([...listing, `--filter=label=${label}`]);
  if (found.length > 0) {
    await docker([...command, ...found]);
  }
}

async function list(command: string[]): Promise<string[]> {
  const lines = (await docker(command)).split("\n").filter((line) => line !== "");
  return [...new Set(lines)];
}

/** One lab command at a time. */
async function alone(log: Log, work: () => Promise<void>): Promise<void> {
  mkdirSync(LAB_FOLDER, { recursive: true });
  const announceWait = (holder: number): void => {
    log(`waiting for process ${holder}, which works on the lab …`);
  };
  try {
    await withFileLock(labPath(LOCK_NAME), announceWait, work);
  } catch (error) {
    throw error instanceof CommandError
      ? new Error(`${error.message}:\n${error.lastLines()}`)
      : error;
  }
}
