import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { readInputs, readServerDefaults, type Values, writeBody, writeChanges } from "./fields.ts";
import { readMilliseconds } from "./fixed-duration.ts";
import { assertAnswering, type LiveKey, openGateway } from "./gateway.ts";
import { describeKeyFields, flattenKey, formatInstant, orderChanges } from "./key-fields.ts";
import {
  checkKey,
  type VirtualKeyInputs,
  virtualKeyInputs,
  type VirtualKeyOutputs,
} from "./key-inputs.ts";
import { pickChanged, requireOwners } from "./key-owners.ts";
import { type PreviousKey, readCarriedSpend, retireKey } from "./key-rotation.ts";
import { hashKey, isOtherValue } from "./key-value.ts";
import {
  findKeyByAlias,
  generateKey,
  KEY_TOKEN,
  KeyExists,
  nameKey,
  removeKey,
  removeOwnBudget,
  resolveKeyId,
  withAlias,
} from "./live-keys.ts";
import { readMetadata, writeMetadata } from "./metadata.ts";
import { isTakenOver, mayAdopt, nameOwner, readOwner } from "./owner.ts";

export type { VirtualKeyInputs, VirtualKeyOutputs } from "./key-inputs.ts";

const OWN_INPUTS = ["value", "generation", "rotateAfter", "overlap", "adopt"] as const;

/**
 * A key for requests. Its value exists once: in the state, encrypted. A change of anything but
 * `generation` and `value` leaves it as it is; a new value takes over the alias, the limits and what was
 * spent in the budget's present period, and the old one works on for `overlap`, which LiteLLM itself ends.
 *
 * @param options - `now`: milliseconds since 1970; the clock by default
 */
