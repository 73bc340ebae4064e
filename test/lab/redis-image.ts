import { join, resolve } from "node:path";

import type { Recipe } from "./build.ts";
import { unpackPackages } from "./debian.ts";
import { STAND_IN_LABEL } from "./docker.ts";

const RELEASE = "trixie";
/** The server, its client, and the libraries that the base does not have. */
const PACKAGES = [
  ...["redis-server", "redis-tools"],
  ...["libatomic1", "libjemalloc2", "liblzf1", "libstdc++6"],
];

/** Stand-in for the official image of Redis. */
export const redisImage: Recipe = {
  image: "redis:8",
  folder: resolve(import.meta.dirname, "images/redis"),
  labels: { [STAND_IN_LABEL]: "true" },
  base: "postgres",
  ingredients: () => Promise.resolve([RELEASE, ...PACKAGES]),
  async layOut(folder) {
    await unpackPackages(RELEASE, PACKAGES, folder);
    return { programs: join(folder, "usr/bin"), libraries: join(folder, "usr/lib") };
  },
};
