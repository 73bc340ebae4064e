import keyList from "./litellm-keys.json" with { type: "json" };
import type { Issue, Path } from "./issue.ts";
import {
  describe,
  findSimilar,
  isCredential,
  isSecretName,
  listAlternatives,
  renameCommand,
  setCommand,
} from "./issue.ts";
import { environmentReference, toCamelCase, toConstantCase } from "./secret-names.ts";

/** LiteLLM's names of providers: the part before the slash of a model. */
export const litellmProviders: readonly string[] = keyList.providers;
/** Values of `model_info.mode`. */
export const litellmModes: readonly string[] = keyList.modes;

/** A part of LiteLLM's config file whose keys are known. */
export type Section = keyof typeof keyList.sections;

/** Types of a section's keys, by key, in the language that tools/litellm-keys.py describes. */
const sections: Readonly<Record<Section, Readonly<Record<string, string>>>> = keyList.sections;

/** The keys that LiteLLM reads in a section, with their types. */
export function keysOf(section: Section): ReadonlyMap<string, string> {
  return new Map(Object.entries(sections[section]));
}

/** Keys whose value is a section of its own. */
const nestedSections: Readonly<Partial<Record<Section, Readonly<Record<string, Section>>>>> = {
  litellm_settings: { cache_params: "cache_params" },
  router_settings: {
    retry_policy: "retry_policy",
    allowed_fails_policy: "allowed_fails_policy",
    default_litellm_params: "litellm_params",
  },
};

/**
 * Sections that may hold keys of the user's own: `model_info` is shown to clients as it is. Only a
 * key that is one slip away from a known one is an error there.
 */
const openSections: ReadonlySet<Section> = new Set(["model_info"]);

/** The environment variable that a text `os.environ/NAME` names; LiteLLM replaces the whole text. */
function referencedVariable(value: unknown): string | undefined {
  return typeof value === "string"
    ? /^os\.environ\/([A-Za-z_][A-Za-z0-9_]*)$/.exec(value)?.[1]
    : undefined;
}

/** All environment variables that a value refers to, at any depth. */
export function* referencedVariables(
  value: unknown,
  path: Path = [],
): Generator<{ readonly path: Path; readonly environmentVariable: string }> {
  const environmentVariable = referencedVariable(value);
  if (environmentVariable !== undefined) yield { path, environmentVariable };
  for (const [key, child] of entries(value)) yield* referencedVariables(child, [...path, key]);
}

function entries(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((child: unknown, index) => [index, child]);
  if (typeof value === "object" && value !== null) return Object.entries(value);
  return [];
}

/**
 * What is wrong with a part of LiteLLM's settings: keys that the pinned LiteLLM does not read (it
 * ignores them without a word), values of a wrong type, and secrets in plain text.
 */
export function checkPassThrough(
  section: Section,
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Issue[] {
  return [...checkKeys(section, value, path), ...checkLiteralSecrets(section, value, path)];
}

function checkKeys(
  section: Section,
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Issue[] {
  return Object.entries(value).flatMap(([key, child]) => {
    const childPath = [...path, key];
    const known = sections[section];
    if (!Object.hasOwn(known, key)) return checkUnknownKey(section, key, child, path);
    const type = known[key] ?? "any";
    if (!matchesType(child, type)) {
      return [
        {
          path: childPath,
          message: `must be ${describeType(type)}, not ${describe(childPath, child)}`,
          command: setCommand(childPath, correctedValue(child, type)),
        },
      ];
    }
    const nested = nestedSections[section]?.[key];
    return nested !== undefined && isObject(child) ? checkKeys(nested, child, childPath) : [];
  });
}

function checkUnknownKey(section: Section, key: string, value: unknown, path: Path): Issue[] {
  const open = openSections.has(section);
  const similar = findSimilar(key, Object.keys(sections[section]), open ? 1 : undefined);
  if (open && similar === undefined) return [];
  const childPath = [...path, key];
  const bodyHint =
    section === "litellm_params" && similar === undefined
      ? "; a parameter of the provider's own goes into extra_body"
      : "";
  return [
    {
      path: childPath,
      message:
        `is no key of LiteLLM ${keyList.version} in ${section}, which would ignore it` +
        (similar === undefined ? bodyHint : `, did you mean ${JSON.stringify(similar)}?`),
      command: renameCommand(path, key, similar, value),
    },
  ];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Lenient where LiteLLM or Python is: null means unset, a number will do for a text and its text for a
 * number, and an environment variable may stand for any scalar. `"false"` is no boolean: it is true in
 * Python.
 */
function matchesType(value: unknown, type: string): boolean {
  if (value === null || value === undefined || referencedVariable(value) !== undefined) return true;
  return type.split("|").some((alternative) => {
    switch (alternative) {
      case "any":
        return true;
      case "string":
        return typeof value === "string" || typeof value === "number";
      case "integer":
        return Number.isInteger(value) || (typeof value === "string" && /^-?\d+$/.test(value));
      case "number":
        return typeof value === "number" || (typeof value === "string" && isNumeric(value));
      case "boolean":
        return typeof value === "boolean";
      case "array":
        return Array.isArray(value);
      case "object":
        return isObject(value);
      default:
        return JSON.stringify(value) === alternative;
    }
  });
}

function isNumeric(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

const typeDescriptions: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

function describeType(type: string): string {
  return listAlternatives(type.split("|").map((name) => typeDescriptions[name] ?? name));
}

function correctedValue(value: unknown, type: string): unknown {
  const alternatives = type.split("|");
  if (alternatives.includes("boolean") && (value === "true" || value === "false")) {
    return value === "true";
  }
  const literal = alternatives.find((name) => name.startsWith('"'));
  if (literal === undefined) return undefined;
  const literals = alternatives.filter((name) => name.startsWith('"'));
  const similar = typeof value === "string" ? findSimilar(value, literals) : undefined;
  return JSON.parse(similar ?? literal);
}

function checkLiteralSecrets(section: Section, value: unknown, path: Path): Issue[] {
  return entries(value).flatMap(([key, child]) => {
    const childPath = [...path, key];
    if (typeof child !== "string") return checkLiteralSecrets(section, child, childPath);
    const named =
      typeof key === "string" &&
      (isSecretName(key) || (section === "litellm_settings" && /^[a-z]+_key$/.test(key)));
    if (child === "" || referencedVariable(child) !== undefined) return [];
    if (!named && !isCredential(child)) return [];
    const name = toCamelCase(nameSecret(path, key));
    return [
      {
        path: childPath,
        message: "holds a secret in plain text (not shown); store it as a secret and refer to it",
        command:
          `pulumi config set --secret --path 'secrets.${name}' && ` +
          setCommand(childPath, environmentReference(toConstantCase(name))),
      },
    ];
  });
}

/** A name like `url` or `password` says too little to be an environment variable. */
function nameSecret(path: Path, key: string | number): string {
  const parent = path.at(-1);
  return typeof key === "string" && key.includes("_") ? key : `${parent ?? ""}_${key}`;
}

/** Puts numbers where a text of one is stored, for `pulumi config set --path` stores decimals so. */
export function coercePassThrough(
  section: Section,
  value: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => {
      const nested = nestedSections[section]?.[key];
      if (nested !== undefined && isObject(child)) return [key, coercePassThrough(nested, child)];
      const type = Object.hasOwn(sections[section], key) ? sections[section][key] : undefined;
      const isNumber = type === "number" || type === "integer";
      return [
        key,
        isNumber && typeof child === "string" && isNumeric(child) ? Number(child) : child,
      ];
    }),
  );
}
