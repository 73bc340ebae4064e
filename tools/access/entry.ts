import { isDeepStrictEqual } from "node:util";

import { compareText } from "./entry-names.ts";

/** One thing of the settings, as a person writes it: what is default is left out. */
export type Entry = Readonly<Record<string, unknown>>;

/** Entries by their names, in the order of these; what is undefined is left out. */
export function sortEntries<Thing>(
  things: readonly Thing[],
  write: (thing: Thing) => readonly [string, Entry] | undefined,
): Record<string, Entry> {
  return Object.fromEntries(
    things
      .map(write)
      .filter((entry) => entry !== undefined)
      .toSorted(([a], [b]) => compareText(a, b)),
  );
}

/** What of a resource's inputs nobody takes for granted, `besides` what is written in another way. */
export function dropDefaults(
  inputs: object,
  defaults: Entry,
  besides: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs).filter(
      ([property, value]) =>
        value !== undefined &&
        property !== "adopt" &&
        !besides.includes(property) &&
        !isDeepStrictEqual(value, defaults[property]),
    ),
  );
}

/** Without the records that say nothing. */
export function dropEmpty(records: Readonly<Record<string, Entry>>): Entry {
  return Object.fromEntries(
    Object.entries(records).filter(([, record]) => Object.keys(record).length > 0),
  );
}

/** A property that is left out where it is the entry's name. */
export function unlessNamed(name: string, property: string, value: string): Entry {
  return name === value ? {} : { [property]: value };
}
