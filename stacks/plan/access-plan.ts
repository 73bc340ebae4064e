import type { AccessSection, AccessSettings } from "../settings/access-settings.ts";
import { isAccessManaged } from "../settings/access-settings.ts";
import { coercePassThrough } from "../settings/litellm-keys.ts";
import type { Settings } from "../settings/settings.ts";

interface Limits {
  maxBudget?: number;
  budgetDuration?: string;
  rpmLimit?: number;
  tpmLimit?: number;
}

interface ModelLimits {
  modelRpmLimit?: Record<string, number>;
  modelTpmLimit?: Record<string, number>;
}

type Metadata = Record<string, unknown>;

interface PlannedBudget extends Limits {
  budgetId: string;
  softBudget?: number;
  maxParallelRequests?: number;
  adopt: boolean;
}

interface PlannedUser extends Limits {
  userId: string;
  email?: string;
  alias?: string;
  role: AccessSettings["users"][string]["role"];
  models: string[];
  metadata: Metadata;
  adopt: boolean;
}

interface PlannedTeam extends Limits, ModelLimits {
  teamId: string;
  alias: string;
  models: string[];
  softBudget?: number;
  blocked: boolean;
  metadata: Metadata;
  adopt: boolean;
}

interface PlannedMember extends Limits {
  teamId: string;
  userId: string;
  models: string[];
  adopt: boolean;
}

interface PlannedKey extends Limits, ModelLimits {
  alias: string;
  teamId?: string;
  userId?: string;
  budgetId?: string;
  models: string[];
  softBudget?: number;
  maxParallelRequests?: number;
  /** ISO 8601. */
  expires?: string;
  blocked: boolean;
  allowedRoutes?: string[];
  metadata: Metadata;
  generation: number;
  rotateAfter?: string;
  overlap: string;
  adopt: boolean;
}

/** Where a key is put; empty: nowhere. */
interface DeliveryPlan {
  /** Relative to the project's folder, or absolute. */
  readonly file?: string;
  /** Environment variable in the file; given with it. */
  readonly variable?: string;
  readonly dockerVolume?: string;
  readonly systemdCredential?: string;
}

/**
 * Who may use the gateway: what each resource is made of, with LiteLLM's ids. Entries are sorted by `name`,
 * the user's stable key; other entries are referred to by theirs.
 */
export interface AccessPlan {
  readonly prune: AccessSettings["prune"];
  readonly budgets: readonly { readonly name: string; readonly args: PlannedBudget }[];
  readonly users: readonly { readonly name: string; readonly args: PlannedUser }[];
  readonly teams: readonly { readonly name: string; readonly args: PlannedTeam }[];
  readonly members: readonly {
    readonly team: string;
    readonly user: string;
    readonly args: PlannedMember;
  }[];
  readonly keys: readonly {
    readonly name: string;
    readonly team?: string;
    readonly user?: string;
    readonly budget?: string;
    readonly args: PlannedKey;
    /** Name of the secret that is the key; without one a key is generated. */
    readonly secret?: string;
    readonly protect: boolean;
    readonly delivery: DeliveryPlan;
  }[];
  readonly credentials: readonly {
    readonly name: string;
    readonly args: { name: string; info: Metadata; adopt: boolean };
    readonly values: Readonly<Record<string, string>>;
    /** Names of secrets. */
    readonly secretValues: Readonly<Record<string, string>>;
  }[];
  readonly models: readonly {
    readonly name: string;
    readonly args: {
      modelId: string;
      name: string;
      modelInfo: Metadata;
      blocked: boolean;
      adopt: boolean;
    };
    readonly params: Readonly<Record<string, unknown>>;
    /** Names of secrets. */
    readonly secretParams: Readonly<Record<string, string>>;
    /** The credential that it logs in with. */
    readonly credential?: string;
  }[];
}

const DEFAULT_VARIABLE = "LITELLM_API_KEY";

