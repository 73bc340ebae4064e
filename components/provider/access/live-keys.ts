import type { OperationContext } from "../resource.ts";
import { Refusal } from "./api-failure.ts";
import { type Gateway, type LiveKey, openGateway } from "./gateway.ts";
import { readOwnBudget } from "./key-fields.ts";
import { generateKeyValue, hashKey, isKeyHash } from "./key-value.ts";
import { alreadyExists } from "./managed.ts";
import { removeBudgets } from "./member-budget.ts";
import { nameOwner, readOwner } from "./owner.ts";

/** Pulumi type token. */
export const KEY_TOKEN = "litellm:access:VirtualKey";

/** So long after it a killed `up` is run again. */
const ORPHAN_MILLISECONDS = 60 * 60 * 1000;

/** The alias, or the value that was given, belongs to a key that LiteLLM has already. */
export class KeyExists extends Error {
  readonly live: LiveKey;

  constructor(context: OperationContext, live: LiveKey) {
    const owner = readOwner(live.metadata);
    const name = live.key_alias ?? live.token;
    super(
      alreadyExists(context, { token: KEY_TOKEN, noun: "key", id: live.token, owner, name })
        .message,
    );
    this.live = live;
  }
}

/** Sends the request that makes a key; LiteLLM is given the value, so that nothing is ever made twice. */
export async function generateKey(
  context: OperationContext,
  gateway: Gateway,
  body: object,
  given: string | undefined,
): Promise<{ live: LiveKey; value: string }> {
  const { signal } = context;
  const value = given ?? generateKeyValue();
  const tokenId = hashKey(value);
  context.conceal(value);
  gateway.keys.forget(tokenId);
  const find = () => gateway.keys.findNow(tokenId, signal);
  const made = await gateway.api
    .create({ path: "/key/generate", body: { ...body, key: value }, signal }, find)
    .catch(async (error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      // A try that was thought lost may have arrived after we had looked.
      const found = await find();
      if (found !== undefined) return { found };
      if (!/custom api key values are disabled/i.test(error.reason)) throw error;
      if (given !== undefined) {
        throw new Error(
          "this gateway takes no values of its users' (disable_custom_api_keys): leave `value` out",
          { cause: error },
        );
      }
      return undefined;
    });
  if (made === undefined) return generateThere(context, gateway, body);
  if ("found" in made) return { live: made.found, value };
  const live = made.answer as LiveKey & { readonly key: string };
  context.conceal(live.key);
  if (live.key !== value && given !== undefined) {
    await removeKey(gateway, hashKey(live.key), { signal });
    throw new Error(
      "LiteLLM has made a key with another value than the one that was given: leave `value` out",
    );
  }
  return { live, value: live.key };
}

/** LiteLLM chooses the value. Where its answer is lost, so is the value: what it made is deleted. */
async function generateThere(
  context: OperationContext,
  gateway: Gateway,
  body: { readonly key_alias?: string },
): Promise<{ live: LiveKey; value: string }> {
  const { signal } = context;
  const { answer } = (await gateway.api.create(
    { path: "/key/generate", body, signal },
    async () => {
      const lost = await findKeyByAlias(gateway, body.key_alias ?? "", signal);
      if (lost !== undefined && isOrphan(context, lost))
        await removeKey(gateway, lost.token, { signal });
      return undefined;
    },
  )) as { answer: unknown };
  const live = answer as LiveKey & { readonly key: string };
  context.conceal(live.key);
  gateway.keys.forget(live.token);
  return { live, value: live.key };
}

/** Does what needs the alias, for which it frees it from what a killed `up` of this resource has left. */
export async function withAlias<Result>(
  context: OperationContext,
  alias: string,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refusal && /alias .* already exists/i.test(error.reason))) throw error;
    const gateway = openGateway(context);
    const holder = await findKeyByAlias(gateway, alias, context.signal);
    if (holder === undefined) throw error;
    if (!isOrphan(context, holder)) throw new KeyExists(context, holder);
    context.log(`key ${nameKey(holder)}, which an interrupted run has left, is made anew`);
    await removeKey(gateway, holder.token, context);
    return act();
  }
}

/**
 * Whether it was made by an `up` that was killed before anybody learnt its value. An older one may be in
 * somebody's hands: a backup was restored, or the state was lost.
 */
function isOrphan(context: OperationContext, live: LiveKey): boolean {
  const isUnused = live["total_spend"] === 0 && live["last_active"] === null;
  const age = Date.now() - Date.parse(live["created_at"] as string);
  return readOwner(live.metadata) === nameOwner(context) && isUnused && age < ORPHAN_MILLISECONDS;
}

export async function findKeyByAlias(
  { api }: Gateway,
  alias: string,
  signal: AbortSignal,
): Promise<LiveKey | undefined> {
  const path = `/key/list?return_full_object=true&key_alias=${encodeURIComponent(alias)}`;
  const { keys } = (await api.call({ path, signal })) as { keys: LiveKey[] };
  return keys.find(({ key_alias: found }) => found === alias);
}

/**
 * Deletes a key, and the budget that LiteLLM has made for it and would leave behind.
 *
 * @param budgetId - what the program names for this key, which stays
 */
export async function removeKey(
  gateway: Gateway,
  tokenId: string,
  { budgetId, signal }: { readonly budgetId?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const { keys, keyDeletions } = gateway;
  const live = await keys.find(tokenId, signal);
  keys.forget(tokenId);
  if (live === undefined) return;
  await keyDeletions.delete(tokenId, signal);
  await removeOwnBudget(gateway, live, { budgetId, signal });
}

/** @param options - `budgetId`: what the program names for this key, which stays */
export async function removeOwnBudget(
  gateway: Gateway,
  live: LiveKey,
  { budgetId, signal }: { readonly budgetId?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const id = readOwnBudget(live, budgetId);
  if (id !== undefined) await removeBudgets(gateway, [id], signal);
}

/** By alias and, as LiteLLM abbreviates it, by value: `"search-ci" (sk-...abcd)`. */
export function nameKey(live: LiveKey): string {
  const { key_alias: alias, key_name: abbreviation, token } = live;
  const name = `"${alias ?? token}"`;
  return typeof abbreviation === "string" ? `${name} (${abbreviation})` : name;
}

/**
 * The hash of the key that is to be imported, by its hash or alias; undefined where there is none.
 *
 * @throws Error where the id to import is a value, which would stay readable in the state
 */
export async function resolveKeyId(
  gateway: Gateway,
  id: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (isKeyHash(id)) return id;
  if (id.startsWith("sk-")) {
    throw new Error(
      `a key is imported by its alias or by its hash, not by its value: printf %s "$KEY" | sha256sum`,
    );
  }
  return (await findKeyByAlias(gateway, id, signal))?.token;
}
