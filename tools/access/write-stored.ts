import type { AccessSection } from "../../stacks/settings/access-settings.ts";
import { setSecretCommand } from "../../stacks/settings/secret-names.ts";
import { type AccessTree, nameResource } from "./access-tree.ts";
import { dropEmpty, type Entry, sortEntries, unlessNamed } from "./entry.ts";
import type { Findings } from "./findings.ts";
import type { ObservedAccess } from "./observed-access.ts";
import { chooseSecretName, isMasked } from "./secret-choice.ts";

type Model = ObservedAccess["models"][number];

/** Credentials and models, of which LiteLLM hides what is secret: the settings name secrets for it. */
export function writeStored(
  findings: Findings,
  observed: ObservedAccess,
): Pick<AccessTree, "credentials" | "models"> {
  const takenSecrets = new Set<string>();
  const nameSecrets = (entry: string, hidden: readonly string[]) =>
    Object.fromEntries(hidden.map((key) => [key, chooseSecretName(entry, key, takenSecrets)]));
  const stored = observed.credentials.filter(({ live }) => live["source"] !== "config");
  const credentials = findings.select("credential", stored, ({ id }) => id);
  const credentialNames = findings.name("credentials", credentials);
  const writtenCredentials = sortEntries(credentials, ({ id, inputs: { values, info } }) => {
    const name = credentialNames.get(id) ?? id;
    const { custom_llm_provider: provider, ...otherInfo } = info;
    const { shown, hidden } = splitHidden(values);
    const secretValues = nameSecrets(name, hidden);
    return take(findings, "credentials", name, {
      ...{ id, about: `credential "${id}"`, secrets: Object.values(secretValues) },
      entry: {
        ...unlessNamed(name, "name", id),
        ...(provider !== undefined && { provider }),
        ...dropEmpty({ values: shown, secretValues, info: otherInfo }),
      },
    });
  });

  const models = findings.select("model", observed.models, labelModel).filter((model) => {
    const reason = refuse(model);
    if (reason !== undefined) {
      findings.notes.push(`model "${labelModel(model)}" is left out: ${reason}`);
    }
    return reason === undefined;
  });
  const modelNames = findings.name("models", models, labelModel);
  const writtenModels = sortEntries(
    models,
    ({ id, inputs: { name: offered, params, modelInfo } }) => {
      const name = modelNames.get(id) ?? id;
      const { litellm_credential_name: credentialId, ...others } = params;
      const credential =
        typeof credentialId === "string" ? credentialNames.get(credentialId) : undefined;
      if (
        credentialId !== undefined &&
        (credential === undefined || writtenCredentials[credential] === undefined)
      ) {
        findings.notes.push(`model "${offered}" is left out: its credential is not here`);
        return undefined;
      }
      const { shown, hidden } = splitHidden(others);
      const hasOwnKey = credential === undefined && others["mock_response"] === undefined;
      const named = nameSecrets(name, hasOwnKey ? ["api_key", ...hidden] : hidden);
      const { api_key: apiKey, ...secretParams } = named;
      return take(findings, "models", name, {
        ...{ id, about: `model "${offered}"`, secrets: Object.values(named) },
        entry: {
          ...unlessNamed(name, "id", id),
          ...unlessNamed(name, "name", offered),
          ...dropEmpty({ params: shown, secretParams }),
          ...(credential !== undefined && { credential }),
          ...(apiKey !== undefined && { apiKey }),
          ...dropEmpty({ modelInfo }),
        },
      });
    },
  );
  return { credentials: writtenCredentials, models: writtenModels };
}

/** An entry, unless it needs secrets that nobody has set. */
function take(
  findings: Findings,
  section: AccessSection,
  name: string,
  {
    id,
    about,
    secrets,
    entry,
  }: {
    readonly id: string;
    readonly about: string;
    readonly secrets: readonly string[];
    readonly entry: Entry;
  },
): readonly [string, Entry] | undefined {
  const { options, notes, imports, adopts } = findings;
  const resource = nameResource(section, name);
  if (findings.isKnown(section, id)) {
    adopts.push(resource);
    return [name, entry];
  }
  const missing = secrets.filter((secret) => options.secrets?.has(secret) !== true);
  const commands = missing.map(setSecretCommand).join("; ");
  if (missing.length > 0 && options.secrets !== undefined) {
    notes.push(`${about} is left out until its secrets are set, which LiteLLM hides: ${commands}`);
    return undefined;
  }
  if (missing.length > 0) notes.push(`${about}: LiteLLM hides its secrets, set them: ${commands}`);
  if (secrets.length > 0) adopts.push(resource);
  else imports[resource] = id;
  return [name, entry];
}

/** Why a model is not written; undefined where it is. */
function refuse({ inputs, live: { model_info: info } }: Model): string | undefined {
  const { team_id: teamId } = info;
  if (typeof teamId === "string") return `it belongs to team "${teamId}" alone`;
  if (inputs?.blocked === true) return "it is paused";
  return undefined;
}

/** What people call it: LiteLLM stores those of a team under names of its own. */
function labelModel({ live: { model_name: name, model_info: info } }: Model): string {
  const { team_public_model_name: publicName } = info;
  return typeof publicName === "string" ? publicName : name;
}

/** What LiteLLM shows, `model` first, and the names of what it masks. */
function splitHidden(values: Entry): { readonly shown: Entry; readonly hidden: string[] } {
  const hidden = Object.keys(values).filter((name) => isMasked(values[name]));
  const { model, ...others } = values;
  const shown = Object.entries({ ...(model !== undefined && { model }), ...others });
  return { shown: Object.fromEntries(shown.filter(([name]) => !hidden.includes(name))), hidden };
}
