import { isMap, parseDocument } from "yaml";

import { accessSections } from "../../stacks/settings/access-settings.ts";
import { type AccessTree, nameMember, nameResource } from "./access-tree.ts";
import type { Entry } from "./entry.ts";

/** A stack's file with what was added to its setting `access`. */
export interface MergedFile {
  readonly text: string;
  /** Names of the resources that are new. */
  readonly added: readonly string[];
}

/** A text that YAML could take for something else is quoted. */
const OPTIONS = { compat: "yaml-1.1" } as const;

/**
 * The setting `access` of a stack's file; empty where it has none.
 *
 * @throws Error where nothing can be added to it, such as one that was set as a text
 */
export function readAccessSetting(
  text: string,
  project: string,
): Readonly<Record<string, unknown>> {
  const document = parseDocument(text, OPTIONS);
  const [error] = document.errors;
  if (error !== undefined) throw new Error(`the stack's file is no YAML: ${error.message}`);
  const setting = document.getIn(pathOf(project));
  if (setting === undefined || setting === null) return {};
  if (!isMap(setting)) {
    throw new Error(
      "the setting access is no mapping, so nothing can be added to it; take it out: pulumi config rm access",
    );
  }
  return setting.toJS(document) as Record<string, unknown>;
}

/** Adds what the settings do not have. What they have stays, and so do comments and order. */
export function mergeAccess(text: string, project: string, tree: AccessTree): MergedFile {
  const document = parseDocument(text, OPTIONS);
  const added: string[] = [];
  const add = (path: readonly string[], value: Entry, resources: readonly string[]): void => {
    for (const length of path.keys()) {
      // A name that is followed by nothing.
      const parent = path.slice(0, length);
      if (document.getIn(parent) === null) document.setIn(parent, document.createNode({}));
    }
    document.setIn(path, document.createNode(value));
    added.push(...resources);
  };
  for (const section of accessSections) {
    for (const [name, entry] of Object.entries(tree[section])) {
      const path = [...pathOf(project), section, name];
      const members = Object.entries((entry["members"] ?? {}) as Readonly<Record<string, Entry>>);
      if (!document.hasIn(path)) {
        const own = members.map(([member]) => nameMember(name, member));
        add(path, entry, [nameResource(section, name), ...own]);
        continue;
      }
      for (const [member, limits] of members) {
        const place = [...path, "members", member];
        if (!document.hasIn(place)) add(place, limits, [nameMember(name, member)]);
      }
    }
  }
  return { text: added.length === 0 ? text : document.toString({ lineWidth: 0 }), added };
}

function pathOf(project: string): string[] {
  return ["config", `${project}:access`];
}
