import type { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { Refusal } from "./api-failure.ts";
import {
  type Fields,
  readInputs,
  readServerDefaults,
  type Values,
  writeBody,
  writeChanges,
} from "./fields.ts";
import { assertAnswering, type Gateway, type LiveObject, openGateway } from "./gateway.ts";
import type { Lookup } from "./lookup.ts";
import { readMetadata, writeMetadata } from "./metadata.ts";
import {
  isOfSettings,
  isOtherStack,
  isTakenOver,
  mayAdopt,
  nameOwner,
  nameResource,
  OWNER_KEY,
  readOwner,
} from "./owner.ts";

export interface ManagedInputs {
  /** Whether what exists already under the same id is taken over. */
  readonly adopt: boolean;
}

export interface ManagedOutputs {
  /** What LiteLLM's own settings have filled in when it was made, by our names: no drift. */
  readonly serverDefaults: Record<string, unknown>;
}

/** A kind of thing in LiteLLM's database that has an id of our choice. */
export interface Kind<Inputs extends ManagedInputs, Given, Live extends LiveObject> {
  /** Pulumi type token. */
  readonly token: string;
  /** In messages, such as `team`. */
  readonly noun: string;
  readonly inputs: z.ZodType<Inputs, Given>;
  /** The input that is LiteLLM's id. */
  readonly idProperty: keyof Inputs & string;
  /** LiteLLM's name of it. */
  readonly idName: string;
  readonly fields: Fields;
  /** Whether LiteLLM keeps `metadata` with it: the user's, and whose it is. */
  readonly hasMetadata: boolean;
  readonly createPath: string;
  /** Sent with what the fields say. Default: nothing. */
  readonly createOptions?: Values;
  readonly updatePath: string;
  lookup(gateway: Gateway): Lookup<Live>;
  /** The object in the answer to an update. */
  readUpdated(answer: unknown): Live;
  /** Whether a change may be made, where LiteLLM does not see to it. @throws Error where it may not */
  verify?(
    context: OperationContext,
    gateway: Gateway,
    inputs: Inputs,
    changes: Values,
  ): Promise<void>;
  /** Changes that must follow each other, where LiteLLM does not take them at once. Default: all at once. */
  split?(changes: Values): readonly Values[];
  /** Why it was refused, where LiteLLM does not say it well; undefined otherwise. */
  explain?(refusal: Refusal, inputs: Inputs): string | undefined;
  /** Deletes what is there. */
  remove(context: OperationContext, gateway: Gateway, live: Live): Promise<void>;
}

/** So often an object is brought to what is wanted before LiteLLM is taken not to want it. */
const ATTEMPTS = 2;

/** The life cycle that teams, users and budgets share: observe, compare, send only what differs. */
export function manage<Inputs extends ManagedInputs & object, Given, Live extends LiveObject>(
  kind: Kind<Inputs, Given, Live>,
) {
  const { token, noun, fields, idProperty, idName, hasMetadata } = kind;

  async function make(context: OperationContext, inputs: Inputs): Promise<ManagedOutputs> {
    const { signal } = context;
    const gateway = openGateway(context);
    const things = kind.lookup(gateway);
    const id = inputs[idProperty] as string;
    const body = {
      [idName]: id,
      ...writeBody(fields, inputs as Values),
      ...kind.createOptions,
      ...(hasMetadata &&
        writeMetadata(fields, inputs as Values, {}, { owner: nameOwner(context) })),
    };
    let isUncertain = false as boolean;
    const made = await gateway.api
      .create({ path: kind.createPath, body, signal }, () => {
        isUncertain = true;
        return things.findNow(id, signal);
      })
      .catch(async (error: unknown) => {
        if (!(error instanceof Refusal)) throw error;
        const found = await things.findNow(id, signal);
        if (found === undefined) throw explain(error, inputs);
        return { found };
      })
      .finally(() => {
        things.forget(id);
      });
    things.confirm(id);
    if ("answer" in made) {
      const live = made.answer as Live;
      return bring(context, inputs, live, readServerDefaults(fields, inputs as Values, live));
    }
    const { found } = made;
    // An earlier try may have made it, which can be seen only by what it is where nobody is named.
    const isOurs = hasMetadata
      ? readOwner(found["metadata"]) === nameOwner(context)
      : isUncertain && Object.keys(difference(context, inputs, found, {})).length === 0;
    if (!isOurs && !mayAdopt(context, inputs.adopt, readOwner(found["metadata"]))) {
      throw alreadyExists(context, { token, noun, id, owner: readOwner(found["metadata"]) });
    }
    const defaults = isOurs ? readServerDefaults(fields, inputs as Values, found) : {};
    return bring(context, inputs, found, defaults);
  }

  /** Makes what is there as it is wanted. */
  async function bring(
    context: OperationContext,
    inputs: Inputs,
    found: Live,
    serverDefaults: Values,
  ): Promise<ManagedOutputs> {
    const gateway = openGateway(context);
    const id = inputs[idProperty] as string;
    let live = found;
    for (let attempt = 1; ; attempt++) {
      const changes = difference(context, inputs, live, serverDefaults);
      if (Object.keys(changes).length === 0) return { serverDefaults: { ...serverDefaults } };
      if (attempt > ATTEMPTS) {
        throw new Error(
          `${noun} "${id}": LiteLLM says that it has changed ${Object.keys(changes).join(", ")}, ` +
            "and has not: see whether its settings fix it, or leave it out of the program",
        );
      }
      await kind.verify?.(context, gateway, inputs, changes);
      for (const part of kind.split?.(changes) ?? [changes]) {
        live = await send(context, inputs, part);
      }
    }
  }

  async function send(context: OperationContext, inputs: Inputs, changes: Values): Promise<Live> {
    const gateway = openGateway(context);
    const id = inputs[idProperty] as string;
    const body = { [idName]: id, ...changes };
    const answer = await gateway.api
      .call({ path: kind.updatePath, body, signal: context.signal })
      .catch((error: unknown) => {
        throw error instanceof Refusal ? explain(error, inputs) : error;
      })
      .finally(() => {
        kind.lookup(gateway).forget(id);
      });
    return kind.readUpdated(answer);
  }

  function difference(
    context: OperationContext,
    inputs: Inputs,
    live: Live,
    serverDefaults: Values,
  ): Values {
    const values = inputs as Values;
    return {
      ...(hasMetadata &&
        writeMetadata(fields, values, live, { owner: nameOwner(context), serverDefaults })),
      ...writeChanges(fields, values, live, serverDefaults),
    };
  }

  function explain(refusal: Refusal, inputs: Inputs): Error {
    const reason = kind.explain?.(refusal, inputs);
    return reason === undefined ? refusal : new Error(reason, { cause: refusal });
  }

  return {
    token,
    inputs: kind.inputs,
    computedOutputs: ["serverDefaults"],
    replaceOnChanges: [idProperty],
    deleteBeforeReplace: true,
    observeBeforeUpdate: true,
    assertObservable: assertAnswering,

    async create(context, inputs) {
      return { id: inputs[idProperty] as string, outputs: await make(context, inputs) };
    },

    async read(context, id, { inputs: known, outputs }) {
      const live = await kind.lookup(openGateway(context)).find(id, context.signal);
      if (live === undefined) return undefined;
      const { serverDefaults = {} } = outputs;
      const { metadata } = known as { metadata?: Values };
      return {
        inputs: {
          ...kind.inputs.parse({ [idProperty]: id, adopt: known.adopt ?? false }),
          ...readInputs(fields, live, known, serverDefaults),
          ...(hasMetadata && { metadata: readMetadata(live["metadata"], metadata) }),
        },
        outputs: { serverDefaults },
      };
    },

    async update(context, id, { inputs, outputs }) {
      const things = kind.lookup(openGateway(context));
      const live = await things.findNow(id, context.signal);
      return live === undefined
        ? make(context, inputs)
        : bring(context, inputs, live, outputs.serverDefaults);
    },

    async delete(context, id) {
      const gateway = openGateway(context);
      const things = kind.lookup(gateway);
      const live = await things.findNow(id, context.signal);
      if (live === undefined) return;
      if (isTakenOver(context, `${noun} "${id}"`, live["metadata"])) return;
      try {
        await kind.remove(context, gateway, live);
      } catch (error) {
        if (!(error instanceof Refusal && error.status === 404)) throw error;
      } finally {
        things.forget(id);
      }
    },
  } satisfies ResourceDefinition<Inputs, ManagedOutputs>;
}

/** What exists and is not ours, with the ways to take it over. */
export function alreadyExists(
  context: Pick<OperationContext, "urn">,
  {
    token,
    noun,
    id,
    owner,
    name = id,
  }: {
    readonly token: string;
    /** Such as `team`. */
    readonly noun: string;
    /** As an import takes it. */
    readonly id: string;
    /** Who manages it; undefined where nobody is named. */
    readonly owner: string | undefined;
    /** What the user calls it. Default: the id. */
    readonly name?: string;
  },
): Error {
  if (owner !== undefined && !isOtherStack(context, owner)) {
    const resource = owner.replace(/^.*?:.*?:/, "");
    return new Error(
      `${noun} "${name}" is what resource "${resource}" of this stack has made: leave it under that name, ` +
        `or rename it in the state: pulumi state rename '<urn of ${resource}>' ${quote(nameResource(context))}`,
    );
  }
  const whose =
    owner === undefined
      ? `${OWNER_KEY} is not set: it was made by hand, or by an \`up\` that ended early`
      : `managed by ${owner}`;
  const ways = isOfSettings(context)
    ? "take it over (pulumi config set --path access.adopt true), or import it as it is: npm run adopt"
    : "take it over with adopt: true, or import it as it is: " +
      `pulumi import ${token} ${quote(nameResource(context))} ${quote(id)} --provider gateway='<urn of the provider>'`;
  return new Error(`${noun} "${name}" exists already, and is not this stack's (${whose}): ${ways}`);
}

/** For a shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
