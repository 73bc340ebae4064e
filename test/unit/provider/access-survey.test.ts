import { expect, test } from "vitest";

import type {
  LiveBudget,
  LiveCredential,
  LiveKey,
  LiveModel,
  LiveTeam,
  LiveUser,
} from "../../../components/provider/access/gateway.ts";
import {
  listUnmanaged,
  type ManagedIds,
  nameUnmanaged,
  type Survey,
} from "../../../components/provider/access/survey.ts";

const CONTEXT = { urn: "urn:pulumi:prod::shop::litellm:access:Unmanaged::unmanaged" };
const OURS = { managed_by: "pulumi:shop/prod:key-a" };
const THEIRS = { managed_by: "pulumi:shop/dev:key-a" };

const NOTHING: Survey = {
  keys: [],
  teams: [],
  users: [],
  budgets: [],
  models: [],
  credentials: [],
};
const NO_IDS: ManagedIds = {
  keys: [],
  teams: [],
  users: [],
  budgets: [],
  models: [],
  credentials: [],
};

const describeKey = (alias: string | null, more: object = {}): LiveKey => ({
  token: `hash-of-${alias ?? "one without an alias"}`,
  key_alias: alias,
  key_name: "sk-...abcd",
  metadata: {},
  team_id: null,
  user_id: null,
  budget_id: null,
  ...more,
});
const describeTeam = (id: string, more: object = {}): LiveTeam => ({
  team_id: id,
  metadata: null,
  members_with_roles: [{ user_id: "default_user_id", user_email: null, role: "admin" }],
  team_memberships: [],
  ...more,
});
const describeUser = (id: string, more: object = {}): LiveUser => ({
  user_id: id,
  metadata: {},
  ...more,
});
const describeModel = (id: string, more: object = {}): LiveModel => ({
  model_name: `name-of-${id}`,
  litellm_params: {},
  model_info: { id, db_model: true, ...more },
});
const describeCredential = (name: string, info: object | null = null): LiveCredential => ({
  credential_name: name,
  credential_values: {},
  credential_info: info as LiveCredential["credential_info"],
});
const describeBudget = (id: string): LiveBudget => ({ budget_id: id });
const members = (...users: string[]) => ({
  members_with_roles: users.map((user_id) => ({ user_id, user_email: null, role: "user" })),
});

function list(live: Partial<Survey>, managed: Partial<ManagedIds> = {}): string[] {
  return listUnmanaged(CONTEXT, { ...NOTHING, ...live }, { ...NO_IDS, ...managed }).map((thing) =>
    thing.keptBecause === undefined
      ? nameUnmanaged(thing)
      : `${nameUnmanaged(thing)}: ${thing.keptBecause}`,
  );
}

test("what the code has is not counted, keys by hash or alias", () => {
  const live = {
    keys: [describeKey("a"), describeKey("b"), describeKey(null)],
    teams: [describeTeam("t")],
    users: [describeUser("u")],
    budgets: [describeBudget("b")],
    models: [describeModel("m")],
    credentials: [describeCredential("c")],
  };
  expect(
    list(live, {
      keys: ["a", "hash-of-b"],
      teams: ["t"],
      users: ["u"],
      budgets: ["b"],
      models: ["m"],
      credentials: ["c"],
    }),
  ).toEqual(["key sk-...abcd without an alias"]);
  expect(list(live)).toHaveLength(8);
});

test("what LiteLLM has for itself is not counted", () => {
  expect(
    list({
      keys: [describeKey(null, { team_id: "litellm-dashboard" })],
      teams: [describeTeam("litellm-dashboard")],
      users: [describeUser("default_user_id")],
      budgets: [
        describeBudget("64bdde10-dfcb-4013-ae5a-37d1a42b9449"),
        describeBudget("team-My-Team-budget-b4f94a4403b44ea181a40fcc74bf14d6"),
        describeBudget("team-budget-b4f94a4403b44ea181a40fcc74bf14d6"),
      ],
      models: [describeModel("of-the-file", { db_model: false })],
    }),
  ).toEqual([]);
});

