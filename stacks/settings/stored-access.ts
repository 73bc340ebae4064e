import {
  Access,
  type AccessSection,
  accessSections,
  type AccessSettings,
} from "./access-settings.ts";
import type { Issue, Path } from "./issue.ts";
import { isWithin, removeCommand } from "./issue.ts";
import { checkSchema } from "./schema-issues.ts";

/** Who may use the gateway, as far as it is valid by itself. */
export interface AccessCandidate {
  /** Without the entries that are invalid. */
  readonly settings: AccessSettings;
  /** Names of all entries, of invalid ones too. */
  readonly names: Readonly<Record<AccessSection, ReadonlySet<string>>>;
}

const ACCESS: Path = ["access"];

/** Reads `access`; an error in one entry hides none in the others. */
export function readAccess(value: unknown): {
  readonly data: AccessSettings | undefined;
  readonly candidate: AccessCandidate | undefined;
  readonly issues: readonly Issue[];
} {
  const licensed = findLicensed(value);
  const checked = checkSchema(Access.prefault({}), value, ACCESS);
  const issues = [
    ...licensed,
    ...checked.issues.filter(({ path }) => !licensed.some((other) => isWithin(path, other.path))),
  ];
  const settings = checked.data ?? readValid(value, issues);
  return {
    data: checked.data,
    candidate: settings === undefined ? undefined : { settings, names: nameEntries(value) },
    issues,
  };
}

/** Settings that are valid already, as what they were read from. */
export function toAccessCandidate(settings: AccessSettings): AccessCandidate {
  return { settings, names: nameEntries(settings) };
}

/** What is left without the entries that are invalid. */
function readValid(value: unknown, issues: readonly Issue[]): AccessSettings | undefined {
  if (!isObject(value)) return undefined;
  const isValid = (path: Path): boolean => !issues.some((issue) => isWithin(issue.path, path));
  const valid = Object.entries(value).flatMap(([section, entries]): [string, unknown][] => {
    if (!isSection(section)) return isValid([...ACCESS, section]) ? [[section, entries]] : [];
    if (!isObject(entries)) return [];
    const rest = Object.entries(entries).filter(([name]) => isValid([...ACCESS, section, name]));
    return [[section, Object.fromEntries(rest)]];
  });
  return Access.safeParse(Object.fromEntries(valid)).data;
}

function nameEntries(value: unknown): AccessCandidate["names"] {
  return Object.fromEntries(
    accessSections.map((section) => [section, new Set(Object.keys(readObject(value, section)))]),
  ) as unknown as AccessCandidate["names"];
}

function isSection(key: string): key is AccessSection {
  return (accessSections as readonly string[]).includes(key);
}

/** Keys of what LiteLLM does for holders of its licence only, without case and separators. */
const licensedKeys: ReadonlySet<string> = new Set([
  "allowedpassthroughroutes",
  "deniedpassthroughroutes",
  "disableglobalguardrails",
  "guardrails",
  "modelmaxbudget",
  "organization",
  "organizationid",
  "organizations",
  "policies",
  "prompts",
  "tags",
  "teammemberkeyduration",
]);

/** Source: litellm, LiteLLM_ManagementEndpoint_MetadataFields_Premium and premium_user in management_endpoints. */
function findLicensed(value: unknown): Issue[] {
  const refuse = (path: Path, what: string): Issue => ({
    path,
    message: `${what} LiteLLM's licence: its open-source edition refuses it`,
    command: removeCommand(path),
  });
  const refuseKeys = (object: object, path: Path): Issue[] =>
    Object.keys(object)
      .filter((key) => licensedKeys.has(key.replace(/[^a-zA-Z]/g, "").toLowerCase()))
      .map((key) => refuse([...path, key], "needs"));
  if (!isObject(value)) return [];
  return [
    ...refuseKeys(value, ACCESS),
    ...(["budgets", "users", "teams", "keys"] as const).flatMap((section) =>
      Object.entries(readObject(value, section)).flatMap(([name, entry]) => {
        if (!isObject(entry)) return [];
        const path = [...ACCESS, section, name];
        const admins = Object.entries(readObject(entry, "members")).filter(
          ([, member]) => isObject(member) && member["role"] === "admin",
        );
        return [
          ...refuseKeys(entry, path),
          ...admins.map(([user]) =>
            refuse([...path, "members", user, "role"], 'is "admin", which needs'),
          ),
        ];
      }),
    ),
  ];
}

function readObject(value: unknown, key: string): Readonly<Record<string, unknown>> {
  const child = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return isObject(child) ? child : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
