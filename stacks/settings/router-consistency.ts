import type { Issue, Path } from "./issue.ts";
import { describe, findSimilar, removeCommand, setCommand, suggest } from "./issue.ts";
import type { RouterSettings } from "./router-settings.ts";

type PassThrough = Readonly<Record<string, unknown>>;

/** What fallbacks are checked by. */
export interface FallbackCandidate {
  readonly models: readonly {
    readonly index: number;
    readonly model: { readonly name: string; readonly fallbacks: readonly string[] };
  }[];
  /** Names of all models; `undefined` when they cannot be known. */
  readonly modelNames: ReadonlySet<string> | undefined;
  readonly router: RouterSettings | undefined;
  readonly routerSettings: PassThrough | undefined;
  readonly litellmSettings: PassThrough | undefined;
}

interface RouterCandidate extends FallbackCandidate {
  readonly requestTimeoutSeconds: number | undefined;
}

/** What of `router` does not fit the other settings. */
export function checkRouter(candidate: RouterCandidate): Issue[] {
  const { router, routerSettings = {}, litellmSettings = {}, requestTimeoutSeconds } = candidate;
  if (router === undefined) return [];
  return [
    ...checkTypedTwice(listRouterKeys(router), ["routerSettings"], routerSettings),
    ...checkTypedTwice(listRouterKeys(router), ["litellmSettings"], litellmSettings),
    ...checkTimeout(router, requestTimeoutSeconds),
    ...checkRouterFallbacks(candidate),
  ];
}

/** LiteLLM's key of each setting that is given, by the path of the setting. */
function listRouterKeys(router: RouterSettings): [key: string, setting: string][] {
  const keys: [unknown, string, string][] = [
    [router.strategy, "routing_strategy", "router.strategy"],
    [router.retries, "num_retries", "router.retries"],
    [router.allowedFails, "allowed_fails", "router.allowedFails"],
    [router.cooldownSeconds, "cooldown_time", "router.cooldownSeconds"],
    [router.timeoutSeconds, "timeout", "router.timeoutSeconds"],
    [
      Object.keys(router.contextWindowFallbacks)[0],
      "context_window_fallbacks",
      "router.contextWindowFallbacks",
    ],
    [
      Object.keys(router.contentPolicyFallbacks)[0],
      "content_policy_fallbacks",
      "router.contentPolicyFallbacks",
    ],
    [router.defaultFallbacks[0], "default_fallbacks", "router.defaultFallbacks"],
  ];
  return keys.flatMap(([value, key, setting]) => (value === undefined ? [] : [[key, setting]]));
}

/**
 * A key of LiteLLM's may be given by a setting of ours or by itself, not by both.
 * @param keys LiteLLM's keys that settings of ours give, each with the setting
 * @param parent where the user's own keys are
 */
export function checkTypedTwice(
  keys: readonly (readonly [key: string, setting: string])[],
  parent: Path,
  given: PassThrough,
): Issue[] {
  return keys.flatMap(([key, setting]) => {
    if (!Object.hasOwn(given, key)) return [];
    const path = [...parent, key];
    return [
      {
        path,
        message: `is given together with ${setting}; give one of them`,
        command: removeCommand(path),
      },
    ];
  });
}

function checkTimeout(
  { timeoutSeconds }: RouterSettings,
  requestTimeoutSeconds: number | undefined,
): Issue[] {
  if (timeoutSeconds === undefined || requestTimeoutSeconds === undefined) return [];
  if (timeoutSeconds <= requestTimeoutSeconds) return [];
  return [
    {
      path: ["router", "timeoutSeconds"],
      message: `is ${timeoutSeconds}, longer than requestTimeoutSeconds (${requestTimeoutSeconds}), after which a stop cuts requests off`,
      command: setCommand(["requestTimeoutSeconds"], Math.ceil(timeoutSeconds)),
    },
  ];
}

