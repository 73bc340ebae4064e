import type { LiveObject } from "../../components/provider/access/gateway.ts";
import { readOwner } from "../../components/provider/access/owner.ts";
import type { AccessSection } from "../../stacks/settings/access-settings.ts";
import type { KnownNames } from "./access-tree.ts";
import { chooseNames, compareText } from "./entry-names.ts";
import type { Observed } from "./observed-access.ts";
import { type Kind, listWithoutSetting } from "./without-setting.ts";

export interface WriteOptions {
  /** Names of what is in the settings already, by section and LiteLLM's id (a key's alias). */
  readonly known?: KnownNames;
  /** What other stacks manage is left out. Default: everything is written, whoever manages it. */
  readonly project?: { readonly name: string; readonly stack: string };
  /** Names of the secrets that are set: what needs others is left out. Default: nothing is. */
  readonly secrets?: ReadonlySet<string>;
  /** Default: now. */
  readonly now?: Date;
}

/** One thing that can be written. */
export type Writable<Inputs, Live> = Observed<Inputs, Live> & { readonly inputs: Inputs };

/** What is found out about a gateway while it is written as settings. */
export class Findings {
  readonly options: WriteOptions;
  /** Ids for `pulumi import`, by the name of the resource. */
  readonly imports: Record<string, string> = {};
  /** Resources that cannot be imported, because they are not quite what the settings will say. */
  readonly adopts: string[] = [];
  /** In plain words. */
  readonly notes: string[] = [];

  constructor(options: WriteOptions) {
    this.options = options;
  }

  /** What can be written, and is nobody else's. */
  select<Inputs, Live extends LiveObject>(
    kind: string,
    things: readonly Observed<Inputs, Live>[],
    labelOf: (thing: Observed<Inputs, Live>) => string,
  ): Writable<Inputs, Live>[] {
    return things
      .toSorted((a, b) => compareText(a.id, b.id))
      .filter((thing): thing is Writable<Inputs, Live> => {
        const about = `${kind} "${labelOf(thing)}"`;
        const owner = this.#findOtherOwner(thing.live);
        if (owner !== undefined) this.notes.push(`${about} is left out: it is managed by ${owner}`);
        else if (thing.problem !== undefined) {
          this.notes.push(`${about} is left out, for no setting says it: ${thing.problem}`);
        }
        return owner === undefined && thing.inputs !== undefined;
      });
  }

  /** The names that things get in the settings, by their ids. */
  name<Thing extends { readonly id: string }>(
    section: AccessSection,
    things: readonly Thing[],
    labelOf: (thing: Thing) => string | undefined = () => undefined,
  ): ReadonlyMap<string, string> {
    return chooseNames(
      things.map((thing) => ({ id: thing.id, label: labelOf(thing) })),
      this.options.known?.[section],
    );
  }

  /** Whether it is in the settings, so that who wrote them knows about it. */
  isKnown(section: AccessSection, id: string): boolean {
    return this.options.known?.[section]?.has(id) === true;
  }

  /** Notes what no setting says of something that is new to the settings. */
  remark(kind: Kind, id: string, label: string, { live, inputs }: Writable<object, LiveObject>) {
    const left = listWithoutSetting(kind, live, inputs);
    if (left.length === 0 || this.isKnown(`${kind}s`, id)) return;
    this.notes.push(
      `${kind} "${label}": no setting says ${left.join(", ")}; LiteLLM keeps what it has`,
    );
  }

  #findOtherOwner({ metadata, model_info, credential_info }: LiveObject): string | undefined {
    const { project } = this.options;
    const owner = readOwner(metadata) ?? readOwner(model_info) ?? readOwner(credential_info);
    return project === undefined || owner?.startsWith(`pulumi:${project.name}/${project.stack}:`)
      ? undefined
      : owner;
  }
}
