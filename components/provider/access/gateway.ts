import type { z } from "zod";

import type { OperationContext } from "../resource.ts";
import { isWithoutModels, Refusal } from "./api-failure.ts";
import { gatewayConnection } from "./connection.ts";
import { type ApiRequest, GatewayApi } from "./gateway-api.ts";
import { KeyDeletions } from "./key-deletions.ts";
import { Lookup } from "./lookup.ts";

/** Any object of LiteLLM's, by LiteLLM's own names. */
export type LiveObject = Readonly<Record<string, unknown>>;

export interface LiveKey extends LiveObject {
  /** SHA-256 of the key. */
  readonly token: string;
  readonly key_alias: string | null;
  readonly metadata: LiveObject | null;
}

export interface LiveTeam extends LiveObject {
  readonly team_id: string;
  readonly metadata: LiveObject | null;
  readonly members_with_roles: readonly {
    readonly user_id: string | null;
    readonly user_email: string | null;
    readonly role: string;
  }[];
  readonly team_memberships: readonly LiveMembership[];
}

/** What is set for one member of a team; members without any limit may have none. */
export interface LiveMembership extends LiveObject {
  readonly user_id: string;
  readonly team_id: string;
  readonly litellm_budget_table: LiveObject | null;
}

export interface LiveUser extends LiveObject {
  readonly user_id: string;
  readonly metadata: LiveObject | null;
}

export interface LiveBudget extends LiveObject {
  readonly budget_id: string;
}

export interface LiveModel extends LiveObject {
  readonly model_name: string;
  readonly litellm_params: LiveObject;
  readonly model_info: LiveObject & { readonly id: string; readonly db_model: boolean };
}

export interface LiveCredential extends LiveObject {
  readonly credential_name: string;
  /** Masked: `sk****23`. */
  readonly credential_values: LiveObject;
  readonly credential_info: LiveObject | null;
  /** Where it comes from; versions of LiteLLM that do not say so have none from the file. */
  readonly source?: "config" | "db";
}

/** The page of models has no largest size. */
const ALL_MODELS = 1_000_000;
/** LiteLLM's largest page. */
const PAGE_SIZE = 100;
/** More are not listed to find a few. */
const MOST_PAGES = 50;

