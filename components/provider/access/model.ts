import { isDeepStrictEqual } from "node:util";

import { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { listChanges } from "../server/diff.ts";
import { formatPath } from "../server/property-path.ts";
import { Refusal } from "./api-failure.ts";
import { assertAnswering, type Gateway, type LiveModel, openGateway } from "./gateway.ts";
import { alreadyExists } from "./managed.ts";
import {
  listParamChanges,
  readModelInfo,
  readParams,
  RESET_PARAMS,
  SERVER_INFO,
} from "./model-params.ts";
import { isTakenOver, mayAdopt, nameOwner, OWNER_KEY, readOwner } from "./owner.ts";
import { findAtWorkers, waitForWorkers } from "./workers.ts";

const TOKEN = "litellm:access:Model";

/** LiteLLM drops prices from `model_info`. Source: litellm, is_server_derived_pricing_key. */
const PRICE = /(^|_)cost(_|$)|_above_\d+k?_tokens|^(tiered_pricing|off_peak_pricing)$/;
const PRICE_IN_INFO = "cost_per_ptu_per_hour";

const inputs = z.strictObject({
  /** LiteLLM's id of the deployment, `model_info.id`. Changing it replaces the model. */
  modelId: z.string().min(1),
  /** What clients call it. Several deployments of one name share its load. */
  name: z.string().min(1),
  /** `litellm_params`, by LiteLLM's names; may hold secrets. `model` is required. */
  params: z.record(z.string().min(1), z.unknown()).superRefine((params, refinement) => {
    if (typeof params["model"] !== "string" || params["model"] === "") {
      refinement.addIssue({
        code: "custom",
        path: ["model"],
        message: "must name the provider and its model, such as openai/gpt-5",
      });
    }
  }),
  /** By LiteLLM's names, such as `base_model` and `access_groups`. Prices belong in `params`. */
  modelInfo: z
    .record(z.string().min(1), z.unknown())
    .superRefine((info, refinement) => {
      for (const key of Object.keys(info)) {
        const message = refuseInfo(key);
        if (message !== undefined) refinement.addIssue({ code: "custom", path: [key], message });
      }
    })
    .default({}),
  /** Whether it gets no requests, as the admin pages' pause does it. */
  blocked: z.boolean().default(false),
  adopt: z.boolean().default(false),
});

export type ModelInputs = z.output<typeof inputs>;

type Values = Readonly<Record<string, unknown>>;

/**
 * A deployment of a model that is stored in LiteLLM's database, beside those of its configuration file;
 * needs `general_settings.store_model_in_db`.
 *
 * What LiteLLM returns masked is compared by its mask. What it does not return at all (`api_key`, keys of
 * AWS and Vertex, and what is read from an environment variable by `os.environ/…`) is taken for what the
 * state remembers, and sent when the program changes it. What belongs to one team (`team_id`) is stored
 * by LiteLLM under a name of its own, and not offered.
 */
export const model = {
  token: TOKEN,
  inputs,
  computedOutputs: [],
  secretWhenImported: ["params"],
  replaceOnChanges: ["modelId"],
  deleteBeforeReplace: true,
  observeBeforeUpdate: true,
  assertObservable: assertAnswering,

  async create(context, inputs) {
    await make(context, inputs);
    return { id: inputs.modelId, outputs: {} };
  },

  async read(context, id, { inputs: known }) {
    const { models } = openGateway(context);
    const live =
      (await models.find(id, context.signal)) ??
      (await findAtWorkers(() => models.findNow(id, context.signal)));
    return live && { inputs: readModel(live, known), outputs: {} };
  },

  async update(context, id, { inputs, previousInputs }) {
    const gateway = openGateway(context);
    const live = await findAtWorkers(() => gateway.models.findNow(id, context.signal));
    if (live === undefined) {
      await make(context, inputs);
    } else if (await bring(context, inputs, live, previousInputs.params)) {
      const problem = await settle(context, gateway, inputs);
      if (problem !== undefined) {
        await restore(context, gateway, previousInputs);
        throw new Error(problem.message);
      }
    }
    return {};
  },

  async delete(context, id) {
    const gateway = openGateway(context);
    const live = await findAtWorkers(() => gateway.models.findNow(id, context.signal));
    if (isTakenOver(context, `model "${id}"`, live?.model_info)) return;
    await removeStandIn(gateway, id, context);
    await remove(gateway, id, context);
  },
} satisfies ResourceDefinition<ModelInputs, object>;

async function make(context: OperationContext, inputs: ModelInputs): Promise<void> {
  const gateway = openGateway(context);
  const { modelId: id } = inputs;
  const found = await store(context, gateway, inputs, id);
  const owner = found && readOwner(found.model_info);
  const isOurs = found === undefined || owner === nameOwner(context);
  if (!isOurs && !mayAdopt(context, inputs.adopt, owner)) {
    throw alreadyExists(context, { token: TOKEN, noun: "model", id, owner });
  }
  if (found !== undefined) await bring(context, inputs, found, {});
  await removeStandIn(gateway, id, context);
  const problem = await settle(context, gateway, inputs);
  if (problem?.isServed === true) context.log(problem.message, { severity: "warning" });
  if (problem?.isServed !== false) return;
  // No state would know of it.
  if (isOurs) await remove(gateway, id, context);
  throw new Error(problem.message);
}

/** The model as LiteLLM takes it, under this id. */
function describe(context: OperationContext, { name, params, modelInfo }: ModelInputs, id: string) {
  return {
    model_name: name,
    litellm_params: params,
    model_info: { ...modelInfo, id, [OWNER_KEY]: nameOwner(context) },
  };
}

function pathOf(id: string): string {
  return `/model/${encodeURIComponent(id)}/update`;
}

/** @returns what is there already under this id, by whomever it was made; undefined where it was stored */
async function store(
  context: OperationContext,
  { api, models }: Gateway,
  inputs: ModelInputs,
  id: string,
): Promise<LiveModel | undefined> {
  const { signal } = context;
  const body = { ...describe(context, inputs, id), ...(inputs.blocked && { blocked: true }) };
  const made = await api
    // For an id that is taken it answers 500, as for all that has failed.
    .create({ path: "/model/new", body, signal }, () => models.findNow(id, signal))
    .catch(async (error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      const found = await models.findNow(id, signal);
      if (found === undefined) throw error;
      return { found };
    })
    .finally(() => {
      models.forget(id);
    });
  return "found" in made ? made.found : undefined;
}

/**
 * Makes what is there as it is wanted: only what differs is sent.
 *
 * @returns whether anything differed
 */
async function bring(
  context: OperationContext,
  inputs: ModelInputs,
  live: LiveModel,
  previous: Values,
): Promise<boolean> {
  const gateway = openGateway(context);
  const { modelId: id, name, params, modelInfo, blocked } = inputs;
  const { changed, removed } = listParamChanges(params, live.litellm_params, previous);
  const info = readModelInfo(live, modelInfo);
  const changedInfo = pick(modelInfo, (key, value) => !isDeepStrictEqual(value, info[key]));
  const isOurs = readOwner(live.model_info) === nameOwner(context);
  if (removed.length > 0 || Object.keys(info).some((key) => !(key in modelInfo))) {
    await rebuild(context, gateway, inputs);
    return true;
  }
  const change = {
    ...(name !== live.model_name && { model_name: name }),
    ...(Object.keys(changed).length > 0 && {
      // An update sets them to what they are by default, unless it says otherwise.
      litellm_params: { ...pick(params, (key) => RESET_PARAMS.has(key)), ...changed },
    }),
    ...((Object.keys(changedInfo).length > 0 || !isOurs) && {
      // Without its id it gets a new one there.
      model_info: { ...changedInfo, id, [OWNER_KEY]: nameOwner(context) },
    }),
    ...(blocked !== (live.model_info["blocked"] === true) && { blocked }),
  };
  if (Object.keys(change).length === 0) return false;
  const path = pathOf(id);
  const { signal } = context;
  await gateway.api
    .create({ method: "PATCH", path, body: change, signal }, async () => {
      const found = await gateway.models.findNow(id, signal);
      return found !== undefined && isAsWanted(found, inputs) ? found : undefined;
    })
    .finally(() => {
      gateway.models.forget(id);
    });
  return true;
}

/** LiteLLM serves what was before until it is restarted, and would then serve nothing. */
async function restore(
  context: OperationContext,
  { api, models }: Gateway,
  inputs: ModelInputs,
): Promise<void> {
  const { modelId: id, blocked } = inputs;
  const body = { ...describe(context, inputs, id), blocked };
  const path = pathOf(id);
  await api.call({ method: "PATCH", path, body, signal: context.signal }).finally(() => {
    models.forget(id);
  });
}

/**
 * LiteLLM can set a parameter, but not unset it: the model is made again. A stand-in serves meanwhile, so
 * that no request finds nobody.
 */
async function rebuild(
  context: OperationContext,
  gateway: Gateway,
  inputs: ModelInputs,
): Promise<void> {
  const { modelId: id } = inputs;
  const standIn = nameStandIn(id);
  await removeStandIn(gateway, id, context);
  await store(context, gateway, inputs, standIn);
  const problem = await settle(context, gateway, inputs, standIn);
  if (problem?.isServed === false) {
    await remove(gateway, standIn, context);
    throw new Error(problem.message);
  }
  await remove(gateway, id, context);
  await store(context, gateway, inputs, id);
  await settle(context, gateway, inputs);
  await remove(gateway, standIn, context);
}

function nameStandIn(id: string): string {
  return `${id}:stand-in`;
}

/** What an `up` that was killed has left behind. */
async function removeStandIn(
  gateway: Gateway,
  id: string,
  context: OperationContext,
): Promise<void> {
  const standIn = nameStandIn(id);
  const found = await gateway.models.findNow(standIn, context.signal);
  if (found !== undefined) await remove(gateway, standIn, context);
}

async function remove(
  { api, models }: Gateway,
  id: string,
  { signal }: OperationContext,
): Promise<void> {
  await api
    .call({ path: "/model/delete", body: { id }, signal })
    .catch((error: unknown) => {
      if (!(error instanceof Refusal && /not found in db/.test(error.reason))) throw error;
    })
    .finally(() => {
      models.forget(id);
    });
}

/**
 * Waits until the workers serve what was stored.
 *
 * @returns what is wrong: LiteLLM stores what it cannot use, and then serves nothing, or what was before
 */
async function settle(
  context: OperationContext,
  gateway: Gateway,
  inputs: ModelInputs,
  id = inputs.modelId,
): Promise<{ readonly isServed: boolean; readonly message: string } | undefined> {
  const { name, params, modelInfo } = inputs;
  // Served in some environments only, by its own will.
  if ("supported_environments" in modelInfo) return undefined;
  const { signal } = context;
  let seen: LiveModel | undefined;
  const isServed = async () => {
    const live = await gateway.findServedModel(name, id, signal);
    seen = live ?? seen;
    return live !== undefined && isAsWanted(live, inputs);
  };
  const served = await waitForWorkers(isServed, context);
  if (served === "some") {
    context.log(
      `model "${id}" is stored; not all of LiteLLM's workers serve it yet: they read the database now and then`,
    );
  }
  if (served !== "none") return undefined;
  const advice =
    'see "Error upserting deployment" in its log, mend params, and run pulumi up again';
  if (seen === undefined) {
    const provider = String(params["model"]);
    const message =
      `model "${id}": LiteLLM has stored it, and cannot serve it as it is (params.model is ` +
      `"${provider}"): ${advice}`;
    return { isServed: false, message };
  }
  const found = readModel(seen, inputs);
  const differing = listChanges({ ...found, adopt: false }, { ...inputs, adopt: false });
  const paths = differing.map(({ path }) => formatPath(path)).join(", ");
  return {
    isServed: true,
    message: `model "${id}": LiteLLM has stored it, and serves it with another ${paths}: ${advice}`,
  };
}

function isAsWanted(live: LiveModel, inputs: ModelInputs): boolean {
  const { name, params, modelInfo, blocked } = inputs;
  const found = readModel(live, inputs);
  return isDeepStrictEqual(
    [found.name, found.params, found.modelInfo, found.blocked],
    [name, params, modelInfo, blocked],
  );
}

function readModel(live: LiveModel, known: Partial<ModelInputs>): ModelInputs {
  return {
    modelId: live.model_info.id,
    name: live.model_name,
    params: readParams(live.litellm_params, known.params ?? {}),
    modelInfo: readModelInfo(live, known.modelInfo ?? {}),
    blocked: live.model_info["blocked"] === true,
    adopt: known.adopt ?? false,
  };
}

function refuseInfo(key: string): string | undefined {
  if (key === OWNER_KEY) return "is where the toolkit writes whose it is: choose another name";
  if (key === "team_id" || key === "team_public_model_name") {
    return "models of one team are not offered: give the team the model's name in its models";
  }
  if (SERVER_INFO.has(key)) return "is LiteLLM's own: leave it out";
  if (PRICE.test(key) && key !== PRICE_IN_INFO)
    return "LiteLLM drops prices here: put it into params";
  return undefined;
}

function pick(values: Values, isWanted: (key: string, value: unknown) => boolean): Values {
  return Object.fromEntries(Object.entries(values).filter(([key, value]) => isWanted(key, value)));
}
