import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { runCommand } from "../../components/provider/host/command.ts";
import { findUv } from "../../components/provider/host/uv.ts";
import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import type { Recipe } from "./build.ts";
import { STAND_IN_LABEL } from "./docker.ts";
import { copyNode } from "./node-image.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const LOCK_FILE = join(CHECKOUT, "components/provider/litellm/requirements.lock");
/** Python of the base image. */
const PYTHON_VERSION = "3.13";
const MACHINE = process.arch === "arm64" ? "aarch64" : "x86_64";

/** Where prisma-client-py keeps Prisma's own programs. */
const PRISMA_CACHE =
  "/root/.cache/prisma-python/binaries/5.4.2/ac9d7041ed77bcc8a8dbd2ab6616b39013829574";
const PRISMA_PLATFORM =
  process.arch === "arm64" ? "linux-arm64-openssl-3.0.x" : "debian-openssl-3.0.x";
/** What the stand-ins for Prisma's engines import. */
const ENGINE_PACKAGES = [
  "@prisma/driver-adapter-utils",
  "@prisma/query-engine-wasm",
  "pg",
  "postgres-array",
];
/** Prisma's command line program. */
const PRISMA_PACKAGES = ["prisma", "@prisma/engines"];
const ENGINE_SOURCE = "tools/prisma-engine";

/** Stand-in for LiteLLM's official image of the pinned release. */
export const litellmImage: Recipe = {
  image: `ghcr.io/berriai/litellm:v${litellmKeys.version}`,
  base: "python",
  folder: resolve(import.meta.dirname, "images/litellm"),
  arguments: { PRISMA_CACHE, PRISMA_PLATFORM },
  labels: { [STAND_IN_LABEL]: "true" },
  ingredients: () =>
    Promise.resolve([
      process.version,
      ...[...listDependencies(ENGINE_PACKAGES), ...PRISMA_PACKAGES].map(readNameAndVersion),
      ...[LOCK_FILE, ...globSync(join(CHECKOUT, ENGINE_SOURCE, "*")).sort()].map((file) =>
        readFileSync(file, "utf8"),
      ),
    ]),
  async layOut(folder) {
    const packages = join(folder, "packages");
    await installPackages(packages);
    return {
      packages,
      node: copyNode(join(folder, "node")),
      engine: copyEngine(join(folder, "engine")),
      prisma: copyPrisma(join(folder, "prisma")),
    };
  },
};

/** The same packages as topology `local` runs, for the Python of the base image. */
async function installPackages(folder: string): Promise<void> {
  const uv = await findUv();
  await runCommand(
    uv.program,
    [
      ...["pip", "install", "--quiet", "--target", folder, "--no-deps", "--require-hashes"],
      ...["--python-version", PYTHON_VERSION, "--python-platform", `${MACHINE}-unknown-linux-gnu`],
      ...["--only-binary=:all:", "--requirement", LOCK_FILE],
    ],
    { environment: uv.environment },
  );
}

/** A small checkout with the stand-ins of Prisma's engines and the packages they import. */
function copyEngine(folder: string): string {
  cpSync(join(CHECKOUT, ENGINE_SOURCE), join(folder, ENGINE_SOURCE), { recursive: true });
  for (const name of listDependencies(ENGINE_PACKAGES)) {
    const package_ = join("node_modules", name);
    cpSync(join(CHECKOUT, package_), join(folder, package_), { recursive: true });
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  return folder;
}

/** Packages with all they depend on; npm has laid them out flat. */
function listDependencies(names: readonly string[]): Set<string> {
  const found = new Set(names);
  for (const name of found) {
    for (const dependency of Object.keys(readManifest(name).dependencies ?? {})) {
      found.add(dependency);
    }
  }
  return found;
}

/** Prisma's command line program, laid out as `npm install` does. */
function copyPrisma(folder: string): string {
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  for (const name of PRISMA_PACKAGES) {
    cpSync(join(CHECKOUT, "node_modules", name), join(modules, name), { recursive: true });
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  return folder;
}

function readNameAndVersion(name: string): string {
  return `${name}@${readManifest(name).version}`;
}

function readManifest(name: string): { readonly version: string; readonly dependencies?: object } {
  const text = readFileSync(join(CHECKOUT, "node_modules", name, "package.json"), "utf8");
  return JSON.parse(text) as { version: string; dependencies?: object };
}
