import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

import { CommandError, runCommand } from "../host/command.ts";
import { findUv, PINNED_VERSION, type Uv } from "../host/uv.ts";
import type { OperationContext } from "../resource.ts";
import { placeFolder } from "./archive.ts";
import type { Connection } from "./connection.ts";
import { readArchitecture, type Architecture } from "./architecture.ts";
import { exclusively, type Session } from "./session.ts";

const PLATFORMS: Readonly<Record<Architecture, string>> = {
  x64: "x86_64-unknown-linux-gnu",
  arm64: "aarch64-unknown-linux-gnu",
};

const READ_VERSION = '"$1" --version 2>/dev/null || :';

/**
 * Makes sure of the pinned uv on a machine, which need not have any means of installing one.
 *
 * @param folder of uv on the machine; a folder for each version is made in it
 * @returns path of the program there
 */
export function provideUv(
  context: OperationContext,
  connection: Connection,
  session: Session,
  folder: string,
): Promise<string> {
  // Several environments may be made on one machine at the same time.
  return exclusively(connection, "uv", async () => {
    const home = `${folder}/${PINNED_VERSION}`;
    const program = `${home}/uv`;
    const version = await session.run(READ_VERSION, { arguments: [program] });
    if (!version.startsWith(`uv ${PINNED_VERSION}`)) {
      const architecture = await readArchitecture(session);
      context.log("bringing uv to the machine", { ephemeral: true });
      const content = await fetchUv(architecture, context.signal);
      await placeFolder(session, home, [{ name: "uv", content, mode: 0o755 }]);
    }
    return program;
  });
}

/** The program for a machine: our own where that fits, otherwise from the package index. */
async function fetchUv(architecture: Architecture, signal: AbortSignal): Promise<Buffer> {
  const uv = await findUv({ signal });
  const isOwnPlatform = process.platform === "linux" && process.arch === architecture;
  if (isOwnPlatform && isAbsolute(uv.program)) {
    return readFile(uv.program);
  }
  const folder = await mkdtemp(join(tmpdir(), "litellm-uv-"));
  try {
    return await downloadUv(uv, architecture, folder, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadUv(
  { program, environment }: Uv,
  architecture: Architecture,
  folder: string,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    await runCommand(
      program,
      [
        ...["pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"],
        ...["--python-platform", PLATFORMS[architecture], "--target", folder],
        `uv==${PINNED_VERSION}`,
      ],
      { environment, signal },
    );
  } catch (error) {
    throw error instanceof CommandError
      ? new Error(
          `uv for the machine (${PLATFORMS[architecture]}) could not be had from the package index; see whether this machine reaches it: python3 -m pip download --no-deps uv==${PINNED_VERSION}\nuv says:\n${error.lastLines()}`,
        )
      : error;
  }
  return readFile(join(folder, "bin/uv"));
}
