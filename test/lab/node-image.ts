import { cpSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

import type { Recipe } from "./build.ts";
import { STAND_IN_LABEL } from "./docker.ts";

/** Stand-in for the official image of Node.js, which the upstream double runs on. */
export const nodeImage: Recipe = {
  image: "node:24-slim",
  folder: resolve(import.meta.dirname, "images/node"),
  labels: { [STAND_IN_LABEL]: "true" },
  base: "python",
  ingredients: () => Promise.resolve([process.version]),
  layOut: (folder) => Promise.resolve({ node: copyNode(join(folder, "node")) }),
};

/** Copies the Node.js that runs us, which npm brought along, and returns the folder. */
export function copyNode(folder: string): string {
  mkdirSync(folder, { recursive: true });
  cpSync(process.execPath, join(folder, "node"));
  return folder;
}
