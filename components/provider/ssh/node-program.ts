import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { CommandError, runCommand } from "../host/command.ts";
import type { Architecture } from "./architecture.ts";

const CHECKOUT = resolve(import.meta.dirname, "../../..");

/** Where npm's archives of Node have it. */
const PROGRAM = "package/bin/node";

interface LockedPackage {
  readonly version: string;
  readonly integrity: string;
}

/**
 * The pinned Node for a machine: from this checkout where npm has installed it, otherwise from
 * npm's registry, and then checked against the lock file.
 *
 * @throws Error that says what is missing; the signal's reason when cancelled
 */
export async function readNodeProgram(
  architecture: Architecture,
  signal: AbortSignal,
): Promise<Buffer> {
  const name = `node-linux-${architecture}`;
  const installed = join(CHECKOUT, "node_modules", name, "bin/node");
  return existsSync(installed) ? readFile(installed) : downloadNode(name, signal);
}

async function downloadNode(name: string, signal: AbortSignal): Promise<Buffer> {
  const { packages } = JSON.parse(await readFile(join(CHECKOUT, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const locked = packages[`node_modules/${name}`];
  if (locked === undefined) {
    throw new Error(
      `package-lock.json has no ${name}, which the machine needs; restore the file: git checkout package-lock.json`,
    );
  }
  const specification = `${name}@${locked.version}`;
  const folder = await mkdtemp(join(tmpdir(), "litellm-node-"));
  try {
    const program = process.platform === "win32" ? "npm.cmd" : "npm";
    const output = await runCommand(program, ["pack", "--json", specification], {
      environment: process.env,
      folder,
      signal,
    });
    const [{ filename = "" } = {}] = JSON.parse(output) as { filename?: string }[];
    assertIntegrity(specification, await readFile(join(folder, filename)), locked.integrity);
    const options = { environment: process.env, folder, signal };
    await runCommand("tar", ["-xzf", filename, PROGRAM], options);
    return await readFile(join(folder, PROGRAM));
  } catch (error) {
    throw error instanceof CommandError
      ? new Error(
          `Node for the machine could not be had from npm's registry; see whether this machine reaches it: npm pack ${specification}\n${error.lastLines()}`,
        )
      : error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function assertIntegrity(specification: string, archive: Buffer, expected: string): void {
  const [algorithm = ""] = expected.split("-", 1);
  const found = `${algorithm}-${createHash(algorithm).update(archive).digest("base64")}`;
  if (found !== expected) {
    throw new Error(
      `${specification} from npm's registry is not the one that package-lock.json locks (${found} instead of ${expected}); ask who runs the registry, and compare: npm view ${specification} dist.integrity`,
    );
  }
}
