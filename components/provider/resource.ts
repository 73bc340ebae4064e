import type { z } from "zod";

/** Property values as they cross the wire: JSON with `undefined` left out. */
export type Properties = Record<string, unknown>;

/** What every operation on a resource is given beside its properties. */
export interface OperationContext {
  readonly urn: string;
  /** Aborted when the user cancels the deployment; long waits must end on it. */
  readonly signal: AbortSignal;
  /** What the provider was configured with, secrets in clear; nothing by default. */
  readonly configuration: Properties;
  /** Hides a secret that was made or learnt here in all that is printed from now on. */
  conceal(secret: string): void;
  /** A line shown beside the resource while it is worked on; kept in the log unless `ephemeral`. */
  log(message: string, options?: { ephemeral?: boolean; severity?: "info" | "warning" }): void;
}

/** One input that cannot be accepted, in the user's words. */
export interface CheckFailure {
  /** Path of the property, such as `command[0]`. */
  readonly property: string;
  readonly reason: string;
}

/**
 * A custom resource: observe, compare, change only what differs, read back.
 *
 * Inputs reach every method already parsed by `inputs`. Stored outputs are a
 * cache of stable ids, never the truth: `read` observes.
 */
export interface ResourceDefinition<
  Inputs extends object = Properties,
  Outputs extends object = Properties,
> {
  /** Pulumi type token, such as `litellm:host:File`. Part of every URN: never rename. */
  readonly token: string;
  /** Strict schema of the inputs; defaults belong here. */
  readonly inputs: z.ZodType<Inputs>;
  /** Outputs known only after `create` ran: shown as unknown in a preview. */
  readonly computedOutputs: readonly (keyof Outputs & string)[];
  /** Outputs that an update changes: shown as unknown while previewing one. Default: none. */
  readonly volatileOutputs?:
    | readonly (keyof Outputs & string)[]
    | ((change: {
        inputs: Inputs;
        previousInputs: Inputs;
        outputs: Inputs & Outputs;
      }) => readonly (keyof Outputs & string)[]);
  /** Outputs that are always secret in state. */
  readonly secretOutputs?: readonly (keyof Outputs & string)[];
  /** Inputs that an import marks secret, because no program has said yet whether they are. */
  readonly secretWhenImported?: readonly (keyof Inputs & string)[];
  /** Inputs whose change replaces the resource. */
  readonly replaceOnChanges?: readonly (keyof Inputs & string)[];
  /** Delete the old one before a replacement is made, because they would share a name. */
  readonly deleteBeforeReplace?: boolean;
  /**
   * Compare with what is there, not with what the state remembers, so that a plain `preview`
   * shows drift and a plain `up` mends it. `read` must be quick, and `update` must make what is
   * gone. Pulumi's own `refreshBeforeUpdate` would start the plugin a second time, each time.
   * Where `read` throws {@link Unobservable}, what the state remembers has to do.
   */
  readonly observeBeforeUpdate?: boolean;
  /**
   * Finds out quickly whether `read` could look now, for nobody wants to wait for a preview.
   *
   * @throws Unobservable when it could not
   */
  assertObservable?(context: OperationContext): Promise<void>;
  /**
   * Inputs that say where the resource is, such as the connection to its machine. It is looked for
   * where the program says that it is now: at the address in the state there may be nobody any more.
   */
  readonly locatedBy?: readonly (keyof Inputs & string)[];
  /** Checks that need more than the schema, such as a value that must never change. */
  check?(inputs: Inputs, previous: Inputs | undefined): CheckFailure[] | Promise<CheckFailure[]>;
  create(context: OperationContext, inputs: Inputs): Promise<{ id: string; outputs: Outputs }>;
  /** What is there now, or undefined when it is gone. `inputs` and `outputs` are empty on import. */
  read(
    context: OperationContext,
    id: string,
    state: { inputs: Partial<Inputs>; outputs: Partial<Inputs & Outputs> },
  ): Promise<{ inputs: Inputs; outputs: Outputs } | undefined>;
  /** Leave out when every change replaces. */
  update?(
    context: OperationContext,
    id: string,
    change: { inputs: Inputs; previousInputs: Inputs; outputs: Inputs & Outputs },
  ): Promise<Outputs>;
  /** Must succeed when the thing is gone already. */
  delete(
    context: OperationContext,
    id: string,
    state: { inputs: Inputs; outputs: Inputs & Outputs },
  ): Promise<void>;
  /** Outputs that `read` found different from what they must be; each forces an update. */
  drift?(outputs: Inputs & Outputs, inputs: Inputs): readonly (keyof Outputs & string)[];
}

/** Nobody can say now what is there: it is down, or lets us in only after this very deployment. */
export class Unobservable extends Error {
  override readonly name = "Unobservable";
}

/** The resource exists but is not as it must be: its state is kept, so that the next `up` resumes. */
export class PartialFailure extends Error {
  readonly id: string;
  readonly outputs: Properties;

  constructor(message: string, id: string, outputs: object) {
    super(message);
    this.name = "PartialFailure";
    this.id = id;
    this.outputs = outputs as Properties;
  }
}
