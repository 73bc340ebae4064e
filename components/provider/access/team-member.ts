import { z } from "zod";

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
import {
  assertAnswering,
  type Gateway,
  type LiveMembership,
  type LiveTeam,
  openGateway,
} from "./gateway.ts";
import { countKeys } from "./key-count.ts";
import { budgetDuration, dollars, limit } from "./limits.ts";
import { alreadyExists, type ManagedOutputs } from "./managed.ts";
import { findMembership, findOwnBudget, removeBudgets } from "./member-budget.ts";
import { formatMemberId, parseMemberId } from "./member-id.ts";

const inputs = z.strictObject({
  /** Changing it replaces the membership. */
  teamId: z.string().min(1),
  /** A user who exists. Changing it replaces the membership. */
  userId: z.string().min(1),
  /** In US dollars, for this member's keys of this team together. Default: what the team has for its members. */
  maxBudget: dollars.optional(),
  /** After it the spending starts at zero again. Default: never. */
  budgetDuration: budgetDuration.optional(),
  /** Requests per minute. Default: none. */
  rpmLimit: limit.optional(),
  /** Tokens per minute. Default: none. */
  tpmLimit: limit.optional(),
  /** Names of models. Default: those of the team. */
  models: z.array(z.string().min(1)).default([]),
  adopt: z.boolean().default(false),
});

export type TeamMemberInputs = z.output<typeof inputs>;

/** As `/team/member_update` names them. */
const FIELDS: Fields = {
  maxBudget: { name: "max_budget_in_team" },
  budgetDuration: { name: "budget_duration" },
  rpmLimit: { name: "rpm_limit" },
  tpmLimit: { name: "tpm_limit" },
  models: { name: "allowed_models", empty: [] },
};

/** Those that `/team/member_add` takes. */
const ADD_FIELDS: Fields = Object.fromEntries(
  Object.entries(FIELDS).filter(([property]) => !["rpmLimit", "tpmLimit"].includes(property)),
);

/** Limits are brought so often to what is wanted before LiteLLM is taken not to want it. */
const ATTEMPTS = 2;

interface Member {
  /** Limits of this member alone, by the names of `/team/member_update`. */
  readonly limits: Values;
  /** The budget that holds them. */
  readonly budgetId: string | undefined;
}

/**
 * A user in a team, without its admin's rights: those need LiteLLM's licence. With the membership LiteLLM
 * deletes the user's keys of the team.
 */
export const teamMember = {
  token: "litellm:access:TeamMember",
  inputs,
  computedOutputs: ["serverDefaults"],
  replaceOnChanges: ["teamId", "userId"],
  deleteBeforeReplace: true,
  observeBeforeUpdate: true,
  assertObservable: assertAnswering,

  async create(context, inputs) {
    return { id: formatMemberId(inputs), outputs: await add(context, inputs) };
  },

  async read(context, id, { inputs: known, outputs }) {
    const { teamId, userId } = parseMemberId(id);
    const team = await openGateway(context).teams.find(teamId, context.signal);
    const member = team && findMember(team, userId);
    if (member === undefined) return undefined;
    const { serverDefaults = {} } = outputs;
    return {
      inputs: {
        ...inputs.parse({ teamId, userId, adopt: known.adopt ?? false }),
        ...readInputs(FIELDS, member.limits, known, serverDefaults),
      },
      outputs: { serverDefaults },
    };
  },

  async update(context, _id, { inputs, outputs }) {
    const team = await openGateway(context).teams.findNow(inputs.teamId, context.signal);
    const member = team && findMember(team, inputs.userId);
    return member === undefined
      ? add(context, inputs)
      : bring(context, inputs, member, outputs.serverDefaults);
  },

  async delete(context, id) {
    const { teamId, userId } = parseMemberId(id);
    const { signal } = context;
    const gateway = openGateway(context);
    const team = await gateway.teams.findNow(teamId, signal);
    const member = team && findMember(team, userId);
    if (member === undefined) return;
    const keys = await countKeys(context, gateway, { teamId, userId });
    if (keys > 0) {
      context.log(
        `with user "${userId}" of team "${teamId}" LiteLLM deletes the user's ` +
          `${keys === 1 ? "key" : `${keys} keys`} of that team: requests with them are refused from now on`,
        { severity: "warning" },
      );
    }
    const body = { team_id: teamId, user_id: userId };
    try {
      await gateway.api.call({ path: "/team/member_delete", body, signal });
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      gateway.teams.forget(teamId);
    }
    if (member.budgetId !== undefined)
      await removeBudgets(gateway, [member.budgetId], context.signal);
  },
} satisfies ResourceDefinition<TeamMemberInputs, ManagedOutputs>;

