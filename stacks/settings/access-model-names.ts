import type { AccessSettings } from "./access-settings.ts";
import type { DeploymentSettings } from "./deployment-settings.ts";
import type { Issue, Path } from "./issue.ts";
import {
  describe,
  findSimilar,
  listAlternatives,
  removeCommand,
  setCommand,
  suggest,
} from "./issue.ts";
import { offers } from "./router-consistency.ts";
import type { AccessCandidate } from "./stored-access.ts";

/** What the names of models in `access` are checked by. */
export interface AccessModelsCandidate {
  readonly access?: AccessCandidate | undefined;
  readonly deployment?: DeploymentSettings | undefined;
  /** Names of all models of the gateway's files; `undefined` when they cannot be known. */
  readonly modelNames: ReadonlySet<string> | undefined;
  readonly models: readonly { readonly model: object }[];
  readonly allowNonRegisteredModels?: boolean | undefined;
  readonly routerSettings: Readonly<Record<string, unknown>> | undefined;
}

/** LiteLLM's names for more than one model. Source: litellm, SpecialModelNames. */
const ALL_TEAM_MODELS = "all-team-models";
const ALL_PROXY_MODELS = "all-proxy-models";
const NO_DEFAULT_MODELS = "no-default-models";

/** Names of models in `access` that the gateway does not have, or that a team does not have. */
export function checkAccessModels(candidate: AccessModelsCandidate): Issue[] {
  const { access } = candidate;
  if (access === undefined) return [];
  const { teams, keys } = access.settings;
  return [
    ...checkAccessModelNames(candidate),
    ...Object.entries(keys).flatMap(([name, { team, models }]) => {
      const path = ["access", "keys", name, "models"];
      if (team === undefined) return checkTeamless(models, path);
      const its = Object.hasOwn(teams, team) ? teams[team] : undefined;
      return checkTeamModels(models, path, team, its, candidate);
    }),
    ...Object.entries(teams).flatMap(([name, team]) =>
      Object.entries(team.members).flatMap(([user, { models }]) =>
        checkTeamModels(
          models,
          ["access", "teams", name, "members", user, "models"],
          name,
          team,
          candidate,
        ),
      ),
    ),
  ];
}

/** Names of models in `access` that the gateway does not have. */
export function checkAccessModelNames(candidate: AccessModelsCandidate): Issue[] {
  const access = candidate.access?.settings;
  const known = access === undefined ? undefined : listKnownModels(access, candidate);
  if (access === undefined || known === undefined) return [];
  return listNamedModels(access).flatMap(({ path, name, isKey }): Issue[] => {
    if ([...known].some((pattern) => offers(pattern, name))) return [];
    const similar = findSimilar(name, known);
    return [
      {
        path,
        message: `${isKey ? "names" : "is"} ${describe(path, name)}, which is no model of the gateway${suggest(name, known)}`,
        command: similar === undefined || isKey ? removeCommand(path) : setCommand(path, similar),
      },
    ];
  });
}

/** Names that clients can ask for, and those of groups; `undefined` when they cannot be known. */
function listKnownModels(
  access: AccessSettings,
  {
    deployment,
    modelNames,
    models,
    allowNonRegisteredModels,
    routerSettings,
  }: AccessModelsCandidate,
): ReadonlySet<string> | undefined {
  // Somebody else knows what that gateway offers.
  if (deployment?.topology === "existing" || allowNonRegisteredModels === true) return undefined;
  if (modelNames === undefined) return undefined;
  const aliases = routerSettings?.["model_group_alias"];
  return new Set([
    ...modelNames,
    ...Object.entries(access.models).map(([name, model]) => model.name ?? name),
    ...(typeof aliases === "object" && aliases !== null ? Object.keys(aliases) : []),
    ...listGroups(access, models).keys(),
    ALL_TEAM_MODELS,
    ALL_PROXY_MODELS,
    NO_DEFAULT_MODELS,
  ]);
}

