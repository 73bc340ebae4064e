import { listIncludedFiles } from "../stacks/settings/includes.ts";
import { includedFileOf } from "../stacks/settings/model-files.ts";
import { requireText } from "../stacks/required-text.ts";
import type { Settings } from "../stacks/settings/settings.ts";
import {
  isolatesCache,
  type LitellmConfigInput,
  renderLitellmConfig,
  renderModelFiles,
} from "./litellm-config.ts";

/** LiteLLM's config file; it finds the others by their paths relative to its own folder. */
export const CONFIG_FILE = "litellm-config.yaml";
const CACHE_ISOLATION_FILE = "cache_isolation.py";
const CACHE_ISOLATION_SCRIPT = `templates/${CACHE_ISOLATION_FILE}`;

/** Files of the project whose texts {@link renderLitellmFiles} needs, the user's own among them. */
export function listLitellmSources(settings: Pick<Settings, "cache" | "includes">): string[] {
  return [
    ...listIncludedFiles(settings),
    ...(isolatesCache(settings) ? [CACHE_ISOLATION_SCRIPT] : []),
  ];
}

/**
 * Texts of all files that LiteLLM reads at its start, by their paths beside the config file. No secret
 * is in them.
 * @param sources texts of the project's files that {@link listLitellmSources} names, by path
 */
export function renderLitellmFiles(
  settings: LitellmConfigInput & Pick<Settings, "cache" | "includes">,
  sources: Readonly<Record<string, string>>,
): Record<string, string> {
  const copied = listIncludedFiles(settings).map((path) => [
    includedFileOf(path),
    requireText(sources, path),
  ]);
  return {
    [CONFIG_FILE]: renderLitellmConfig(settings),
    ...renderModelFiles(settings),
    ...(Object.fromEntries(copied) as Record<string, string>),
    ...(isolatesCache(settings) && {
      [CACHE_ISOLATION_FILE]: requireText(sources, CACHE_ISOLATION_SCRIPT),
    }),
  };
}