async function add(context: OperationContext, wanted: TeamMemberInputs): Promise<ManagedOutputs> {
  const { signal } = context;
  const { teamId, userId } = wanted;
  const gateway = openGateway(context);
  await verifyUser(gateway, wanted, signal);
  const body = {
    team_id: teamId,
    member: { role: "user", user_id: userId },
    ...writeBody(ADD_FIELDS, wanted),
  };
  let isUncertain = false as boolean;
  const made = await gateway.api
    .create({ path: "/team/member_add", body, signal }, () => {
      isUncertain = true;
      return findMemberNow(gateway, wanted, signal);
    })
    .catch(async (error: unknown) => {
      const found = isAlreadyIn(error) ? await findMemberNow(gateway, wanted, signal) : undefined;
      if (found === undefined) throw error;
      return { found };
    })
    .finally(() => {
      gateway.teams.forget(teamId);
    });
  if ("answer" in made) {
    const member = readAdded(made.answer, userId);
    return bring(context, wanted, member, readServerDefaults(FIELDS, wanted, member.limits));
  }
  const isSame = Object.keys(writeChanges(FIELDS, wanted, made.found.limits)).length === 0;
  if (!isSame && !isUncertain && !wanted.adopt) {
    throw alreadyExists(context, {
      token: teamMember.token,
      noun: "member",
      id: formatMemberId(wanted),
      name: `${userId} of team ${teamId}`,
      owner: undefined,
    });
  }
  return bring(context, wanted, made.found, {});
}

/** Makes the limits of a member as they are wanted. */
async function bring(
  context: OperationContext,
  wanted: TeamMemberInputs,
  found: Member,
  serverDefaults: Values,
): Promise<ManagedOutputs> {
  const { signal } = context;
  const { teamId, userId } = wanted;
  const gateway = openGateway(context);
  let member = found;
  for (let attempt = 1; ; attempt++) {
    const changes = writeChanges(FIELDS, wanted, member.limits, serverDefaults);
    if (Object.keys(changes).length === 0) return { serverDefaults: { ...serverDefaults } };
    const after = attempt > ATTEMPTS ? undefined : await change(changes);
    if (after === undefined) {
      throw new Error(
        `user "${userId}" of team "${teamId}": LiteLLM says that it has changed ` +
          `${Object.keys(changes).join(", ")}, and has not: run the command again`,
      );
    }
    // LiteLLM leaves a budget behind in which nothing is set any more.
    if (member.budgetId !== undefined && member.budgetId !== after.budgetId) {
      await removeBudgets(gateway, [member.budgetId], context.signal);
    }
    member = after;
  }

  async function change(changes: Values): Promise<Member | undefined> {
    const body = { team_id: teamId, user_id: userId, ...changes };
    try {
      await gateway.api.call({ path: "/team/member_update", body, signal });
    } finally {
      gateway.teams.forget(teamId);
    }
    return findMemberNow(gateway, wanted, signal);
  }
}

/** LiteLLM would make a user of any id that it is given. */
async function verifyUser(
  { users }: Gateway,
  { teamId, userId }: TeamMemberInputs,
  signal: AbortSignal,
): Promise<void> {
  if (await users.has(userId, signal)) return;
  throw new Error(
    `userId: there is no user "${userId}" to be a member of team "${teamId}": ` +
      "make the user first (in the settings under access.users), or correct the id",
  );
}

async function findMemberNow(
  { teams }: Gateway,
  { teamId, userId }: TeamMemberInputs,
  signal: AbortSignal,
): Promise<Member | undefined> {
  const team = await teams.findNow(teamId, signal);
  return team && findMember(team, userId);
}

function findMember(team: LiveTeam, userId: string): Member | undefined {
  if (!team.members_with_roles.some((member) => member.user_id === userId)) return undefined;
  return readMember(team, findMembership(team, userId));
}

function readMember(team: LiveTeam, membership: LiveMembership | undefined): Member {
  const budgetId = findOwnBudget(team, membership);
  const budget = budgetId === undefined ? null : membership?.litellm_budget_table;
  return {
    budgetId,
    limits: budget ? { ...budget, max_budget_in_team: budget["max_budget"] } : {},
  };
}

function readAdded(answer: unknown, userId: string): Member {
  const team = answer as LiveTeam & { updated_team_memberships: readonly LiveMembership[] };
  const membership = team.updated_team_memberships.find((added) => added.user_id === userId);
  return readMember(team, membership);
}

function isAlreadyIn(error: unknown): boolean {
  return error instanceof Refusal && /already in team/i.test(error.reason);
}

function isGone(error: unknown): boolean {
  return error instanceof Refusal && /not found in team|does not exist/i.test(error.reason);
}
