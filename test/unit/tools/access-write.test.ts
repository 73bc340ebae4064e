import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { budget } from "../../../components/provider/access/budget.ts";
import { credential } from "../../../components/provider/access/credential.ts";
import { model } from "../../../components/provider/access/model.ts";
import { teamMember } from "../../../components/provider/access/team-member.ts";
import { team } from "../../../components/provider/access/team.ts";
import { user } from "../../../components/provider/access/user.ts";
import { virtualKey } from "../../../components/provider/access/virtual-key.ts";
import { type AccessPlan, planAccess } from "../../../stacks/plan/access-plan.ts";
import { Access } from "../../../stacks/settings/access-settings.ts";
import type { Observed, ObservedAccess } from "../../../tools/access/observed-access.ts";
import { writeAccess } from "../../../tools/access/write-access.ts";
import { accessSettings } from "../../support/access-settings.ts";

const NOTHING: ObservedAccess = {
  budgets: [],
  users: [],
  teams: [],
  members: [],
  keys: [],
  credentials: [],
  models: [],
};
const NOW = new Date("2026-12-01T00:00:00Z");

const hash = (text: string): string => Buffer.from(text.padEnd(32)).toString("hex").slice(0, 64);

function liveUser(inputs: object, live: object = {}): ObservedAccess["users"][number] {
  const parsed = user.inputs.parse(inputs);
  const { userId: id } = parsed;
  return { id, inputs: parsed, live: { user_id: id, metadata: {}, ...live } };
}

function liveTeam(inputs: object, live: object = {}): ObservedAccess["teams"][number] {
  const parsed = team.inputs.parse(inputs);
  const { teamId: id, alias } = parsed;
  return {
    ...{ id, inputs: parsed },
    live: {
      ...{ team_id: id, team_alias: alias ?? null, metadata: {} },
      ...{ members_with_roles: [], team_memberships: [], ...live },
    },
  };
}

function liveMember(inputs: object, role = "user"): ObservedAccess["members"][number] {
  const parsed = teamMember.inputs.parse(inputs);
  const { teamId, userId } = parsed;
  return { id: `${teamId}/${userId}`, inputs: parsed, live: { teamId, userId, role } };
}

function liveKey(inputs: object, live: object = {}): ObservedAccess["keys"][number] {
  const parsed = virtualKey.inputs.parse(inputs);
  const id = hash(parsed.alias);
  return {
    ...{ id, inputs: parsed },
    live: { token: id, key_alias: parsed.alias, key_name: "sk-...abcd", metadata: {}, ...live },
  };
}

function liveBudget(inputs: object, live: object = {}): ObservedAccess["budgets"][number] {
  const parsed = budget.inputs.parse(inputs);
  return { id: parsed.budgetId, inputs: parsed, live: { budget_id: parsed.budgetId, ...live } };
}

function liveCredential(inputs: object, live: object = {}): ObservedAccess["credentials"][number] {
  const parsed = credential.inputs.parse(inputs);
  const { name: id, values, info } = parsed;
  return {
    ...{ id, inputs: parsed },
    live: { credential_name: id, credential_values: values, credential_info: info, ...live },
  };
}

function liveModel(inputs: object, info: object = {}): ObservedAccess["models"][number] {
  const parsed = model.inputs.parse(inputs);
  const { modelId: id, name, params } = parsed;
  return {
    ...{ id, inputs: parsed },
    live: { model_name: name, litellm_params: params, model_info: { id, db_model: true, ...info } },
  };
}