/** Models by the group that LiteLLM calls them together: `access_groups` of `model_info`. */
function listGroups(
  access: AccessSettings,
  models: AccessModelsCandidate["models"],
): ReadonlyMap<string, readonly string[]> {
  const all = [
    ...models.map(({ model }) => model as { name?: string; modelInfo?: object }),
    ...Object.entries(access.models).map(([key, { name = key, modelInfo }]) => ({
      name,
      modelInfo,
    })),
  ];
  const groups = new Map<string, string[]>();
  for (const { name, modelInfo } of all) {
    const names = (modelInfo as Readonly<Record<string, unknown>> | undefined)?.["access_groups"];
    if (name === undefined || !Array.isArray(names)) continue;
    for (const group of names as unknown[]) {
      if (typeof group === "string") groups.set(group, [...(groups.get(group) ?? []), name]);
    }
  }
  return groups;
}

function listNamedModels({ users, teams, keys }: AccessSettings): readonly {
  readonly path: Path;
  readonly name: string;
  /** Whether the name is the key that ends the path, and not the value there. */
  readonly isKey?: boolean;
}[] {
  const listed = (models: readonly string[], path: Path) =>
    models.map((name, index) => ({ path: [...path, "models", index], name }));
  const limited = (
    { modelRpmLimit = {}, modelTpmLimit = {} }: AccessSettings["keys" | "teams"][string],
    path: Path,
  ) =>
    Object.entries({ modelRpmLimit, modelTpmLimit }).flatMap(([field, limits]) =>
      Object.keys(limits).map((name) => ({ path: [...path, field, name], name, isKey: true })),
    );
  return [
    ...Object.entries(users).flatMap(([user, { models }]) =>
      listed(models, ["access", "users", user]),
    ),
    ...Object.entries(teams).flatMap(([name, team]) => [
      ...listed(team.models, ["access", "teams", name]),
      ...limited(team, ["access", "teams", name]),
      ...Object.entries(team.members).flatMap(([user, { models }]) =>
        listed(models, ["access", "teams", name, "members", user]),
      ),
    ]),
    ...Object.entries(keys).flatMap(([name, key]) => [
      ...listed(key.models, ["access", "keys", name]),
      ...limited(key, ["access", "keys", name]),
    ]),
  ];
}

function checkTeamless(models: readonly string[], path: Path): Issue[] {
  const index = models.indexOf(ALL_TEAM_MODELS);
  if (index < 0) return [];
  return [
    {
      path: [...path, index],
      message: `is ${JSON.stringify(ALL_TEAM_MODELS)}, but the key has no team`,
      command: setCommand([...path, index], ALL_PROXY_MODELS),
    },
  ];
}

/** LiteLLM lets a key have them, and then refuses each request. */
function checkTeamModels(
  models: readonly string[],
  path: Path,
  name: string,
  team: AccessSettings["teams"][string] | undefined,
  candidate: AccessModelsCandidate,
): Issue[] {
  if (team === undefined || candidate.access === undefined || team.models.length === 0) return [];
  if (team.models.includes(ALL_PROXY_MODELS) || team.models.includes(ALL_TEAM_MODELS)) return [];
  const groups = listGroups(candidate.access.settings, candidate.models);
  const allowed = team.models.flatMap((model) => [model, ...(groups.get(model) ?? [])]);
  return models.flatMap((model, index): Issue[] => {
    if (model === ALL_TEAM_MODELS || model === NO_DEFAULT_MODELS) return [];
    if (allowed.some((pattern) => offers(pattern, model))) return [];
    const modelPath = [...path, index];
    return [
      {
        path: modelPath,
        message: `is ${describe(modelPath, model)}, but team ${JSON.stringify(name)} may use ${listAlternatives(team.models.map((entry) => JSON.stringify(entry)))} only`,
        command:
          model === ALL_PROXY_MODELS
            ? removeCommand(modelPath)
            : `${setCommand(["access", "teams", name, "models", team.models.length], model)}, or: ${removeCommand(modelPath)}`,
      },
    ];
  });
}
