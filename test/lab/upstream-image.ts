import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import type { Recipe } from "./build.ts";
import { docker } from "./docker.ts";
import { nodeImage } from "./node-image.ts";

const SOURCES = resolve(import.meta.dirname, "upstream");

/** The upstream double in a container, on port 8080. */
export const upstreamImage: Recipe = {
  image: "litellm-gateway/upstream:1",
  folder: resolve(import.meta.dirname, "images/upstream"),
  labels: {},
  async ingredients() {
    const files = globSync(join(SOURCES, "*.ts")).sort();
    return [
      await docker(["image", "inspect", "--format={{.Id}}", nodeImage.image]),
      ...files.map((file) => readFileSync(file, "utf8")),
    ];
  },
  layOut: () => Promise.resolve({ upstream: SOURCES }),
};