describe("what is left out, and why", () => {
  test("what another stack manages, where it is to be managed here", () => {
    const observed = {
      ...NOTHING,
      teams: [
        liveTeam({ teamId: "a", alias: "a" }, { metadata: { managed_by: "pulumi:p/dev:x" } }),
        liveTeam({ teamId: "b", alias: "b" }, { metadata: { managed_by: "pulumi:p/dev2:x" } }),
      ],
      keys: [liveKey({ alias: "k", teamId: "b" })],
    };
    const managed = writeAccess(observed, { project: { name: "p", stack: "dev" } });
    expect(Object.keys(managed.tree.teams)).toEqual(["a"]);
    expect(managed.notes).toEqual([
      'team "b" is left out: it is managed by pulumi:p/dev2:x',
      'key "k" is left out: its team "b" is not here',
    ]);
    expect(Object.keys(writeAccess(observed).tree.teams)).toEqual(["a", "b"]);
  });

  test("keys that nobody can, or need, name", () => {
    const keys = [
      liveKey({ alias: "plain" }),
      liveKey({ alias: "nameless" }, { key_alias: null }),
      liveKey({ alias: "over", expires: "2026-11-30T00:00:00Z" }),
      liveKey({ alias: "admins", userId: "default_user_id" }),
      liveKey({ alias: "lost", userId: "gone" }),
      liveKey({ alias: "unlimited", budgetId: "gone" }),
      liveKey(
        { alias: "ci-until-20261201T120000Z-0a1b2c3d" },
        { metadata: { managed_by: "pulumi:p/dev:access-key-ci" } },
      ),
      liveKey({ alias: "mine-until-20261201T120000Z-0a1b2c3d" }),
    ];
    const { tree, notes, imports } = writeAccess({ ...NOTHING, keys }, { now: NOW });
    expect(Object.keys(tree.keys)).toEqual(["mine-until-20261201T120000Z-0a1b2c3d", "plain"]);
    expect(imports["access-key-plain"]).toBe(hash("plain"));
    expect(notes.toSorted()).toEqual([
      'key "admins" is left out: it belongs to the admin, who is LiteLLM\'s own',
      'key "ci-until-20261201T120000Z-0a1b2c3d" is left out: a newer one has replaced it, and it ends by itself',
      'key "lost" is left out: its user "gone" is not here',
      'key "over" is left out: it has expired',
      'key "sk-...abcd" is left out: it has no alias to know it by; give it one in LiteLLM\'s pages',
      'key "unlimited" is left out: its budget "gone" is not here',
      expect.stringMatching(/^values of keys \(2\) cannot be read back/),
    ]);
  });

  test("members without a user, and what makes one more than a member", () => {
    const members_with_roles = [{ user_id: null, user_email: "new@example.com", role: "user" }];
    const { tree, notes } = writeAccess({
      ...NOTHING,
      users: [liveUser({ userId: "ana" })],
      teams: [liveTeam({ teamId: "t", alias: "T" }, { members_with_roles })],
      members: [
        liveMember({ teamId: "t", userId: "ana", maxBudget: 5 }, "admin"),
        liveMember({ teamId: "t", userId: "gone" }),
        liveMember({ teamId: "other", userId: "ana" }),
      ],
    });
    expect(tree.teams).toEqual({ t: { alias: "T", members: { ana: { maxBudget: 5 } } } });
    expect(notes).toEqual([
      'member "new@example.com" of team "T" is left out: LiteLLM knows no user of this e-mail',
      'member "ana" of team "T" is its admin, which no setting says; LiteLLM keeps it',
      'member "gone" of team "T" is left out: this user is not here',
    ]);
  });

  test("budgets that LiteLLM makes, unless a key was given one", () => {
    const [made, given] = [
      "11111111-2222-3333-4444-555555555555",
      "61111111-2222-3333-4444-555555555555",
    ];
    const { tree } = writeAccess({
      ...NOTHING,
      budgets: [
        ...[made, given, `team-Search-budget-${"0".repeat(32)}`].map((budgetId) =>
          liveBudget({ budgetId }),
        ),
        liveBudget({ budgetId: "trial", maxBudget: 5 }),
      ],
      keys: [liveKey({ alias: "k", budgetId: given })],
    });
    expect(tree.budgets).toEqual({ [given]: {}, trial: { maxBudget: 5 } });
    expect(tree.keys).toEqual({ k: { budget: given } });
  });

  test("what no setting says stays in LiteLLM, and is named", () => {
    const { notes } = writeAccess({
      ...NOTHING,
      teams: [
        liveTeam(
          { teamId: "t", alias: "Search", metadata: { mine: 1 } },
          {
            ...{
              organization_id: "o",
              model_max_budget: { gpt: { budget_limit: 1 } },
              policies: [],
            },
            metadata: { mine: 1, tags: ["a"], model_rpm_limit: { gpt: 1 }, managed_by: "x" },
          },
        ),
      ],
    });
    expect(notes).toEqual([
      'team "Search": no setting says model_max_budget, organization_id, tags; LiteLLM keeps what it has',
    ]);
  });

  test("what LiteLLM takes and no resource does", () => {
    const odd: Observed<never, ObservedAccess["users"][number]["live"]> = {
      ...{ id: "odd", inputs: undefined, problem: "budgetDuration must be a duration" },
      live: { user_id: "odd", metadata: {} },
    };
    const { tree, notes } = writeAccess({ ...NOTHING, users: [odd] });
    expect(tree.users).toEqual({});
    expect(notes).toEqual([
      'user "odd" is left out, for no setting says it: budgetDuration must be a duration',
    ]);
  });
});

