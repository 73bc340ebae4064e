import { listAccessSecrets } from "../settings/stored-model-consistency.ts";
import { callbackNeeds } from "../settings/callback-settings.ts";
import { environmentVariableOf } from "../settings/secret-names.ts";
import type { Settings } from "../settings/settings.ts";
import { requiredEnvironment } from "../../templates/litellm-config.ts";

/**
 * Secrets that are for `access` alone: they reach LiteLLM by its admin API, and its environment has no need
 * of them.
 */
export function listSecretsOfAccess(settings: Settings): string[] {
  const { access, callbacks, includes, allowNonRegisteredModels } = settings;
  // What these refer to is not known here, so all secrets are given.
  if (includes.length > 0 || allowNonRegisteredModels) return [];
  const required = new Set(requiredEnvironment(settings));
  const reported = callbacks.flatMap(({ kind }) => [
    ...callbackNeeds[kind].secrets,
    ...callbackNeeds[kind].optionalSecrets,
  ]);
  return [...new Set(listAccessSecrets(access).map(({ secret }) => secret))].filter(
    (secret) => !required.has(environmentVariableOf(secret) ?? "") && !reported.includes(secret),
  );
}