export function defineVirtualKey({ now = Date.now }: { readonly now?: () => number } = {}) {
  const fields = describeKeyFields(now);

  const isOld = ({
    rotateAfter,
    createdAt,
  }: {
    rotateAfter?: string | undefined;
    createdAt: string;
  }) => rotateAfter !== undefined && Date.parse(createdAt) + readMilliseconds(rotateAfter) <= now();

  const isOver = ({ until }: PreviousKey): boolean => Date.parse(until) <= now();

  function needsNewValue(
    inputs: VirtualKeyInputs,
    previousInputs: VirtualKeyInputs,
    { tokenId, createdAt }: VirtualKeyOutputs,
  ): boolean {
    return (
      inputs.generation !== previousInputs.generation ||
      isOtherValue(inputs.value, tokenId) ||
      isOld({ rotateAfter: inputs.rotateAfter, createdAt })
    );
  }

  function toOutputs(
    inputs: VirtualKeyInputs,
    { live, value }: { readonly live: LiveKey; readonly value: string | undefined },
    previous: readonly PreviousKey[],
    serverDefaults = readServerDefaults(fields, inputs, flattenKey(live, inputs.budgetId)),
  ): VirtualKeyOutputs {
    const createdAt = formatInstant(live["created_at"] as string);
    return { value, tokenId: live.token, createdAt, previous, serverDefaults };
  }

  /** @throws KeyExists, but where a killed `up` of this resource has left behind what nobody can use */
  async function make(
    context: OperationContext,
    inputs: VirtualKeyInputs,
    { value, spend = 0 }: { readonly value?: string | undefined; readonly spend?: number } = {},
  ): Promise<{ live: LiveKey; value: string }> {
    const gateway = openGateway(context);
    await requireOwners(gateway, inputs, context.signal);
    if (value !== undefined) {
      // LiteLLM would answer as if it had made it, and leave it as it is.
      const live = await gateway.keys.findNow(hashKey(value), context.signal);
      if (live !== undefined) throw new KeyExists(context, live);
    }
    const body = {
      ...writeBody(fields, inputs),
      ...writeMetadata(fields, inputs, {}, { owner: nameOwner(context) }),
      ...(spend > 0 && { spend }),
    };
    return withAlias(context, inputs.alias, () => generateKey(context, gateway, body, value));
  }

  /** Makes a live key as it is wanted, its value aside. */
  async function bring(
    context: OperationContext,
    inputs: VirtualKeyInputs,
    live: LiveKey,
    serverDefaults: Values = {},
  ): Promise<void> {
    const gateway = openGateway(context);
    const { signal } = context;
    const flat = flattenKey(live, inputs.budgetId);
    const changes: Record<string, unknown> = {
      ...writeMetadata(fields, inputs, flat, { owner: nameOwner(context), serverDefaults }),
      ...writeChanges(fields, inputs, flat, serverDefaults),
    };
    if (Object.keys(changes).length === 0) return;
    await requireOwners(gateway, pickChanged(inputs, changes), signal);
    const update = (body: object) =>
      gateway.api.call({ path: "/key/update", body: { key: live.token, ...body }, signal });
    gateway.keys.forget(live.token);
    for (const step of orderChanges(changes, live, inputs.budgetId)) {
      await withAlias(context, inputs.alias, () => update(step));
    }
    if ("budget_id" in changes) await removeOwnBudget(gateway, live, { ...inputs, signal });
  }

  async function adopt(context: OperationContext, inputs: VirtualKeyInputs, found: KeyExists) {
    const { live } = found;
    const isValueKnown = inputs.value !== undefined && !isOtherValue(inputs.value, live.token);
    const isOurs = readOwner(live.metadata) === nameOwner(context);
    // Ours is what the state has lost, or what a backup has brought back.
    if (!isOurs && !mayAdopt(context, inputs.adopt, readOwner(live.metadata))) throw found;
    if (inputs.value !== undefined && !isValueKnown) {
      throw new Error(
        `key "${inputs.alias}" exists already with another value than the one that is given: take it ` +
          "over without `value`, or choose another alias",
      );
    }
    await bring(context, inputs, live);
    if (!isValueKnown) {
      context.log(
        `key ${nameKey(live)} is taken over. LiteLLM does not tell its value, so output \`value\` is ` +
          "empty: who uses the key goes on with it; another `generation` makes a value that is known here",
        { severity: "warning" },
      );
    }
    const outputs = toOutputs(inputs, { live, value: inputs.value }, [], {});
    return { id: live.token, outputs };
  }

  /** A new value under the same alias. Each step may have been done by an `up` that was killed. */
  async function rotate(
    context: OperationContext,
    live: LiveKey,
    inputs: VirtualKeyInputs,
    previous: readonly PreviousKey[],
  ): Promise<VirtualKeyOutputs> {
    const { signal } = context;
    const gateway = openGateway(context);
    await requireOwners(gateway, inputs, signal);
    const overlapMilliseconds = readMilliseconds(inputs.overlap);
    const retired = await retireKey(gateway, live, { overlapMilliseconds, now: now(), signal });
    const value = isOtherValue(inputs.value, live.token) ? inputs.value : undefined;
    const made = await make(context, inputs, {
      value,
      spend: readCarriedSpend(live, now()),
    }).catch(async (error: unknown) => {
      const isMade = error instanceof KeyExists && error.live.token === hashKey(value ?? "");
      if (!isMade || readOwner(error.live.metadata) !== nameOwner(context)) throw error;
      await bring(context, inputs, error.live);
      return { live: error.live, value };
    });
    context.log(
      isOver(retired)
        ? `key "${inputs.alias}" has a new value; requests with the old one are refused from now on`
        : `key "${inputs.alias}" has a new value; the old one works until ${retired.until}`,
    );
    const kept = [...previous.filter(({ tokenId }) => tokenId !== live.token), retired];
    const left = await removeEnded(context, inputs, kept).catch((error: unknown) => {
      // The new value must not be lost for it: the next `up` tries again.
      context.log(`an old value of key "${inputs.alias}" is left in LiteLLM: ${String(error)}`);
      return kept;
    });
    return toOutputs(inputs, made, left);
  }

  /** Deletes the old values whose time is over, and names those that are left. */
  async function removeEnded(
    context: OperationContext,
    { budgetId }: VirtualKeyInputs,
    previous: readonly PreviousKey[],
  ): Promise<PreviousKey[]> {
    const { signal } = context;
    for (const { tokenId } of previous.filter(isOver)) {
      await removeKey(openGateway(context), tokenId, { budgetId, signal });
    }
    return previous.filter((key) => !isOver(key));
  }

  return {
    token: KEY_TOKEN,
    inputs: virtualKeyInputs,
    computedOutputs: ["value", "tokenId", "createdAt", "previous", "serverDefaults"],
    secretOutputs: ["value"],
    observeBeforeUpdate: true,
    assertObservable: assertAnswering,

    volatileOutputs({ inputs, previousInputs, outputs }) {
      if (needsNewValue(inputs, previousInputs, outputs)) {
        return ["value", "tokenId", "createdAt", "previous", "serverDefaults"];
      }
      return outputs.previous.some(isOver) ? ["previous"] : [];
    },

    check: (inputs, previous) => checkKey(inputs, previous, now()),

    async create(context, inputs) {
      if (inputs.value !== undefined) context.conceal(inputs.value);
      try {
        const made = await make(context, inputs, { value: inputs.value });
        return { id: made.live.token, outputs: toOutputs(inputs, made, []) };
      } catch (error) {
        if (!(error instanceof KeyExists)) throw error;
        return adopt(context, inputs, error);
      }
    },

    async read(context, id, { inputs: known, outputs }) {
      const { signal } = context;
      const { keys } = openGateway(context);
      const tokenId = outputs.tokenId ?? (await resolveKeyId(openGateway(context), id, signal));
      const live = tokenId === undefined ? undefined : await keys.find(tokenId, signal);
      if (live === undefined) return undefined;
      const { value, previous = [], serverDefaults = {} } = outputs;
      const found = await Promise.all(previous.map((key) => keys.find(key.tokenId, signal)));
      const defaults = virtualKeyInputs.parse({ alias: live.key_alias ?? live.token });
      const own = Object.fromEntries(
        OWN_INPUTS.map((name) => [name, known[name] ?? defaults[name]]),
      );
      return {
        inputs: {
          ...defaults,
          ...own,
          ...readInputs(fields, flattenKey(live, known.budgetId), known, serverDefaults),
          metadata: readMetadata(live.metadata, known.metadata),
        },
        outputs: {
          ...toOutputs(defaults, { live, value }, [], serverDefaults),
          previous: previous.filter((_, index) => found[index] !== undefined),
        },
      };
    },

    drift({ createdAt, previous }, { rotateAfter }) {
      const drifted: (keyof VirtualKeyOutputs)[] = [];
      if (isOld({ rotateAfter, createdAt })) drifted.push("tokenId");
      if (previous.some(isOver)) drifted.push("previous");
      return drifted;
    },

    async update(context, _id, { inputs, previousInputs, outputs }) {
      for (const secret of [inputs.value, outputs.value]) {
        if (secret !== undefined) context.conceal(secret);
      }
      const gateway = openGateway(context);
      const live = await gateway.keys.findNow(outputs.tokenId, context.signal);
      const previous = await removeEnded(context, inputs, outputs.previous);
      if (live === undefined) {
        const restored = await findKeyByAlias(gateway, inputs.alias, context.signal);
        if (restored !== undefined && readOwner(restored.metadata) === nameOwner(context)) {
          return (await adopt(context, inputs, new KeyExists(context, restored))).outputs;
        }
        // LiteLLM deletes the keys of a team with the team: the key moves, and nobody has revoked it.
        const isMoved = inputs.teamId !== previousInputs.teamId;
        const made = await make(context, inputs, {
          value: inputs.value ?? (isMoved ? outputs.value : undefined),
        });
        if (made.value !== outputs.value) {
          const message = `key "${inputs.alias}" was deleted in LiteLLM: it is made again, with a new value`;
          context.log(message, { severity: "warning" });
        }
        return toOutputs(inputs, made, previous);
      }
      if (needsNewValue(inputs, previousInputs, outputs)) {
        return rotate(context, live, inputs, previous);
      }
      await bring(context, inputs, live, outputs.serverDefaults);
      const value = outputs.value ?? inputs.value;
      return toOutputs(inputs, { live, value }, previous, outputs.serverDefaults);
    },

    async delete(context, _id, { inputs: { alias, budgetId }, outputs }) {
      const gateway = openGateway(context);
      const live = await gateway.keys.find(outputs.tokenId, context.signal);
      if (isTakenOver(context, `key "${alias}"`, live?.metadata)) return;
      if (live !== undefined) {
        const others = outputs.previous.length > 0 ? ", with the old values that still work" : "";
        context.log(
          `key ${nameKey(live)} is deleted${others}: requests with it are refused from now on`,
          { severity: "warning" },
        );
      }
      for (const { tokenId } of [...outputs.previous, outputs]) {
        await removeKey(gateway, tokenId, { budgetId, signal: context.signal });
      }
    },
  } satisfies ResourceDefinition<VirtualKeyInputs, VirtualKeyOutputs>;
}

export const virtualKey = defineVirtualKey();