describe("secrets", () => {
  const stored: ObservedAccess = {
    ...NOTHING,
    credentials: [
      liveCredential({ name: "groq", values: { api_key: "gs****23", api_base: "https://x.test" } }),
      liveCredential({ name: "plain", values: { api_base: "https://y.test" } }),
      liveCredential({ name: "of the file", values: { a: "b" } }, { source: "config" }),
    ],
    models: [
      liveModel({
        modelId: "m1",
        name: "eu",
        params: { model: "groq/a", litellm_credential_name: "groq" },
      }),
      liveModel({
        modelId: "m2",
        name: "own",
        params: { model: "openai/b", azure_ad_token: "ab****yz" },
      }),
      liveModel({
        modelId: "m3",
        name: "mock",
        params: { mock_response: "hi", model: "openai/c" },
      }),
      liveModel(
        { modelId: "m4", name: "x", params: { model: "openai/d" } },
        { team_id: "t", team_public_model_name: "theirs" },
      ),
      liveModel({
        modelId: "m5",
        name: "lost",
        params: { model: "openai/d", litellm_credential_name: "gone" },
      }),
      liveModel({ modelId: "m6", name: "paused", params: { model: "openai/d" }, blocked: true }),
    ],
  };

  test("are named where LiteLLM hides them, with the command that sets them", () => {
    const { tree, imports, adopts, notes } = writeAccess(stored);
    expect(tree.credentials).toEqual({
      groq: { values: { api_base: "https://x.test" }, secretValues: { api_key: "groqApiKey" } },
      plain: { values: { api_base: "https://y.test" } },
    });
    expect(tree.models).toEqual({
      m1: { name: "eu", params: { model: "groq/a" }, credential: "groq" },
      m2: {
        ...{ name: "own", params: { model: "openai/b" }, apiKey: "m2ApiKey" },
        secretParams: { azure_ad_token: "m2AzureAdToken" },
      },
      m3: { name: "mock", params: { model: "openai/c", mock_response: "hi" } },
    });
    expect(imports).toEqual({
      "access-credential-plain": "plain",
      "access-model-m1": "m1",
      "access-model-m3": "m3",
    });
    expect(adopts).toEqual(["access-credential-groq", "access-model-m2"]);
    expect(notes).toEqual(
      [
        `credential "groq": LiteLLM hides its secrets, set them: pulumi config set --secret --path 'secrets.groqApiKey'`,
        'model "theirs" is left out: it belongs to team "t" alone',
        'model "lost" is left out: its credential is not here',
        'model "paused" is left out: it is paused',
        `model "own": LiteLLM hides its secrets, set them: pulumi config set --secret --path 'secrets.m2ApiKey'; pulumi config set --secret --path 'secrets.m2AzureAdToken'`,
      ].toSorted((a, b) => notes.indexOf(a) - notes.indexOf(b)),
    );
  });

  test("that are not set keep what needs them out, and what depends on that", () => {
    const { tree, notes } = writeAccess(stored, { secrets: new Set(["m2ApiKey"]) });
    expect(Object.keys(tree.credentials)).toEqual(["plain"]);
    expect(Object.keys(tree.models)).toEqual(["m3"]);
    expect(notes).toContain(
      `credential "groq" is left out until its secrets are set, which LiteLLM hides: pulumi config set --secret --path 'secrets.groqApiKey'`,
    );
    expect(notes).toContain('model "eu" is left out: its credential is not here');
  });

  test("never take the name of one of the gateway's own, nor of each other", () => {
    const { tree } = writeAccess({
      ...NOTHING,
      credentials: [
        liveCredential({ name: "redis", values: { password: "ab****yz" } }),
        liveCredential({ name: "a-b", values: { key: "ab****yz" } }),
        liveCredential({ name: "a_b", values: { key: "ab****yz" } }),
      ],
    });
    expect(Object.values(tree.credentials).map(({ secretValues }) => secretValues)).toEqual([
      { key: "aBKey" },
      { key: "aBKey2" },
      { password: "redisPassword2" },
    ]);
  });
});

