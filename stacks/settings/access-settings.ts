import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { boolean, instant, integer, number, text } from "./scalars.ts";
import { namePattern } from "./secret-names.ts";

/** As LiteLLM reads durations: `30s`, `15m`, `24h`, `7d`, `2w`, `1mo`. Source: litellm, duration_in_seconds. */
const duration = z
  .string()
  .regex(/^(?:[1-9]\d{0,8}[smhdw]|1mo)$/, "must be a duration such as 30s, 15m, 24h, 7d or 1mo");

/** A time that is as long at any date: a month is not. */
function fixedDuration(pattern: RegExp) {
  return z.string().regex(pattern, "must be a duration such as 30s, 15m, 24h, 7d or 2w");
}

/** What an entry's name looks like. */
export const stableNamePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/;

const stableName = z
  .string()
  .regex(
    stableNamePattern,
    "must have a name of letters, digits and . _ @ -, at most 100, starting with a letter or digit",
  );

const dollars = number({ min: 0 });
const limit = integer({ min: 0 });
const name = text().pipe(z.string().trim().min(1));
const secretName = z
  .string()
  .regex(namePattern, "must be the name of an entry of secrets, in camelCase");
const values = z.record(z.string(), z.unknown());

/** What a name that is followed by nothing stands for: all defaults. */
function entry<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess((value) => value ?? {}, z.strictObject(shape));
}

function entries<Schema extends z.ZodType>(schema: Schema) {
  return z.record(stableName, schema).default({});
}

const models = z.array(name).default([]);
const metadata = values.default({}).meta({
  description: "Whatever is to be known of it.",
  examples: [{ costCentre: "4711" }],
});

const maxBudget = dollars.optional().meta({
  description: "What may be spent in each `budgetDuration`, else at all, in US dollars.",
  examples: [20],
});
const softBudget = dollars.optional().meta({
  description: "What may be spent before an alert, in US dollars.",
});
const budgetDuration = duration.optional().meta({
  description: "After which time what was spent counts from zero again. Default: never.",
  examples: ["30d", "1mo"],
});
const rpmLimit = limit
  .optional()
  .meta({ description: "Requests per minute. Default: no limit.", examples: [60] });
const tpmLimit = limit
  .optional()
  .meta({ description: "Tokens per minute. Default: no limit.", examples: [100_000] });
const maxParallelRequests = limit
  .optional()
  .meta({ description: "Requests that are under way at once. Default: no limit." });
const modelLimits = {
  modelRpmLimit: z.record(z.string(), limit).optional().meta({
    description: "Requests per minute, by the name of the model.",
  }),
  modelTpmLimit: z.record(z.string(), limit).optional().meta({
    description: "Tokens per minute, by the name of the model.",
  }),
};
const blocked = boolean().default(false).meta({ description: "Refuse all requests." });

const Budget = entry({
  id: name.optional().meta({ description: "LiteLLM's id of it. Default: its name here." }),
  maxBudget,
  softBudget,
  budgetDuration,
  rpmLimit,
  tpmLimit,
  maxParallelRequests,
});

/** LiteLLM takes a comma for the end of an id where it is asked for several. */
const userId = text().pipe(
  z
    .string()
    .trim()
    .regex(/^[^,\p{Cc}]{1,512}$/u, "must not be empty, and have no comma"),
);

const User = entry({
  id: userId.optional().meta({ description: "LiteLLM's id of the user. Default: the name here." }),
  email: text()
    .pipe(z.email("must be an e-mail address"))
    .optional()
    .meta({ description: "E-mail address.", examples: ["ana@example.com"] }),
  alias: name.optional().meta({ description: "What LiteLLM's pages call the user." }),
  role: z
    .enum(["internal_user", "internal_user_viewer", "proxy_admin_viewer", "proxy_admin"])
    .default("internal_user")
    .meta({ description: "LiteLLM's role of the user." }),
  models: models.meta({ description: "Models that the user may use. Default: all." }),
  maxBudget,
  budgetDuration,
  rpmLimit,
  tpmLimit,
  metadata,
});

const Member = entry({
  maxBudget: maxBudget.meta({
    description: "What this user may spend with keys of the team, in US dollars.",
    examples: [20],
  }),
  budgetDuration,
  rpmLimit,
  tpmLimit,
  models: models.meta({
    description: "Models of the team that this user may use. Default: all of them.",
  }),
});

