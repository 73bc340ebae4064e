import { z } from "zod";

import { octalMode } from "../octal-mode.ts";
import type { ResourceDefinition } from "../resource.ts";
import { engine } from "./engine.ts";
import { observeFile, removeFile, writeFile } from "./path-in-container.ts";

const inputs = z.strictObject({
  engine,
  container: z.string().min(1).meta({ description: "Name of a running container." }),
  path: z
    .string()
    .regex(/^\/.*[^/]$/, "must be an absolute path of a file")
    .meta({ description: "Absolute path in it, in a folder that exists." }),
  content: z.string().meta({ description: "Text of the file, UTF-8." }),
  mode: octalMode("0644", "0640"),
  owner: z.int().nonnegative().default(0).meta({
    description: "Number of the user, and of the group, that it belongs to.",
  }),
});

export type ContainerFileInputs = z.output<typeof inputs>;

/**
 * A text file in a running container, in a volume as a rule: replaced as a whole, so that no
 * reader ever sees half of it, and without a restart.
 */
export const containerFile = {
  token: "litellm:docker:ContainerFile",
  inputs,
  computedOutputs: [],
  replaceOnChanges: ["container", "path"],
  secretWhenImported: ["content"],
  observeBeforeUpdate: true,

  async create({ signal }, inputs) {
    await writeFile(inputs, inputs, signal);
    return { id: `${inputs.container}:${inputs.path}`, outputs: {} };
  },

  async read({ signal }, id, { inputs: known }) {
    const separator = id.indexOf(":");
    const place = {
      engine: known.engine ?? engine.parse({}),
      container: id.slice(0, separator),
      path: id.slice(separator + 1),
    };
    const found = await observeFile(place, signal);
    return found && { inputs: { ...place, ...found }, outputs: {} };
  },

  async update({ signal }, _id, { inputs }) {
    await writeFile(inputs, inputs, signal);
    return {};
  },

  async delete({ signal }, _id, { inputs }) {
    await removeFile(inputs, signal);
  },
} satisfies ResourceDefinition<ContainerFileInputs, object>;
