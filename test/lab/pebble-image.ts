import { join, resolve } from "node:path";

import type { Recipe } from "./build.ts";
import { unpackPackages } from "./debian.ts";
import { STAND_IN_LABEL } from "./docker.ts";

const RELEASE = "trixie";

/** Stand-in for the official image of Pebble, a small ACME server for tests. */
export const pebbleImage: Recipe = {
  image: "ghcr.io/letsencrypt/pebble:2.6.0",
  folder: resolve(import.meta.dirname, "images/pebble"),
  labels: { [STAND_IN_LABEL]: "true" },
  base: "postgres",
  ingredients: () => Promise.resolve([RELEASE]),
  async layOut(folder) {
    await unpackPackages(RELEASE, ["pebble"], folder);
    return { programs: join(folder, "usr/bin") };
  },
};
