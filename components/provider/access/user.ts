import { z } from "zod";

import type { OperationContext } from "../resource.ts";
import type { Refusal } from "./api-failure.ts";
import { type Fields, isSameValue, type Values } from "./fields.ts";
import type { Gateway, LiveUser } from "./gateway.ts";
import { budgetDuration, dollars, limit, LIMIT_FIELDS } from "./limits.ts";
import { manage } from "./managed.ts";
import { findMembership, findOwnBudget, removeBudgets } from "./member-budget.ts";
import { userMetadata } from "./metadata.ts";

const ROLES = [
  "proxy_admin",
  "proxy_admin_viewer",
  "internal_user",
  "internal_user_viewer",
] as const;

/** How LiteLLM's lists of ids read one: separated by commas, trimmed. */
const userId = z
  .string()
  .regex(/^[^,\s\p{Cc}](?:[^,\p{Cc}]*[^,\s\p{Cc}])?$/u, {
    error: "must not be empty, hold a comma, or begin or end with a space",
  })
  .max(512);

const inputs = z.strictObject({
  /** Changing it replaces the user, and with it the keys that are the user's. */
  userId,
  /** No two users have the same. Default: none. */
  email: z.email({ error: "must be an e-mail address" }).optional(),
  /** Shown in LiteLLM's pages. Default: none. */
  alias: z.string().min(1).optional(),
  role: z.enum(ROLES).default("internal_user"),
  /** Names of models for keys without a team. Default: all. */
  models: z.array(z.string().min(1)).default([]),
  /** In US dollars, for all keys without a team together. Default: none. */
  maxBudget: dollars.optional(),
  /** After it the spending starts at zero again. Default: never. */
  budgetDuration: budgetDuration.optional(),
  /** Requests per minute. Default: none. */
  rpmLimit: limit.optional(),
  /** Tokens per minute. Default: none. */
  tpmLimit: limit.optional(),
  metadata: userMetadata,
  adopt: z.boolean().default(false),
});

export type UserInputs = z.output<typeof inputs>;

/** LiteLLM takes no empty list for a user who exists; for it this means the same. Source: SpecialModelNames */
const ALL_MODELS = ["all-proxy-models"];

/** LiteLLM unsets a text of a user by the empty one, and swallows null. Source: _update_internal_user_params */
const FIELDS: Fields = {
  email: { name: "user_email", unset: "" },
  alias: { name: "user_alias", unset: "" },
  role: { name: "user_role" },
  models: {
    name: "models",
    empty: [],
    unset: ALL_MODELS,
    read: (models) => (isSameValue(models, ALL_MODELS) ? undefined : models),
    isSame: (ours, theirs) => isSameValue(ours, theirs ?? ALL_MODELS),
  },
  ...LIMIT_FIELDS,
};

/** A person or a program that keys belong to. With a user LiteLLM deletes the keys. */
export const user = manage<UserInputs, z.input<typeof inputs>, LiveUser>({
  token: "litellm:access:User",
  noun: "user",
  inputs,
  idProperty: "userId",
  idName: "user_id",
  fields: FIELDS,
  hasMetadata: true,
  createPath: "/user/new",
  createOptions: { auto_create_key: false },
  updatePath: "/user/update",
  lookup: ({ users }) => users,
  readUpdated: (answer) => (answer as { data: LiveUser }).data,
  verify: verifyEmail,
  explain: (refusal, wanted) =>
    isEmailTaken(refusal) ? explainEmail(wanted.userId, wanted.email) : undefined,

  async remove(context, gateway, live) {
    const id = live.user_id;
    const keys = Number(live["key_count"] ?? 0);
    if (keys > 0) {
      context.log(
        `with user "${id}" LiteLLM deletes the user's ${keys === 1 ? "key" : `${keys} keys`}: ` +
          "requests with them are refused from now on",
        { severity: "warning" },
      );
    }
    const budgets = await listMemberBudgets(context, gateway, live);
    const body = { user_ids: [id] };
    await gateway.api.call({ path: "/user/delete", body, signal: context.signal });
    await removeBudgets(gateway, budgets, context.signal);
  },
});

/** Budgets that LiteLLM has made for memberships that go with the user, and leaves behind. */
async function listMemberBudgets(
  { signal }: OperationContext,
  { teams }: Gateway,
  live: LiveUser,
): Promise<string[]> {
  const ids = (live["teams"] ?? []) as readonly string[];
  const found = await Promise.all(ids.map((id) => teams.findNow(id, signal)));
  return found
    .filter((team) => team !== undefined)
    .map((team) => findOwnBudget(team, findMembership(team, live.user_id)))
    .filter((id) => id !== undefined);
}

/** LiteLLM sees to it when a user is made, and not when one is changed. */
async function verifyEmail(
  { signal }: OperationContext,
  { api }: Gateway,
  wanted: UserInputs,
  { user_email: email }: Values,
): Promise<void> {
  if (typeof email !== "string" || email === "") return;
  const path = `/user/list?page_size=100&user_email=${encodeURIComponent(email)}`;
  const { users } = (await api.call({ path, signal })) as { users: LiveUser[] };
  const isTaken = users.some(
    (other) =>
      other.user_id !== wanted.userId &&
      String(other["user_email"]).toLowerCase() === email.toLowerCase(),
  );
  if (isTaken) throw new Error(explainEmail(wanted.userId, email));
}

function isEmailTaken({ status, reason }: Refusal): boolean {
  return status === 409 && reason.includes("email");
}

function explainEmail(id: string, email: string | undefined): string {
  return (
    `user "${id}": another user has the e-mail address ${email ?? ""} already: give each user its own, ` +
    "or manage that one, by its user id"
  );
}