/** Every list of fallbacks: what is no model, or the model itself. */
export function checkAllFallbacks(candidate: FallbackCandidate): Issue[] {
  return [
    ...candidate.models.flatMap(({ model, index }) =>
      checkFallbacks(model, ["models", index], candidate.modelNames),
    ),
    ...checkRouterFallbacks(candidate),
    ...(["routerSettings", "litellmSettings"] as const).flatMap((key) =>
      checkFallbackLists(candidate[key] ?? {}, [key], candidate),
    ),
  ];
}

export function checkFallbacks(
  model: { readonly name: string; readonly fallbacks: readonly string[] },
  path: Path,
  modelNames: ReadonlySet<string> | undefined,
): Issue[] {
  return model.fallbacks.flatMap((fallback, position) => {
    const fallbackPath = [...path, "fallbacks", position];
    return fallback === model.name
      ? [itselfIssue(fallbackPath, fallback)]
      : checkModelName(fallback, fallbackPath, modelNames);
  });
}

function itselfIssue(path: Path, name: string): Issue {
  return {
    path,
    message: `is ${JSON.stringify(name)}, the model itself`,
    command: removeCommand(path),
  };
}

function checkRouterFallbacks(candidate: FallbackCandidate): Issue[] {
  const { router } = candidate;
  if (router === undefined) return [];
  const known = withAliases(candidate);
  const byModel = (["contextWindowFallbacks", "contentPolicyFallbacks"] as const).flatMap((key) =>
    Object.entries(router[key]).flatMap(([model, fallbacks]) => {
      const path = ["router", key, model];
      return [
        ...checkModelName(model, path, known, "names"),
        ...fallbacks.flatMap((name, position) =>
          name === model
            ? [itselfIssue([...path, position], name)]
            : checkModelName(name, [...path, position], known),
        ),
      ];
    }),
  );
  return [
    ...byModel,
    ...router.defaultFallbacks.flatMap((name, position) =>
      checkModelName(name, ["router", "defaultFallbacks", position], known),
    ),
  ];
}

/** LiteLLM's further lists of fallbacks: they name models too. */
export function checkFallbackLists(
  value: PassThrough,
  path: Path,
  candidate: FallbackCandidate,
): Issue[] {
  const known = withAliases(candidate);
  return ["context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks"].flatMap(
    (key) =>
      [...modelNamesIn(value[key], [...path, key])].flatMap((entry) =>
        checkModelName(entry.name, entry.path, known),
      ),
  );
}

/** Names that fallbacks can have: of models, and of the aliases among LiteLLM's own settings. */
function withAliases({
  modelNames,
  routerSettings,
}: FallbackCandidate): ReadonlySet<string> | undefined {
  const aliases = routerSettings?.["model_group_alias"];
  return modelNames && new Set([...modelNames, ...(isObject(aliases) ? Object.keys(aliases) : [])]);
}

function checkModelName(
  name: string,
  path: Path,
  modelNames: ReadonlySet<string> | undefined,
  /** Whether the name is the value at the path, or the key that ends it. */
  role: "is" | "names" = "is",
): Issue[] {
  if (modelNames === undefined || [...modelNames].some((pattern) => offers(pattern, name))) {
    return [];
  }
  const similar = findSimilar(name, modelNames);
  return [
    {
      path,
      message: `${role} ${describe(path, name)}, but no model has this name${suggest(name, modelNames)}`,
      command:
        similar === undefined || role === "names" ? removeCommand(path) : setCommand(path, similar),
    },
  ];
}

/** A model name may be a pattern: `openai/*` offers all models of OpenAI. */
export function offers(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === name;
  let position = (parts[0] ?? "").length;
  if (!name.startsWith(parts[0] ?? "")) return false;
  for (const part of parts.slice(1)) {
    const found = name.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return pattern.endsWith("*") || position === name.length;
}

function* modelNamesIn(
  value: unknown,
  path: Path,
): Generator<{ readonly name: string; readonly path: Path }> {
  if (!Array.isArray(value)) return;
  for (const [index, entry] of value.entries()) {
    if (typeof entry === "string") yield { name: entry, path: [...path, index] };
    else if (isObject(entry)) {
      for (const [name, fallbacks] of Object.entries(entry)) {
        yield* modelNamesIn(fallbacks, [...path, index, name]);
      }
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