test("what the settings have already keeps its name, and is not remarked on", () => {
  const observed = {
    ...NOTHING,
    users: [liveUser({ userId: "u1", email: "ana@example.com" }, { organization_id: "o" })],
    keys: [liveKey({ alias: "Ana's", userId: "u1" })],
  };
  const { tree, imports, notes } = writeAccess(observed, {
    known: { users: new Map([["u1", "ana"]]), keys: new Map([["Ana's", "laptop"]]) },
  });
  expect(tree.keys).toEqual({ laptop: { alias: "Ana's", user: "ana" } });
  expect(imports).toMatchObject({ "access-user-ana": "u1", "access-key-laptop": hash("Ana's") });
  expect(notes).toEqual([]);
});

test("a team without an alias gets one, which is a change", () => {
  const { tree, imports, adopts, notes } = writeAccess({
    ...NOTHING,
    teams: [liveTeam({ teamId: "ops" })],
  });
  expect(tree.teams).toEqual({ ops: {} });
  expect([imports, adopts]).toEqual([{}, ["access-team-ops"]]);
  expect(notes).toEqual(['team "ops" has no alias in LiteLLM; with its entry it gets "ops"']);
});

/** What the resources of a plan leave in a gateway. */
function deploy(plan: AccessPlan | undefined): ObservedAccess {
  const { budgets = [], users = [], teams = [], members = [], keys = [] } = plan ?? {};
  return {
    ...NOTHING,
    budgets: budgets.map(({ args }) => liveBudget(args)),
    users: users.map(({ args }) => liveUser(args)),
    teams: teams.map(({ args }) => liveTeam(args)),
    members: members.map(({ args }) => liveMember(args)),
    // What only this toolkit knows of a key is not in the gateway.
    keys: keys.map(({ args }) =>
      liveKey({ ...args, generation: undefined, rotateAfter: undefined, overlap: undefined }),
    ),
  };
}

const plan = (access: unknown) => planAccess({ access: Access.parse(access) });

test("what is written of a gateway makes the very same gateway", () => {
  fc.assert(
    fc.property(accessSettings(), (settings) => {
      const before = deploy(plan(settings));
      const { tree } = writeAccess(before, { now: new Date(0) });
      const after = deploy(plan(tree));
      for (const kind of ["budgets", "users", "teams", "members", "keys"] as const) {
        const inputsOf = (observed: ObservedAccess) =>
          new Map<string, unknown>(observed[kind].map(({ id, inputs }) => [id, inputs]));
        expect(inputsOf(after)).toEqual(inputsOf(before));
      }
    }),
    { numRuns: 200 },
  );
});
