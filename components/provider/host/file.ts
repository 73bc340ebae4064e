import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { z } from "zod";

import { formatMode, octalMode } from "../octal-mode.ts";
import type { ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  path: z.string().min(1).meta({ description: "Absolute, or relative to the project's folder." }),
  content: z.string().meta({ description: "Text of the file, UTF-8." }),
  mode: octalMode("0644", "0640"),
});

export type FileInputs = z.output<typeof inputs>;

/** What this deployment has created, as absolute paths. */
const created = new Set<string>();

/**
 * A text file on this machine, replaced as a whole so that no reader ever sees
 * half of it. Missing folders are made, and stay when it is deleted.
 */
export const file = {
  token: "litellm:host:File",
  inputs,
  computedOutputs: [],
  replaceOnChanges: ["path"],
  secretWhenImported: ["content"],
  observeBeforeUpdate: true,

  async create(_context, inputs) {
    const found = await observe(inputs.path);
    // The same text is there when an earlier deployment was interrupted.
    if (found !== undefined && found.content !== inputs.content) {
      throw new Error(
        `${inputs.path} exists already and holds something else; remove it: rm '${inputs.path}', ` +
          `or take it over: pulumi import litellm:host:File <name> '${inputs.path}'`,
      );
    }
    await write(inputs);
    created.add(resolve(inputs.path));
    return { id: inputs.path, outputs: {} };
  },

  async read(_context, id) {
    const found = await observe(id);
    return found && { inputs: { path: id, ...found }, outputs: {} };
  },

  async update(_context, _id, { inputs }) {
    await write(inputs);
    return {};
  },

  async delete(_context, id) {
    // Pulumi deletes what was replaced or renamed last, when the same path is in use again.
    if (!created.has(resolve(id))) {
      await rm(id, { force: true });
    }
  },
} satisfies ResourceDefinition<FileInputs, object>;

async function observe(path: string): Promise<Pick<FileInputs, "content" | "mode"> | undefined> {
  try {
    const { mode } = await stat(path);
    const content = await readFile(path, "utf8");
    return { content, mode: formatMode(mode & 0o777) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

async function write({ path, content, mode }: FileInputs): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.chmod(Number.parseInt(mode, 8));
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