/** A live LiteLLM: its admin API, and what is in it by its id. */
export class Gateway {
  readonly api: GatewayApi;
  readonly keyDeletions: KeyDeletions;
  /** By their hash. */
  readonly keys = new Lookup<LiveKey>({
    find: async (token, signal) => {
      // `/key/info` would answer for a deleted key too, from LiteLLM's archive.
      const query = `return_full_object=true&key_hash=${encodeURIComponent(token)}`;
      const { keys } = (await this.#get(`/key/list?${query}`, signal)) as { keys: LiveKey[] };
      return keys.find((key) => key.token === token);
    },
    list: async (signal) => indexBy(await this.#listKeys(signal, MOST_PAGES), ({ token }) => token),
  });
  readonly teams = new Lookup<LiveTeam>({
    find: async (id, signal) => {
      const found = await this.#findTeam(id, signal);
      if (found !== undefined) return found;
      // While its database is away, LiteLLM says of every team that it is not there.
      await this.api.probe(signal);
      return this.#findTeam(id, signal);
    },
    list: async (signal) => indexBy(await this.listTeams(signal), ({ team_id }) => team_id),
  });
  readonly users = new Lookup<LiveUser>({
    find: async (id, signal) => {
      // A single id would be taken for a part of one.
      const query = `user_ids=${encodeURIComponent(id)},${encodeURIComponent(id)}`;
      const { users } = (await this.#get(`/user/list?${query}`, signal)) as { users: LiveUser[] };
      return users.find((user) => user.user_id === id);
    },
    list: async (signal) =>
      indexBy(await this.#listUsers(signal, MOST_PAGES), ({ user_id }) => user_id),
  });
  readonly budgets = new Lookup<LiveBudget>({
    find: async (id, signal) => {
      const path = "/budget/info";
      const found = await this.api.call({ path, body: { budgets: [id] }, signal });
      return (found as LiveBudget[])[0];
    },
    list: async (signal) => indexBy(await this.listBudgets(signal), ({ budget_id }) => budget_id),
  });
  /** Stored in the database, by `model_info.id`. */
  readonly models = new Lookup<LiveModel>({
    // Version 2 looks into the database too, and lists wildcard models as they are stored.
    find: async (id, signal) => {
      const path = `/v2/model/info?modelId=${encodeURIComponent(id)}`;
      const { data } = (await this.#get(path, signal)) as { data: LiveModel[] };
      return data.find(({ model_info }) => model_info.id === id && model_info.db_model);
    },
    list: async (signal) =>
      indexBy(await this.listModels(signal), ({ model_info }) => model_info.id),
  });
  /** By their name. */
  readonly credentials = new Lookup<LiveCredential>({
    find: (name, signal) =>
      orUndefined(async () => {
        const path = `/credentials/by_name/${encodeURIComponent(name)}`;
        const found = (await this.#get(path, signal)) as LiveCredential;
        return isStored(found) ? found : undefined;
      }),
    list: (signal) => this.#listCredentials(signal),
  });

  constructor(api: GatewayApi) {
    this.api = api;
    this.keyDeletions = new KeyDeletions(api);
  }

  /** All keys but those of the admin pages' sessions. */
  async listKeys(signal: AbortSignal): Promise<LiveKey[]> {
    return (await this.#listKeys(signal, Infinity)) ?? [];
  }

  async listTeams(signal: AbortSignal): Promise<LiveTeam[]> {
    return (await this.#get("/team/list", signal)) as LiveTeam[];
  }

  async listUsers(signal: AbortSignal): Promise<LiveUser[]> {
    return (await this.#listUsers(signal, Infinity)) ?? [];
  }

  /** All budgets, also those that LiteLLM makes for teams and members. */
  async listBudgets(signal: AbortSignal): Promise<LiveBudget[]> {
    return (await this.#get("/budget/list", signal)) as LiveBudget[];
  }

  /** Those that are stored in the database. */
  async listModels(signal: AbortSignal): Promise<LiveModel[]> {
    return (await this.listServedModels(signal)).filter(({ model_info }) => model_info.db_model);
  }

  /**
   * Those that the worker which answers serves, also from its configuration file.
   *
   * @param name - only those that clients call so
   */
  async listServedModels(signal: AbortSignal, name?: string): Promise<LiveModel[]> {
    const filter = name === undefined ? "" : `&model=${encodeURIComponent(name)}`;
    const path = `/v2/model/info?size=${ALL_MODELS}${filter}`;
    return ((await this.#get(path, signal)) as { data: LiveModel[] }).data;
  }

  /** One that the worker which answers serves; undefined where it is in the database at best. */
  async findServedModel(
    name: string,
    id: string,
    signal: AbortSignal,
  ): Promise<LiveModel | undefined> {
    const served = await this.listServedModels(signal, name);
    return served.find(({ model_info }) => model_info.id === id);
  }

  async listCredentials(signal: AbortSignal): Promise<LiveCredential[]> {
    return [...(await this.#listCredentials(signal)).values()];
  }

  #findTeam(id: string, signal: AbortSignal): Promise<LiveTeam | undefined> {
    return orUndefined(async () => {
      // Its keys are not asked for: there is no way to have none.
      const path = `/team/info?key_limit=1&team_id=${encodeURIComponent(id)}`;
      const { team_info, team_memberships } = (await this.#get(path, signal)) as {
        team_info: LiveTeam;
        team_memberships: LiveMembership[];
      };
      return { ...team_info, team_memberships };
    });
  }

  async #listCredentials(signal: AbortSignal): Promise<ReadonlyMap<string, LiveCredential>> {
    const { credentials } = (await this.#get("/credentials", signal)) as {
      credentials: LiveCredential[];
    };
    return new Map(
      credentials.filter(isStored).map((credential) => [credential.credential_name, credential]),
    );
  }

  #listKeys(signal: AbortSignal, most: number): Promise<LiveKey[] | undefined> {
    return this.#listPages(
      (page) =>
        `/key/list?return_full_object=true&sort_by=created_at&sort_order=asc&size=${PAGE_SIZE}&page=${page}`,
      "keys",
      { signal, most },
    );
  }

  #listUsers(signal: AbortSignal, most: number): Promise<LiveUser[] | undefined> {
    return this.#listPages(
      (page) => `/user/list?sort_by=created_at&sort_order=asc&page_size=${PAGE_SIZE}&page=${page}`,
      "users",
      { signal, most },
    );
  }

  /** @returns undefined where there are more than `most` pages */
  async #listPages<Thing>(
    pathOf: (page: number) => string,
    property: string,
    { signal, most }: { readonly signal: AbortSignal; readonly most: number },
  ): Promise<Thing[] | undefined> {
    const first = (await this.#get(pathOf(1), signal)) as { total_pages: number };
    if (first.total_pages > most) return undefined;
    const others = Array.from({ length: Math.max(first.total_pages - 1, 0) }, (_, index) =>
      this.#get(pathOf(index + 2), signal),
    );
    const pages = [first, ...(await Promise.all(others))] as Record<string, Thing[]>[];
    return pages.flatMap((page) => page[property] ?? []);
  }

  #get(path: string, signal: AbortSignal): Promise<unknown> {
    const request: ApiRequest = { path, signal };
    return this.api.call(request);
  }
}

/**
 * Whether the gateway can be looked at now, for a preview.
 *
 * @throws Unavailable, where it does not answer
 */
export function assertAnswering(context: OperationContext): Promise<void> {
  return openGateway(context).api.assertAnswering(context.signal);
}

const gateways = new Map<string, Gateway>();

/** The gateway that the provider is configured for. */
export function openGateway({ configuration }: Pick<OperationContext, "configuration">): Gateway {
  const key = JSON.stringify(configuration);
  let gateway = gateways.get(key);
  if (gateway === undefined) {
    const { success, data, error } = gatewayConnection.strip().safeParse(configuration);
    if (!success) throw explainConfiguration(configuration, error);
    gateway = new Gateway(new GatewayApi(data));
    gateways.set(key, gateway);
  }
  return gateway;
}

function explainConfiguration(configuration: object, { issues }: z.ZodError): Error {
  if (!("url" in configuration)) {
    return new Error(
      "this resource needs a provider that says which gateway: " +
        'new Provider("gateway", { url, masterKey }), given as option `provider`',
    );
  }
  const problems = issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  return new Error(`the provider that says which gateway needs a correction: ${problems}`);
}

/** Not from the gateway's configuration file. */
function isStored({ source }: LiveCredential): boolean {
  return source !== "config";
}

/** What LiteLLM does not know is undefined. */
async function orUndefined<Thing>(find: () => Promise<Thing | undefined>) {
  try {
    return await find();
  } catch (error) {
    const isUnknown =
      error instanceof Refusal &&
      (error.status === 404 || error.status === 400) &&
      /not found/i.test(error.reason);
    if (isUnknown || isWithoutModels(error)) return undefined;
    throw error;
  }
}

function indexBy<Thing>(
  things: readonly Thing[] | undefined,
  idOf: (thing: Thing) => string,
): ReadonlyMap<string, Thing> | undefined {
  return things && new Map(things.map((thing) => [idOf(thing), thing]));
}
