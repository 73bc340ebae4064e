import { randomUUID } from "node:crypto";
import { posix } from "node:path";

import { formatCommand } from "../../docker-command.ts";
import { formatMode } from "../octal-mode.ts";
import { DockerError, runOnEngine, type Engine } from "./engine.ts";
import { packFile, unpackFile } from "./tar.ts";

/** A place in a container of an engine. */
export interface PathInContainer {
  readonly engine: Engine;
  /** Name of the container. */
  readonly container: string;
  /** Absolute. */
  readonly path: string;
}

export interface FileInContainer {
  readonly content: string;
  /** Permissions, octal, such as "0644". */
  readonly mode: string;
  /** Number of the user and of the group that it belongs to. */
  readonly owner: number;
}

/** What is there, also in a container that does not run; undefined when file or container is gone. */
export async function observeFile(
  { engine, container, path }: PathInContainer,
  signal: AbortSignal,
): Promise<FileInContainer | undefined> {
  let archive: Buffer;
  try {
    archive = await runOnEngine(engine, ["cp", `${container}:${path}`, "-"], { signal });
  } catch (error) {
    if (error instanceof DockerError && (error.isContainerMissing || isFileMissing(error))) {
      return undefined;
    }
    throw error;
  }
  const file = unpackFile(archive);
  return (
    file && {
      content: file.content.toString("utf8"),
      mode: formatMode(file.mode),
      owner: file.owner,
    }
  );
}

/** Paths that this deployment has written. */
const written = new Set<string>();

/**
 * Replaces a file of a running container as a whole: whoever reads it never sees half of it.
 * The content travels on standard input alone.
 *
 * @throws Error that says how to bring back a container that does not run
 */
export async function writeFile(
  place: PathInContainer,
  { content, mode, owner }: FileInContainer,
  signal: AbortSignal,
): Promise<void> {
  const { engine, container, path } = place;
  const folder = posix.dirname(path);
  // Hidden, and with an ending that no reader of the folder knows: Traefik loads *.yaml.
  const name = `.${randomUUID()}.tmp`;
  const temporary = posix.join(folder, name);
  const archive = packFile({
    name,
    content: Buffer.from(content),
    mode: Number.parseInt(mode, 8),
    owner,
  });
  try {
    // First: into a container that does not run, the file would be copied all the same.
    await execute(place, ["test", "-d", folder], signal);
    await runOnEngine(engine, ["cp", "-", `${container}:${folder}`], { input: archive, signal });
    await execute(place, ["mv", "-f", temporary, path], signal);
  } catch (error) {
    await removeQuietly(place, temporary);
    signal.throwIfAborted();
    throw explain(error, place);
  }
  written.add(identify(place));
}

/** Removes a file, which may be gone already, with its container or without. */
export async function removeFile(place: PathInContainer, signal: AbortSignal): Promise<void> {
  // Pulumi deletes what was replaced or renamed last, when the same path is in use again.
  if (written.has(identify(place))) return;
  try {
    await execute(place, ["rm", "-f", place.path], signal);
  } catch (error) {
    const isGone =
      error instanceof DockerError && (error.isContainerMissing || error.isContainerStopped);
    if (!isGone) throw error;
  }
}

/** As root: the folder's owner need not be the user of the container's own process. */
function execute(
  { engine, container }: PathInContainer,
  command: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  return runOnEngine(engine, ["exec", "--user=0", container, ...command], { signal });
}

const CLEAN_UP_MILLISECONDS = 5000;

/** Also after a cancellation: the file may hold a secret. */
async function removeQuietly(place: PathInContainer, path: string): Promise<void> {
  const signal = AbortSignal.timeout(CLEAN_UP_MILLISECONDS);
  await execute(place, ["rm", "-f", path], signal).catch(() => undefined);
}

function explain(error: unknown, { engine, container, path }: PathInContainer): unknown {
  if (!(error instanceof DockerError)) return error;
  if (error.isContainerMissing) {
    return new Error(
      `${container}, which ${path} is written into, is not there; let Pulumi see that, and make it again: pulumi up --refresh`,
    );
  }
  if (error.isContainerStopped) {
    const verb = error.stderr.includes("paused") ? "unpause" : "start";
    return new Error(
      `${container}, which ${path} is written into, does not run; start it: ${formatCommand(engine, [verb, container])}`,
    );
  }
  // `test` says nothing.
  if (error.stderr.trim() === "") {
    return new Error(
      `${container} has no folder ${posix.dirname(path)}; see what it mounts: ${formatCommand(engine, ["inspect", "--format", "{{json .Mounts}}", container])}`,
    );
  }
  return error;
}

function isFileMissing(error: DockerError): boolean {
  return /could not find the file|no such file or directory/i.test(error.stderr);
}

function identify({ engine, container, path }: PathInContainer): string {
  return `${engine.host ?? ""} ${container}:${path}`;
}
