import {
  appendFileSync,
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";

import type { Recipe } from "./build.ts";
import { unpackPackages } from "./debian.ts";
import { STAND_IN_LABEL } from "./docker.ts";
import { ensureTraefik, hashTraefik, TRAEFIK_VERSION } from "./traefik-program.ts";

const RELEASE = "trixie";
const PACKAGES = ["busybox-static", "ca-certificates", "tzdata"];

/** Stand-in for the official image of Traefik. */
export const traefikImage: Recipe = {
  image: `traefik:${TRAEFIK_VERSION}`,
  folder: resolve(import.meta.dirname, "images/traefik"),
  labels: { [STAND_IN_LABEL]: "true" },
  ingredients: () => Promise.resolve([RELEASE, ...PACKAGES, hashTraefik()]),
  async layOut(folder, log) {
    const packages = join(folder, "packages");
    await unpackPackages(RELEASE, PACKAGES, packages);
    return { root: copyRoot(packages, join(folder, "root")), program: await ensureTraefik(log) };
  },
};

/** A root file system with little more than BusyBox. */
function copyRoot(packages: string, root: string): string {
  for (const name of ["bin", "etc/ssl/certs", "root", "tmp", "usr/share"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  chmodSync(join(root, "tmp"), 0o1777);
  cpSync(join(packages, "usr/bin/busybox"), join(root, "bin/busybox"));
  cpSync(join(packages, "usr/share/zoneinfo"), join(root, "usr/share/zoneinfo"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\n");
  // Installing the package would make this file, by `update-ca-certificates`.
  const bundle = join(root, "etc/ssl/certs/ca-certificates.crt");
  for (const file of globSync(join(packages, "usr/share/ca-certificates/mozilla/*.crt")).sort()) {
    appendFileSync(bundle, readFileSync(file));
  }
  return root;
}
