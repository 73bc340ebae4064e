import type { RawConfig } from "../../stacks/settings/settings.ts";
import { listKnownNames } from "./access-tree.ts";
import type { ObservedAccess } from "./observed-access.ts";
import { mergeAccess, type MergedFile, readAccessSetting } from "./stack-file.ts";
import { listSetSecrets } from "../stack-settings.ts";
import { writeAccess } from "./write-access.ts";

/** What is in a gateway and not under the code yet, and how it gets there. */
export interface Adoption {
  readonly file: MergedFile;
  /** Resources that Pulumi imports: nothing is sent to the gateway. Ids of LiteLLM's, by the resource's name. */
  readonly imports: Readonly<Record<string, string>>;
  /** Resources that are taken over as the settings say. */
  readonly adopts: readonly string[];
  readonly notes: readonly string[];
}

export interface AdoptionTarget {
  readonly project: string;
  /** Without its organization. */
  readonly stack: string;
  /** Text of the stack's settings file. */
  readonly text: string;
  readonly config: RawConfig;
  /** Names of the resources in the stack's state. */
  readonly managed: ReadonlySet<string>;
}

/**
 * What is new is imported: the settings say what the gateway has. What the settings say already stays as
 * they say it: where the stack does not manage it yet, it takes it over.
 */
export function planAdoption(
  observed: ObservedAccess,
  { project, stack, text, config, managed }: AdoptionTarget,
): Adoption {
  const settings = readAccessSetting(text, project);
  const { tree, imports, adopts, notes } = writeAccess(observed, {
    known: listKnownNames(settings),
    project: { name: project, stack },
    secrets: listSetSecrets(config),
  });
  const file = mergeAccess(text, project, tree);
  const added = new Set(file.added);
  const isUnmanaged = (resource: string): boolean => !managed.has(resource);
  const importable = Object.keys(imports).filter(isUnmanaged);
  return {
    file,
    imports: Object.fromEntries(
      importable.filter((name) => added.has(name)).map((name) => [name, imports[name] ?? ""]),
    ),
    adopts: [...adopts.filter(isUnmanaged), ...importable.filter((name) => !added.has(name))],
    notes,
  };
}