test("what this stack has made is Pulumi's to delete", () => {
  expect(
    list({
      keys: [describeKey("a", { metadata: OURS })],
      teams: [describeTeam("t", { metadata: OURS })],
      users: [describeUser("u", { metadata: OURS })],
      models: [describeModel("m", OURS)],
      credentials: [describeCredential("c", OURS)],
    }),
  ).toEqual([]);
});

test("what another stack manages is kept, and so are budgets, which may be its own", () => {
  const reason = "it is managed by pulumi:shop/dev:key-a";
  expect(
    list({
      keys: [describeKey("a", { metadata: THEIRS })],
      teams: [describeTeam("t", { metadata: THEIRS, team_alias: "Team" })],
      users: [describeUser("u", { metadata: THEIRS, user_email: "u@example.com" })],
      models: [describeModel("m", THEIRS)],
      credentials: [describeCredential("c", THEIRS)],
      budgets: [describeBudget("b")],
    }),
  ).toEqual([
    `key "a" (sk-...abcd): ${reason}`,
    `team "Team" (t): ${reason}`,
    `user "u" (u@example.com): ${reason}`,
    `model "name-of-m" (m): ${reason}`,
    `credential "c": ${reason}`,
    `budget "b": it may be another stack's, as key "a" (sk-...abcd) is`,
  ]);
});

test("what would take something of the code with it, or is used by what stays, is kept", () => {
  const model = { ...describeModel("m"), litellm_params: { litellm_credential_name: "c" } };
  const found = list(
    {
      keys: [
        describeKey("a", { team_id: "t", user_id: "u", budget_id: "b" }),
        describeKey("stray", { team_id: "free" }),
      ],
      teams: [describeTeam("t"), describeTeam("free")],
      users: [describeUser("u"), describeUser("free")],
      budgets: [describeBudget("b"), describeBudget("free")],
      models: [model],
      credentials: [describeCredential("c"), describeCredential("free")],
    },
    { keys: ["a"], models: ["m"] },
  );
  expect(found).toEqual([
    'key "stray" (sk-...abcd)',
    'team "t": key "a" (sk-...abcd) would be deleted with it',
    'team "free"',
    'user "u": key "a" (sk-...abcd) would be deleted with it',
    'user "free"',
    'credential "c": model "name-of-m" uses it',
    'credential "free"',
    'budget "b": key "a" (sk-...abcd) refers to it',
    'budget "free"',
  ]);
});

test("a credential that a model of the configuration file uses is kept", () => {
  const model = {
    ...describeModel("of-the-file", { db_model: false }),
    litellm_params: { litellm_credential_name: "c" },
  };
  expect(list({ models: [model], credentials: [describeCredential("c")] })).toEqual([
    'credential "c": model "name-of-of-the-file" uses it',
  ]);
});

test("members of the code's teams are looked at where it says who they are", () => {
  const live = {
    teams: [
      describeTeam("a b", members("ana@x", "eve", "default_user_id")),
      describeTeam("other", members("eve")),
    ],
    users: [describeUser("ana@x"), describeUser("eve")],
  };
  const managed = { teams: ["a b", "other"] };
  expect(list(live, managed)).toEqual([
    'user "ana@x": it is a member of team "a b"',
    'user "eve": it is a member of team "a b"',
  ]);
  expect(list(live, { ...managed, members: ["a%20b/ana%40x"] })).toEqual([
    'user "ana@x": it is a member of team "a b"',
    'user "eve"',
  ]);
  expect(list(live, { ...managed, users: ["ana@x", "eve"], members: ["a%20b/ana%40x"] })).toEqual([
    'member "eve" of team "a b"',
    'member "eve" of team "other"',
  ]);
});