const Team = entry({
  id: name.optional().meta({ description: "LiteLLM's id of the team. Default: its name here." }),
  alias: name.optional().meta({
    description: "What LiteLLM's pages call the team. Default: its name here.",
    examples: ["Search"],
  }),
  models: models.meta({
    description: "Models that keys of the team may use. Default: all.",
    examples: [["gpt-5"]],
  }),
  maxBudget: maxBudget.meta({
    description: "What all keys of the team may spend together, in US dollars.",
    examples: [200],
  }),
  softBudget,
  budgetDuration,
  rpmLimit,
  tpmLimit,
  ...modelLimits,
  members: entries(Member).meta({
    description: "Users of `users` that belong to the team, and what each may use of it.",
    examples: [{ ana: { maxBudget: 20 }, ben: {} }],
  }),
  blocked,
  metadata,
});

const Delivery = z.strictObject({
  file: z
    .string()
    .regex(/^[^\0\s](?:[^\0]*[^\0\s/])?$/, "must be the path of a file")
    .optional()
    .meta({
      description:
        "File that holds the key as `<variable>=<key>`, mode 0600; relative to the project's folder.",
      examples: ["secrets/search-ci.env"],
    }),
  variable: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
    .optional()
    .meta({
      description: "Environment variable in `file`. Default: LITELLM_API_KEY.",
      examples: ["LITELLM_API_KEY"],
    }),
  dockerVolume: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]+$/, "must be the name of a Docker volume")
    .optional()
    .meta({
      description:
        "Volume of the Docker host that holds the key as the file `litellm_api_key`: mount it at /run/secrets.",
      examples: ["search-ci-key"],
    }),
  systemdCredential: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "must be the name of a systemd credential")
    .optional()
    .meta({
      description:
        "Credential on the gateway's machine that holds the key: a unit there takes it by `LoadCredential=<name>`.",
      examples: ["search-ci-key"],
    }),
});

const Key = entry({
  alias: name.optional().meta({
    description: "LiteLLM's alias of the key: no two keys share one. Default: its name here.",
  }),
  team: text().optional().meta({ description: "Name of a team of `teams`." }),
  user: text().optional().meta({ description: "Name of a user of `users`." }),
  budget: text().optional().meta({ description: "Name of an entry of `budgets`." }),
  models: models.meta({
    description: "Models that the key may use. Default: those of its team, else all.",
    examples: [["gpt-5"]],
  }),
  maxBudget,
  softBudget,
  budgetDuration,
  rpmLimit,
  tpmLimit,
  maxParallelRequests,
  ...modelLimits,
  expires: instant()
    .optional()
    .meta({
      description: "When the key ends, ISO 8601. Default: never.",
      examples: ["2027-01-01T00:00:00Z"],
    }),
  blocked,
  allowedRoutes: z
    .array(name)
    .optional()
    .meta({
      description:
        "Paths that the key may ask for, or LiteLLM's names of groups of them. Default: what LiteLLM allows.",
      examples: [["llm_api_routes"]],
    }),
  metadata: metadata.meta({ examples: [{ user: "ana@example.com", purpose: "ci" }] }),
  secret: secretName.optional().meta({
    description: "Name of the secret that is the key, `sk-…`. Default: a key is generated.",
  }),
  generation: integer({ min: 1 })
    .default(1)
    .meta({
      description: "Another number makes a new key; the old one works for `overlap` beside it.",
      examples: [2],
    }),
  rotateAfter: fixedDuration(/^[1-9]\d{0,8}[smhdw]$/)
    .optional()
    .meta({
      description:
        "How old the key gets before a `pulumi up` makes a new one. Default: as old as it may.",
      examples: ["90d"],
    }),
  overlap: fixedDuration(/^\d{1,9}[smhdw]$/)
    .default("24h")
    .meta({
      description: "How long an old key works beside the new one; `0s`: it ends at once.",
      examples: ["7d"],
    }),
  protect: boolean().default(false).meta({
    description: "Protect the key: `pulumi destroy` and its removal here are refused.",
  }),
  delivery: Delivery.default({}).meta({
    description:
      "Where the key is put, beside the output `virtualKeys`, for whatever uses it; each way with its own setting.",
    examples: [{ file: "secrets/search-ci.env" }],
  }),
});

