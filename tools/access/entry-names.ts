import { stableNamePattern } from "../../stacks/settings/access-settings.ts";

/** Of a name that is made here: there is room for a number behind it. */
const MOST_CHARACTERS = 90;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export interface NamedThing {
  /** LiteLLM's id. */
  readonly id: string;
  /** What people call it; may be shared by several. */
  readonly label?: string | undefined;
}

/**
 * The keys of the settings that things get, by their ids: the id where it is a name, what people call it
 * where LiteLLM has made the id up. Things that are in the settings already keep the keys they have there.
 */
export function chooseNames(
  things: readonly NamedThing[],
  known: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const taken = new Set(known.values());
  const names = new Map<string, string>();
  for (const thing of things.toSorted((a, b) => compareText(a.id, b.id))) {
    const name = known.get(thing.id) ?? makeUnique(proposeName(thing), taken);
    taken.add(name);
    names.set(thing.id, name);
  }
  return names;
}

/** The order of everything here: the same on every machine, whatever its language. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function proposeName({ id, label = "" }: NamedThing): string {
  const isMadeUp = UUID.test(id);
  if (!isMadeUp && stableNamePattern.test(id)) return id;
  const fromLabel = toStableName(label);
  if (isMadeUp && fromLabel !== "") return fromLabel;
  return toStableName(id) || fromLabel || "unnamed";
}

function toStableName(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .replace(/[^A-Za-z0-9_.@-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, MOST_CHARACTERS)
    .replace(/-+$/, "");
}

function makeUnique(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  let count = 2;
  while (taken.has(`${name}-${count}`)) count++;
  return `${name}-${count}`;
}
