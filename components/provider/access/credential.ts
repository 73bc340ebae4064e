import { isDeepStrictEqual } from "node:util";

import { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { Refusal } from "./api-failure.ts";
import { assertAnswering, type Gateway, type LiveCredential, openGateway } from "./gateway.ts";
import { alreadyExists } from "./managed.ts";
import { maskCredentialValue } from "./masking.ts";
import { addOwner, isTakenOver, mayAdopt, nameOwner, OWNER_KEY, readOwner } from "./owner.ts";
import { findAtWorkers, waitForWorkers } from "./workers.ts";

const TOKEN = "litellm:access:Credential";

const inputs = z.strictObject({
  /** What models name in `litellm_credential_name`. Changing it replaces the credential. */
  name: z.string().min(1),
  /** By LiteLLM's names, such as `api_key` and `api_base`. */
  values: z
    .record(z.string().min(1), z.string())
    .refine((values) => Object.keys(values).length > 0, "needs one value at least"),
  /** Not secret; the admin pages show the provider from `custom_llm_provider`. */
  info: z
    .record(z.string().min(1), z.unknown())
    .refine(
      (info) => !(OWNER_KEY in info),
      `${OWNER_KEY} is where the toolkit writes whose it is: choose another name`,
    )
    .default({}),
  adopt: z.boolean().default(false),
});

export type CredentialInputs = z.output<typeof inputs>;

type Texts = Readonly<Record<string, string>>;
type Values = Readonly<Record<string, unknown>>;

/**
 * Values for a provider that several models refer to, encrypted in LiteLLM's database. LiteLLM returns
 * what sounds like a secret masked (`sk****23`): a value whose mask is not that of ours has drifted, and
 * two values with one mask look the same. On import the masks are what can be read.
 */
export const credential = {
  token: TOKEN,
  inputs,
  computedOutputs: [],
  secretWhenImported: ["values"],
  replaceOnChanges: ["name"],
  deleteBeforeReplace: true,
  observeBeforeUpdate: true,
  assertObservable: assertAnswering,

  async create(context, inputs) {
    await make(context, inputs);
    return { id: inputs.name, outputs: {} };
  },

  async read(context, id, { inputs: known }) {
    const { credentials } = openGateway(context);
    const live =
      (await credentials.find(id, context.signal)) ??
      (await findAtWorkers(() => credentials.findNow(id, context.signal)));
    if (live === undefined) return undefined;
    return {
      inputs: inputs.parse({
        name: id,
        values: readValues(live, known.values ?? {}),
        info: readInfo(live, known.info ?? {}),
        adopt: known.adopt ?? false,
      }),
      outputs: {},
    };
  },

  async update(context, id, { inputs, previousInputs }) {
    const live = await findAtWorkers(() =>
      openGateway(context).credentials.findNow(id, context.signal),
    );
    await (live === undefined
      ? make(context, inputs)
      : bring(context, inputs, live, previousInputs.values));
    return {};
  },

  async delete(context, id) {
    const { api, credentials } = openGateway(context);
    const { signal } = context;
    const live = await findAtWorkers(() => credentials.findNow(id, signal));
    if (isTakenOver(context, `credential "${id}"`, live?.credential_info)) return;
    // Not every worker knows it: the database does.
    await api
      .call({ method: "DELETE", path: pathOf(id), signal })
      .catch((error: unknown) => {
        if (!(error instanceof Refusal && error.status === 404)) throw error;
      })
      .finally(() => {
        credentials.forget(id);
      });
  },
} satisfies ResourceDefinition<CredentialInputs, object>;

async function make(context: OperationContext, inputs: CredentialInputs): Promise<void> {
  const gateway = openGateway(context);
  const { name, values, info } = inputs;
  const { signal } = context;
  const body = {
    credential_name: name,
    credential_values: values,
    credential_info: addOwner(context, info),
  };
  const made = await gateway.api
    .create({ path: "/credentials", body, signal }, () => gateway.credentials.findNow(name, signal))
    .catch(async (error: unknown) => {
      if (!(error instanceof Refusal && error.status === 409)) throw error;
      if (/defined in config/.test(error.reason)) {
        throw new Error(
          `credential "${name}" is in the gateway's own configuration file, which goes before the ` +
            "database: give this one another name",
          { cause: error },
        );
      }
      return { found: await findStored(gateway, name, context) };
    })
    .finally(() => {
      gateway.credentials.forget(name);
    });
  if ("answer" in made) {
    await settle(context, gateway, inputs);
    return;
  }
  const owner = readOwner(made.found.credential_info);
  if (owner !== nameOwner(context) && !mayAdopt(context, inputs.adopt, owner)) {
    throw alreadyExists(context, { token: TOKEN, noun: "credential", id: name, owner });
  }
  await bring(context, inputs, made.found, {});
}

/** Makes what is there as it is wanted: only what differs is sent. */
async function bring(
  context: OperationContext,
  inputs: CredentialInputs,
  live: LiveCredential,
  previous: Texts,
): Promise<void> {
  const gateway = openGateway(context);
  const { name, values, info } = inputs;
  const shown = live.credential_values as Texts;
  const changed = Object.entries(values).filter(
    ([key, value]) =>
      maskCredentialValue(key, value) !== shown[key] || isUnseen(key, value, previous),
  );
  const unset = Object.keys(shown).filter((key) => !(key in values));
  const isInfoWanted =
    readOwner(live.credential_info) === nameOwner(context) &&
    isDeepStrictEqual(readInfo(live, info), info);
  if (changed.length === 0 && unset.length === 0 && isInfoWanted) return;
  const body = {
    // Must be there, and changes nothing where it is empty.
    credential_info: isInfoWanted ? {} : { ...blank(live), ...addOwner(context, info) },
    ...(changed.length > 0 && { credential_values: Object.fromEntries(changed) }),
    ...(unset.length > 0 && { credential_values_to_delete: unset }),
  };
  await gateway.api
    .call({ method: "PATCH", path: pathOf(name), body, signal: context.signal })
    .finally(() => {
      gateway.credentials.forget(name);
    });
  await settle(context, gateway, inputs);
}

/** Waits until the workers know what was written. */
async function settle(
  context: OperationContext,
  gateway: Gateway,
  inputs: CredentialInputs,
): Promise<void> {
  const { name, values, info } = inputs;
  const isKnown = async () => {
    const live = await gateway.credentials.findNow(name, context.signal);
    return (
      live !== undefined &&
      isDeepStrictEqual(readValues(live, values), values) &&
      isDeepStrictEqual(readInfo(live, info), info)
    );
  };
  if ((await waitForWorkers(isKnown, context)) === "all") return;
  context.log(
    `credential "${name}" is stored; not all of LiteLLM's workers have it yet: they read the database now and then`,
  );
}

/** One that is stored, though the worker that was asked does not know it yet. */
async function findStored(
  { credentials }: Gateway,
  name: string,
  { signal }: OperationContext,
): Promise<LiveCredential> {
  let found: LiveCredential | undefined;
  const isKnown = async () => (found ??= await credentials.findNow(name, signal)) !== undefined;
  await waitForWorkers(isKnown, { signal });
  if (found !== undefined) return found;
  throw new Error(
    `credential "${name}" exists already, but LiteLLM does not show it yet: run pulumi up again in a minute`,
  );
}

/** A change of this value could not be seen in what LiteLLM returns. */
function isUnseen(key: string, value: string, previous: Texts): boolean {
  return maskCredentialValue(key, value) !== value && previous[key] !== value;
}

function readValues(live: LiveCredential, known: Texts): Texts {
  return Object.fromEntries(
    Object.entries(live.credential_values as Texts).map(([key, shown]) => {
      const ours = known[key];
      return [key, ours !== undefined && maskCredentialValue(key, ours) === shown ? ours : shown];
    }),
  );
}

function readInfo({ credential_info: live }: LiveCredential, known: Values): Values {
  const own = Object.fromEntries(
    Object.entries(live ?? {}).filter(([key, value]) => key !== OWNER_KEY && value !== null),
  );
  // A key without a value is as good as none.
  const given = Object.entries(known).filter(([, value]) => value !== null);
  return isDeepStrictEqual(own, Object.fromEntries(given)) ? known : own;
}

/**
 * What is there, set to nothing: LiteLLM replaces the whole in its database, but in memory only adds to
 * it until the next reading.
 */
function blank({ credential_info: live }: LiveCredential): Values {
  return Object.fromEntries(Object.keys(live ?? {}).map((key) => [key, null]));
}

function pathOf(name: string): string {
  return `/credentials/${encodeURIComponent(name)}`;
}
