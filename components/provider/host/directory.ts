import { chmod, mkdir, rm, stat } from "node:fs/promises";
import { z } from "zod";

import { formatMode, octalMode } from "../octal-mode.ts";
import type { ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  path: z.string().min(1).meta({ description: "Relative to the project's folder, or absolute." }),
  mode: octalMode("0755", "0755"),
});

export type DirectoryInputs = z.output<typeof inputs>;

/** A folder of this deployment. Deleting it deletes what is in it, logs included. */
export const directory = {
  token: "litellm:host:Directory",
  inputs,
  computedOutputs: [],
  replaceOnChanges: ["path"],
  deleteBeforeReplace: true,

  async create(_context, { path, mode }) {
    await mkdir(path, { recursive: true });
    await chmod(path, Number.parseInt(mode, 8));
    return { id: path, outputs: {} };
  },

  async read(_context, id) {
    const found = await stat(id).catch(() => undefined);
    if (!found?.isDirectory()) {
      return undefined;
    }
    const mode = formatMode(found.mode & 0o777);
    return { inputs: { path: id, mode }, outputs: {} };
  },

  async update(_context, id, { inputs }) {
    await mkdir(id, { recursive: true });
    await chmod(id, Number.parseInt(inputs.mode, 8));
    return {};
  },

  async delete(_context, id) {
    await rm(id, { recursive: true, force: true });
  },
} satisfies ResourceDefinition<DirectoryInputs, object>;
