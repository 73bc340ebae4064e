import { z } from "zod";

import type { DeepReadonly, ModelDefinition } from "./models.ts";

/** How the models are spread over files: the proxy reads them all, a human finds one by its file. */
export const ModelFiles = z.strictObject({
  groupBy: z.enum(["none", "provider", "group"]).default("none").meta({
    description:
      "Models in `litellm-config.yaml` itself, in a file `models/<provider>.yaml` for each provider, or in `models/<group>.yaml` by the `group` of each.",
  }),
});

export type ModelFilesSettings = DeepReadonly<z.output<typeof ModelFiles>>;

/** Folder of all files with models, beside LiteLLM's config file. */
const MODELS_FOLDER = "models";

/** Path of the file with a model, relative to the config file; `undefined`: the config file itself. */
export function modelFileOf(
  model: Pick<ModelDefinition, "provider" | "group"> & { readonly litellmProvider?: string },
  { groupBy }: ModelFilesSettings,
): string | undefined {
  const name = nameGroup(model, groupBy);
  return name === undefined ? undefined : `${MODELS_FOLDER}/${name}.yaml`;
}

function nameGroup(
  model: Parameters<typeof modelFileOf>[0],
  groupBy: ModelFilesSettings["groupBy"],
): string | undefined {
  switch (groupBy) {
    case "none":
      return undefined;
    case "provider":
      return model.provider === "other" ? model.litellmProvider : model.provider;
    case "group":
      return model.group;
    default:
      return groupBy satisfies never;
  }
}

/** Path of a file of the user's own beside the config file: all of them are in one folder. */
export function includedFileOf(path: string): string {
  return `${MODELS_FOLDER}/${path.split("/").at(-1) ?? path}`;
}
