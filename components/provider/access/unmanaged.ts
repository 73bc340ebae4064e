import { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { Refusal } from "./api-failure.ts";
import { assertAnswering, type Gateway, openGateway } from "./gateway.ts";
import { parseMemberId } from "./member-id.ts";
import { nameResource } from "./owner.ts";
import {
  KINDS,
  type Kind,
  listUnmanaged,
  nameUnmanaged,
  survey,
  type Unmanaged,
} from "./survey.ts";

const ids = z.array(z.string().min(1)).default([]);

const inputs = z.strictObject({
  /** `report` tells of it in each preview; `delete` plans an update that deletes it. */
  mode: z.enum(["report", "delete"]),
  /** Ids that the code has. */
  teams: ids,
  users: ids,
  budgets: ids,
  models: ids,
  credentials: ids,
  /** Hashes or aliases that the code has. */
  keys: ids,
  /** Ids of `TeamMember` that the code has. Default: nobody looks at the members of its teams. */
  members: z.array(z.string().min(1)).optional(),
});

export type UnmanagedInputs = z.output<typeof inputs>;

export interface UnmanagedOutputs {
  /** What is in the gateway and not in the code, such as `team "search"`. */
  readonly unmanaged: readonly string[];
  /** The same of what is never deleted, with why not. */
  readonly kept: readonly string[];
}

/** So many are named in a line. */
const MOST_NAMES = 20;

/** What each resource has listed the last time it looked, by gateway and URN. */
const listed = new Map<string, ReadonlySet<string>>();

/**
 * What is in a gateway and not in the code. With mode `delete` an update deletes it, but only what this
 * very command has listed before: what appears meanwhile waits for the next one. Making this resource
 * deletes nothing at all, for no preview has shown it. As long as a preview does not know all ids, nothing
 * is looked at.
 *
 * Never deleted: what another stack manages, what would take something of the code with it (a team or a
 * user whose keys the code has), and what is used by something that stays. What this stack has made is
 * Pulumi's to delete.
 */
export const unmanaged = {
  token: "litellm:access:Unmanaged",
  inputs,
  computedOutputs: ["kept", "unmanaged"],
  volatileOutputs: ["kept", "unmanaged"],
  observeBeforeUpdate: true,
  assertObservable: assertAnswering,
  // What it looks for is what the program says now.
  locatedBy: ["mode", "teams", "users", "budgets", "models", "credentials", "keys", "members"],

  async create(context, inputs) {
    return { id: nameResource(context), outputs: describe(await look(context, inputs)) };
  },

  async read(context, _id, { inputs: known }) {
    const wanted = inputs.parse({ mode: "report", ...known });
    return { inputs: wanted, outputs: describe(await look(context, wanted)) };
  },

  async update(context, _id, { inputs }) {
    const gateway = openGateway(context);
    if (inputs.mode === "delete") {
      const wasListed = listed.get(nameView(context)) ?? new Set();
      const found = listUnmanaged(context, await survey(gateway, context.signal), inputs);
      await removeAll(
        context,
        gateway,
        found.filter((thing) => thing.keptBecause === undefined && wasListed.has(keyOf(thing))),
      );
    }
    return describe(listUnmanaged(context, await survey(gateway, context.signal), inputs));
  },

  async delete() {},

  drift({ unmanaged: found }, { mode }) {
    return mode === "delete" && found.length > 0 ? ["unmanaged"] : [];
  },
} satisfies ResourceDefinition<UnmanagedInputs, UnmanagedOutputs>;

/** Lists it, and tells of it. */
async function look(context: OperationContext, inputs: UnmanagedInputs): Promise<Unmanaged[]> {
  const found = listUnmanaged(context, await survey(openGateway(context), context.signal), inputs);
  const deletable = found.filter(({ keptBecause }) => keptBecause === undefined);
  listed.set(nameView(context), new Set(deletable.map(keyOf)));
  for (const kind of KINDS) {
    const names = deletable.filter((thing) => thing.kind === kind).map(({ name }) => name);
    const plan = inputs.mode === "delete" ? "not in the code, to be deleted" : "not in the code";
    if (names.length > 0) context.log(`${plan}: ${count(names.length, kind)}: ${join(names)}`);
  }
  const { kept } = describe(found);
  if (kept.length > 0) context.log(`not in the code, and left alone: ${join(kept)}`);
  return found;
}

function describe(found: readonly Unmanaged[]): UnmanagedOutputs {
  return {
    unmanaged: found.filter(({ keptBecause }) => keptBecause === undefined).map(nameUnmanaged),
    kept: found.flatMap((thing) =>
      thing.keptBecause === undefined ? [] : [`${nameUnmanaged(thing)}: ${thing.keptBecause}`],
    ),
  };
}

async function removeAll(
  context: OperationContext,
  gateway: Gateway,
  things: readonly Unmanaged[],
): Promise<void> {
  for (const kind of KINDS) {
    const ofKind = things.filter((thing) => thing.kind === kind);
    if (ofKind.length === 0) continue;
    await Promise.all(ofKind.map(({ id }) => remove(gateway, kind, id, context.signal)));
    context.log(`deleted ${count(ofKind.length, kind)}: ${join(ofKind.map(({ name }) => name))}`);
  }
}

/** What is gone already is as it is to be. */
async function remove(
  { api, keyDeletions, ...lookups }: Gateway,
  kind: Kind,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  if (kind === "key") {
    lookups.keys.forget(id);
    return keyDeletions.delete(id, signal);
  }
  try {
    await api.call({ ...requestRemoval(kind, id), signal });
  } catch (error) {
    const isGone =
      error instanceof Refusal &&
      (error.status === 404 || (error.status === 400 && /not found/i.test(error.reason)));
    if (!isGone) throw error;
  } finally {
    if (kind !== "member") lookups[`${kind}s`].forget(id);
  }
}

function requestRemoval(
  kind: Exclude<Kind, "key">,
  id: string,
): { readonly method?: "DELETE"; readonly path: string; readonly body?: object } {
  switch (kind) {
    case "member": {
      const { teamId: team_id, userId: user_id } = parseMemberId(id);
      return { path: "/team/member_delete", body: { team_id, user_id } };
    }
    case "team":
      return { path: "/team/delete", body: { team_ids: [id] } };
    case "user":
      return { path: "/user/delete", body: { user_ids: [id] } };
    case "model":
      return { path: "/model/delete", body: { id } };
    case "credential":
      return { method: "DELETE", path: `/credentials/${encodeURIComponent(id)}` };
    case "budget":
      return { path: "/budget/delete", body: { id } };
  }
}

function keyOf({ kind, id }: Unmanaged): string {
  return `${kind} ${id}`;
}

function nameView({ urn, configuration }: OperationContext): string {
  return `${String(configuration["url"])} ${urn}`;
}

function count(number: number, kind: Kind): string {
  return `${number} ${kind}${number === 1 ? "" : "s"}`;
}

function join(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`and ${more} more`] : [])].join(", ");
}