/** @returns undefined where nothing is to be managed */
export function planAccess({ access }: Pick<Settings, "access">): AccessPlan | undefined {
  if (!isAccessManaged(access)) return undefined;
  const { prune, adopt } = access;
  const teams = sortEntries(access.teams);
  return {
    prune,
    budgets: sortEntries(access.budgets).map(([name, { id = name, ...limits }]) => ({
      name,
      args: { budgetId: id, ...leaveOut(limits), adopt },
    })),
    users: sortEntries(access.users).map(([name, { id = name, models, metadata, ...user }]) => ({
      name,
      args: {
        userId: id,
        ...leaveOut(user),
        models: [...models],
        metadata: { ...metadata },
        adopt,
      },
    })),
    teams: teams.map(([name, team]) => planTeam(name, team, adopt)),
    members: teams.flatMap(([team, { members }]) =>
      sortEntries(members).map(([user, { models, ...limits }]) => ({
        team,
        user,
        args: {
          teamId: identify(access, "teams", team),
          userId: identify(access, "users", user),
          ...leaveOut(limits),
          models: [...models],
          adopt,
        },
      })),
    ),
    keys: sortEntries(access.keys).map(([name, key]) => planKey(name, key, access)),
    credentials: sortEntries(access.credentials).map(([key, credential]) => {
      const { name = key, provider, info, values, secretValues } = credential;
      return {
        name: key,
        args: {
          name,
          info: { ...info, ...(provider !== undefined && { custom_llm_provider: provider }) },
          adopt,
        },
        values,
        secretValues,
      };
    }),
    models: sortEntries(access.models).map(([key, model]) => planModel(key, model, access)),
  };
}

function planTeam(
  name: string,
  team: AccessSettings["teams"][string],
  adopt: boolean,
): AccessPlan["teams"][number] {
  const { id = name, alias = name, models, blocked, metadata } = team;
  const { maxBudget, softBudget, budgetDuration, rpmLimit, tpmLimit } = team;
  const { modelRpmLimit, modelTpmLimit } = team;
  return {
    name,
    args: {
      teamId: id,
      alias,
      ...leaveOut({ maxBudget, softBudget, budgetDuration, rpmLimit, tpmLimit }),
      ...leaveOut({ modelRpmLimit, modelTpmLimit }),
      models: [...models],
      blocked,
      metadata: { ...metadata },
      adopt,
    },
  };
}

function planKey(
  name: string,
  given: AccessSettings["keys"][string],
  access: AccessSettings,
): AccessPlan["keys"][number] {
  const { alias = name, team, user, budget, secret, protect, delivery, ...key } = given;
  const { models, metadata, allowedRoutes, ...others } = key;
  const { file, variable = DEFAULT_VARIABLE, ...places } = delivery;
  return {
    name,
    ...leaveOut({ team, user, budget, secret }),
    args: {
      alias,
      ...leaveOut({
        teamId: team && identify(access, "teams", team),
        userId: user && identify(access, "users", user),
        budgetId: budget && identify(access, "budgets", budget),
      }),
      ...leaveOut(others),
      models: [...models],
      ...(allowedRoutes !== undefined && { allowedRoutes: [...allowedRoutes] }),
      metadata: { ...metadata },
      adopt: access.adopt,
    },
    protect,
    delivery: { ...(file !== undefined && { file, variable }), ...leaveOut(places) },
  };
}

function planModel(
  key: string,
  given: AccessSettings["models"][string],
  access: AccessSettings,
): AccessPlan["models"][number] {
  const { id = key, name = key, params, secretParams, apiKey, credential, modelInfo } = given;
  const { blocked } = given;
  return {
    name: key,
    args: {
      modelId: id,
      name,
      modelInfo: { ...coercePassThrough("model_info", modelInfo) },
      blocked,
      adopt: access.adopt,
    },
    params: {
      ...coercePassThrough("litellm_params", params),
      ...(credential !== undefined && {
        litellm_credential_name: access.credentials[credential]?.name ?? credential,
      }),
    },
    secretParams: { ...secretParams, ...(apiKey !== undefined && { api_key: apiKey }) },
    ...leaveOut({ credential }),
  };
}

/** LiteLLM's id of an entry. */
function identify(
  access: AccessSettings,
  section: Extract<AccessSection, "budgets" | "users" | "teams">,
  name: string,
): string {
  return access[section][name]?.id ?? name;
}

/** The order of keys in a stack file means nothing. */
function sortEntries<Value>(entries: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
}

type Given<Fields> = {
  -readonly [Key in keyof Fields]: Mutable<Exclude<Fields[Key], undefined>>;
};
type Mutable<Value> =
  Value extends Readonly<Record<string, number>> ? Record<string, number> : Value;

/** Without the fields that are not given. */
function leaveOut<Fields extends object>(fields: Fields): Given<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Given<Fields>;
}