const Credential = entry({
  name: name.optional().meta({ description: "LiteLLM's name of it. Default: its name here." }),
  provider: name
    .optional()
    .meta({ description: "LiteLLM's name of the provider.", examples: ["groq"] }),
  values: z
    .record(z.string(), text())
    .default({})
    .meta({
      description: "What it is made of and no secret, under LiteLLM's own names.",
      examples: [{ api_base: "https://api.groq.com/openai/v1" }],
    }),
  secretValues: z
    .record(z.string(), secretName)
    .default({})
    .meta({
      description: "What of it is secret: names of secrets, under LiteLLM's own names.",
      examples: [{ api_key: "groqApiKey" }],
    }),
  info: values.default({}).meta({ description: "Whatever is to be known of it." }),
});

const StoredModel = entry({
  id: name.optional().meta({ description: "LiteLLM's id of it. Default: its name here." }),
  name: name.optional().meta({
    description: "Name that clients ask for. Default: its name here.",
    examples: ["gpt-eu"],
  }),
  params: values.default({}).meta({
    description: "LiteLLM's `litellm_params`, under LiteLLM's own names.",
    examples: [{ model: "openai/gpt-5" }],
  }),
  secretParams: z
    .record(z.string(), secretName)
    .default({})
    .meta({
      description: "Those of the `params` that are secret: names of secrets.",
      examples: [{ aws_secret_access_key: "awsSecretAccessKey" }],
    }),
  apiKey: secretName.optional().meta({
    description: "Name of the secret that holds the API key.",
    examples: ["groqApiKey"],
  }),
  credential: text()
    .optional()
    .meta({ description: "Name of an entry of `credentials` that the model logs in with." }),
  blocked: boolean().default(false).meta({ description: "Give it no requests." }),
  modelInfo: values.default({}).meta({
    description: "LiteLLM's `model_info`, under LiteLLM's own names.",
    examples: [{ base_model: "gpt-5" }],
  }),
});

/** Who may use the gateway, and how much. Every entry's name is the name of its resource. */
export const Access = z.strictObject({
  prune: z.enum(["ignore", "report", "delete"]).default("ignore").meta({
    description: "What becomes of that which is in the gateway and not here.",
  }),
  adopt: boolean().default(false).meta({
    description: "Take over what is in the gateway already under the same id or alias.",
  }),
  budgets: entries(Budget).meta({
    description: "Limits that several keys refer to; each of them spends for itself.",
    examples: [{ trial: { maxBudget: 5, budgetDuration: "30d" } }],
  }),
  users: entries(User).meta({
    description: "People who use the gateway.",
    examples: [{ ana: { email: "ana@example.com" } }],
  }),
  teams: entries(Team).meta({
    description: "Teams: whom a budget and limits hold for together.",
    examples: [{ search: { maxBudget: 200, members: { ana: {} } } }],
  }),
  keys: entries(Key).meta({
    description: "Virtual keys, which the gateway's clients send.",
    examples: [{ "search-ci": { team: "search", maxBudget: 10 } }],
  }),
  credentials: entries(Credential).meta({
    description: "What stored models log in to a provider with.",
    examples: [{ groq: { provider: "groq", secretValues: { api_key: "groqApiKey" } } }],
  }),
  models: entries(StoredModel).meta({
    description: "Models that are stored in the database, beside those of `models`.",
    examples: [{ "gpt-eu-1": { name: "gpt-eu", params: { model: "openai/gpt-5" } } }],
  }),
});

export type AccessSettings = DeepReadonly<z.output<typeof Access>>;

/** The parts of `access` that have entries, by their key. */
export const accessSections = [
  "budgets",
  "users",
  "teams",
  "keys",
  "credentials",
  "models",
] as const;
export type AccessSection = (typeof accessSections)[number];

/** Whether there is anything to manage. */
export function isAccessManaged(access: AccessSettings): boolean {
  return (
    access.prune !== "ignore" ||
    accessSections.some((section) => Object.keys(access[section]).length > 0)
  );
}

/**
 * Whether LiteLLM must read its database for more than who may use it. Without `store_model_in_db` it reads
 * credentials no more than models when it starts. Source: litellm, proxy_server, add_deployment.
 */
export function usesStoredModels({ models, credentials }: AccessSettings): boolean {
  return Object.keys(models).length > 0 || Object.keys(credentials).length > 0;
}
