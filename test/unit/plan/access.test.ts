import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { z } from "zod";

import { budget } from "../../../components/provider/access/budget.ts";
import { credential } from "../../../components/provider/access/credential.ts";
import { model } from "../../../components/provider/access/model.ts";
import { teamMember } from "../../../components/provider/access/team-member.ts";
import { team } from "../../../components/provider/access/team.ts";
import { user } from "../../../components/provider/access/user.ts";
import { virtualKey } from "../../../components/provider/access/virtual-key.ts";
import { type AccessPlan, planAccess } from "../../../stacks/plan/access-plan.ts";
import { type Plan, planDeployment } from "../../../stacks/plan/plan.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { accessSettings } from "../../support/access-settings.ts";
import { imagineCircumstances } from "../../support/circumstances.ts";
import { mockModels, rawConfig } from "../settings/raw-config.ts";

const secrets = { groqApiKey: "gsk_0123456789", sharedKey: "gsk_1234567890", ownKey: "sk-012345" };
const parse = (access: unknown, plain: object = {}) =>
  parseSettings(rawConfig({ models: mockModels, access, ...plain }, { secrets }));
const plan = (access: unknown): AccessPlan => {
  const planned = planAccess(parse(access));
  if (planned === undefined) throw new Error("nothing was planned");
  return planned;
};

describe("the plan of access", () => {
  test("is none where nothing is managed", () => {
    expect(planAccess(parse(undefined))).toBeUndefined();
    expect(planAccess(parse({ adopt: true }))).toBeUndefined();
    expect(planAccess(parse({ prune: "report" }))).toMatchObject({ prune: "report", keys: [] });
  });

  test("has LiteLLM's ids for the user's names", () => {
    const { teams, users, members, keys } = plan({
      users: { ana: { id: "u-1" }, ben: {} },
      budgets: { trial: { id: "b-1", maxBudget: 5 } },
      teams: { search: { id: "t-1", alias: "Search", members: { ben: {}, ana: { rpmLimit: 1 } } } },
      keys: { ci: { team: "search", user: "ana", budget: "trial" }, free: { alias: "Free" } },
    });
    expect(teams).toEqual([
      {
        name: "search",
        args: {
          teamId: "t-1",
          alias: "Search",
          models: [],
          blocked: false,
          metadata: {},
          adopt: false,
        },
      },
    ]);
    expect(users.map(({ name, args }) => [name, args.userId])).toEqual([
      ["ana", "u-1"],
      ["ben", "ben"],
    ]);
    expect(members).toEqual([
      {
        team: "search",
        user: "ana",
        args: { teamId: "t-1", userId: "u-1", rpmLimit: 1, models: [], adopt: false },
      },
      {
        team: "search",
        user: "ben",
        args: { teamId: "t-1", userId: "ben", models: [], adopt: false },
      },
    ]);
    expect(keys).toEqual([
      {
        name: "ci",
        team: "search",
        user: "ana",
        budget: "trial",
        args: {
          alias: "ci",
          teamId: "t-1",
          userId: "u-1",
          budgetId: "b-1",
          models: [],
          blocked: false,
          metadata: {},
          generation: 1,
          overlap: "24h",
          adopt: false,
        },
        protect: false,
        delivery: {},
      },
      {
        name: "free",
        args: {
          alias: "Free",
          models: [],
          blocked: false,
          metadata: {},
          generation: 1,
          overlap: "24h",
          adopt: false,
        },
        protect: false,
        delivery: {},
      },
    ]);
  });

  test("delivers a key under the usual variable, and nowhere by default", () => {
    const { keys } = plan({
      keys: {
        a: { secret: "ownKey", protect: true, delivery: { file: "a.env" } },
        b: { delivery: { file: "b.env", variable: "KEY" } },
      },
    });
    expect(keys).toMatchObject([
      {
        secret: "ownKey",
        protect: true,
        delivery: { file: "a.env", variable: "LITELLM_API_KEY" },
      },
      { delivery: { file: "b.env", variable: "KEY" } },
    ]);
  });

  test("names the secrets of credentials and models, and holds none", () => {
    const { credentials, models } = plan({
      adopt: true,
      credentials: {
        groq: {
          name: "Groq",
          provider: "groq",
          values: { api_base: "https://api.groq.com" },
          secretValues: { api_key: "groqApiKey" },
          info: { owner: "ana" },
        },
      },
      models: {
        "gpt-eu-1": {
          name: "gpt-eu",
          params: { model: "openai/gpt-5", rpm: "60" },
          credential: "groq",
          apiKey: "groqApiKey",
        },
      },
    });
    expect(credentials).toEqual([
      {
        name: "groq",
        args: { name: "Groq", info: { owner: "ana", custom_llm_provider: "groq" }, adopt: true },
        values: { api_base: "https://api.groq.com" },
        secretValues: { api_key: "groqApiKey" },
      },
    ]);
    expect(models).toEqual([
      {
        name: "gpt-eu-1",
        args: {
          modelId: "gpt-eu-1",
          name: "gpt-eu",
          modelInfo: {},
          blocked: false,
          adopt: true,
        },
        params: { model: "openai/gpt-5", rpm: 60, litellm_credential_name: "Groq" },
        secretParams: { api_key: "groqApiKey" },
        credential: "groq",
      },
    ]);
  });

  test("does not depend on the order of names", () => {
    const forwards = { users: { a: {}, b: {} }, teams: { t: { members: { a: {}, b: {} } } } };
    const backwards = { teams: { t: { members: { b: {}, a: {} } } }, users: { b: {}, a: {} } };
    expect(plan(backwards)).toEqual(plan(forwards));
  });

  test("resolves every reference of every valid tree", () => {
    fc.assert(
      fc.property(accessSettings({ prefix: "x-" }), (access) => {
        const planned = planAccess(parse({ prune: "report", ...access }));
        if (planned === undefined) throw new Error("nothing was planned");
        const teams = new Map(planned.teams.map(({ name, args }) => [name, args.teamId]));
        const users = new Map(planned.users.map(({ name, args }) => [name, args.userId]));
        const budgets = new Map(planned.budgets.map(({ name, args }) => [name, args.budgetId]));
        for (const { team, user, args } of planned.members) {
          expect([args.teamId, args.userId]).toEqual([teams.get(team), users.get(user)]);
        }
        for (const { team, user, budget, args } of planned.keys) {
          expect(args.teamId).toBe(team && teams.get(team));
          expect(args.userId).toBe(user && users.get(user));
          expect(args.budgetId).toBe(budget && budgets.get(budget));
        }
        expect([...teams.keys(), ...users.keys()].every((name) => name.startsWith("x-"))).toBe(
          true,
        );
        // What is not given is not there: it would be told from what was imported otherwise.
        expect(planned).toStrictEqual(JSON.parse(JSON.stringify(planned)));
      }),
    );
  });
});

