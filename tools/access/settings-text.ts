import { stringify } from "yaml";

import { describeTextDifference } from "../preview/text-difference.ts";
import { accessSections } from "../../stacks/settings/access-settings.ts";
import type { AccessTree } from "./access-tree.ts";
import { compareText } from "./entry-names.ts";

/** As Pulumi reads it, and as a person writes it: a text that YAML could take for something else is quoted. */
const STYLE = { compat: "yaml-1.1", lineWidth: 0 } as const;

/** The setting, to be put below `config:` of a stack's file; what there is to know stands above it. */
export function formatSettings(
  project: string,
  tree: AccessTree,
  notes: readonly string[],
): string {
  const comments = notes.map((note) => `# ${note}\n`).join("");
  const entries = dropEmptySections(tree);
  return comments + indent(stringify({ [`${project}:access`]: entries }, STYLE));
}

/** What differs between two gateways, entry by entry, in the notation of `diff -u`; empty where nothing does. */
export function compareTrees(before: AccessTree, after: AccessTree): string {
  return accessSections
    .flatMap((section) => {
      const [old, now] = [before[section], after[section]];
      const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].toSorted(compareText);
      return names.flatMap((name) => {
        const difference = describeTextDifference(
          formatEntry(name, old[name]),
          formatEntry(name, now[name]),
        );
        return difference === ""
          ? []
          : [difference.replaceAll(/^@@.*@@$/gm, `@@ ${section}.${name} @@`)];
      });
    })
    .join("\n");
}

function formatEntry(name: string, entry: object | undefined): string {
  return entry === undefined ? "" : stringify({ [name]: entry }, STYLE);
}

/** An empty gateway is an empty setting. */
function dropEmptySections(tree: AccessTree): Partial<AccessTree> {
  return Object.fromEntries(
    Object.entries(tree).filter(([, entries]) => Object.keys(entries).length > 0),
  );
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
