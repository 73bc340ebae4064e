import { type AccessSection, accessSections } from "../../stacks/settings/access-settings.ts";
import type { Entry } from "./entry.ts";

/** The entries of the setting `access`, as they stand in a stack's file. */
export type AccessTree = Readonly<Record<AccessSection, Readonly<Record<string, Entry>>>>;

/** What the names of resources call an entry. Source: components/access.ts. */
const NOUNS: Readonly<Record<AccessSection, string>> = {
  budgets: "budget",
  users: "user",
  teams: "team",
  keys: "key",
  credentials: "credential",
  models: "model",
};

/** Pulumi's name of an entry's resource. */
export function nameResource(section: AccessSection, name: string): string {
  return `access-${NOUNS[section]}-${name}`;
}

/** Pulumi's name of the resource that is a user's place in a team, both by their names in the settings. */
export function nameMember(team: string, user: string): string {
  return `access-member-${team}/${user}`;
}

/** What is LiteLLM's id of an entry, where its name is not. */
const ID_PROPERTIES: Readonly<Record<AccessSection, string>> = {
  budgets: "id",
  users: "id",
  teams: "id",
  keys: "alias",
  credentials: "name",
  models: "id",
};

/** By what an entry is known in LiteLLM. */
function readEntryId(section: AccessSection, name: string, entry: Entry | null): string {
  const own = entry?.[ID_PROPERTIES[section]];
  // Pulumi's CLI stores what looks like a number as one.
  return typeof own === "string" || typeof own === "number" ? String(own) : name;
}

/** Names of what is in the settings already, by section and LiteLLM's id. */
export type KnownNames = Readonly<Partial<Record<AccessSection, ReadonlyMap<string, string>>>>;

export function listKnownNames(settings: Readonly<Record<string, unknown>>): KnownNames {
  return Object.fromEntries(
    accessSections.map((section) => {
      const entries = (settings[section] ?? {}) as Readonly<Record<string, Entry | null>>;
      const names = Object.entries(entries).map(
        ([name, entry]) => [readEntryId(section, name, entry), name] as const,
      );
      return [section, new Map(names)];
    }),
  );
}