test("what is planned is what the resources take, as it is", () => {
  const full = {
    credentials: { groq: { provider: "groq", secretValues: { api_key: "groqApiKey" } } },
    models: { gpt: { params: { model: "openai/gpt-5" }, credential: "groq" } },
  };
  fc.assert(
    fc.property(accessSettings(), (access) => {
      const planned = plan({ ...access, ...full });
      const taken: [{ readonly inputs: z.ZodType }, readonly { readonly args: object }[]][] = [
        [budget, planned.budgets],
        [user, planned.users],
        [team, planned.teams],
        [teamMember, planned.members],
        [virtualKey, planned.keys],
        [
          credential,
          planned.credentials.map(({ args, values }) => ({
            args: { ...args, values: { ...values, api_key: "secret" } },
          })),
        ],
        [model, planned.models.map(({ args, params }) => ({ args: { ...args, params } }))],
      ];
      for (const [{ inputs }, entries] of taken) {
        for (const { args } of entries) expect(inputs.parse(args)).toEqual(args);
      }
    }),
  );
});

describe("a deployment with access", () => {
  const access = {
    keys: { ci: { secret: "ownKey" } },
    credentials: { groq: { secretValues: { api_key: "groqApiKey", token: "sharedKey" } } },
  };
  const deploy = (plain: object, masterKey: object = {}): Plan =>
    planDeployment(
      parseSettings(rawConfig({ models: mockModels, access, ...plain }, { secrets, ...masterKey })),
      imagineCircumstances({ files: { "a.yaml": "model_list: []" } }),
    );
  const variables = (plain: object): readonly string[] => {
    const { topology, proxy } = deploy(plain) as Extract<Plan, { topology: "local" }>;
    expect(topology).toBe("local");
    return Object.values(proxy.secretVariables);
  };

  test.each([
    ["local", {}],
    ["single-host", { deployment: { topology: "single-host" } }],
    [
      "traefik",
      {
        deployment: {
          topology: "traefik",
          baseDomain: "example.com",
          certificates: { kind: "private" },
        },
      },
    ],
    [
      "two-vm",
      {
        deployment: { topology: "two-vm", machine: { address: "192.168.10.18" } },
        database: { machine: { address: "192.168.10.19" } },
      },
    ],
  ])("plans it in topology %s", (topology, plain) => {
    const planned = deploy(plain);
    expect(planned.topology).toBe(topology);
    expect(planned.access?.keys).toMatchObject([{ name: "ci", secret: "ownKey" }]);
  });

  test("plans it for a gateway that is run elsewhere", () => {
    const deployment = { topology: "existing", url: "https://litellm.example.com" };
    const planned = deploy({ deployment, models: undefined }, { masterKey: "sk-0123456789abcdef" });
    expect(planned.access?.keys).toMatchObject([{ name: "ci", secret: "ownKey" }]);
  });

  test("keeps secrets that are for it alone from the proxy", () => {
    expect(variables({})).toEqual(["masterKey", "saltKey", "uiPassword"]);
  });

  test("gives the proxy those that something else needs as well", () => {
    const model = {
      name: "wide",
      provider: "openai-compatible",
      baseUrl: "http://127.0.0.1:4001",
      model: "wide",
      apiKey: "groqApiKey",
    };
    expect(variables({ models: [...mockModels, model] })).toContain("groqApiKey");
    const litellmSettings = { langfuse_default_tags: ["os.environ/SHARED_KEY"] };
    expect(variables({ litellmSettings })).toContain("sharedKey");
    expect(variables({ allowNonRegisteredModels: true })).toContain("sharedKey");
    expect(variables({ includes: ["a.yaml"] })).toContain("sharedKey");
  });
});
