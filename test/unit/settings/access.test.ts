import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { durationSeconds } from "../../../stacks/fixed-duration.ts";
import { parseSettings, SettingsError } from "../../../stacks/settings/settings.ts";
import { listWarnings } from "../../../stacks/settings/warnings.ts";
import { renderLitellmConfig } from "../../../templates/litellm-config.ts";
import { accessSettings } from "../../support/access-settings.ts";
import { mockModels as models, rawConfig, refusal } from "./raw-config.ts";

const secrets = { groqApiKey: "gsk_0123456789" };
const parse = (access: unknown, plain: object = {}) =>
  parseSettings(rawConfig({ models, access, ...plain }, { secrets })).access;
const refuse = (access: unknown, plain: object = {}) =>
  refusal({ models, access, ...plain }, { secrets });
const warn = (access: unknown) =>
  listWarnings(parseSettings(rawConfig({ models, access })), new Date("2026-06-01T00:00:00Z"));

/** A tree with something else in the place of one of its parts. */
function replaceAt(tree: object, place: number, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tree));
  const parts = listParts(copy);
  const part = parts[place % parts.length];
  if (part === undefined) return value;
  part.parent[part.key] = value;
  return copy;
}

function listParts(tree: unknown): { parent: Record<string, unknown>; key: string }[] {
  if (typeof tree !== "object" || tree === null) return [];
  const parent = tree as Record<string, unknown>;
  return Object.keys(parent).flatMap((key) => [{ parent, key }, ...listParts(parent[key])]);
}

describe("settings of access", () => {
  test("there are none by default", () => {
    expect(parse(undefined)).toEqual({
      prune: "ignore",
      adopt: false,
      budgets: {},
      users: {},
      teams: {},
      keys: {},
      credentials: {},
      models: {},
    });
  });

  test("names alone are enough, and a name with nothing after it", () => {
    const access = parse({
      users: { ana: null },
      teams: { search: { members: { ana: null } } },
      keys: { ci: {} },
    });
    expect(access.users["ana"]).toEqual({ role: "internal_user", models: [], metadata: {} });
    expect(access.teams["search"]).toEqual({
      models: [],
      members: { ana: { models: [] } },
      blocked: false,
      metadata: {},
    });
    expect(access.keys["ci"]).toEqual({
      models: [],
      blocked: false,
      metadata: {},
      generation: 1,
      overlap: "24h",
      protect: false,
      delivery: {},
    });
  });

  test("numbers and texts as `pulumi config set` and YAML leave them", () => {
    const access = parse({
      users: { "4711": { id: 4711 } },
      keys: { ci: { user: 4711, maxBudget: "2.5", rpmLimit: "10", blocked: "true" } },
    });
    expect(access.users["4711"]).toMatchObject({ id: "4711" });
    expect(access.keys["ci"]).toMatchObject({
      user: "4711",
      maxBudget: 2.5,
      rpmLimit: 10,
      blocked: true,
    });
  });

  test.each([
    ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["2027-01-01T08:30:00+02:00", "2027-01-01T08:30:00+02:00"],
    ["2027-01-01 00:00:00 +0000 UTC", "2027-01-01T00:00:00Z"],
    ["2027-01-01 08:30:00.5 +0200 +0200", "2027-01-01T08:30:00.5+02:00"],
  ])("an instant that Pulumi stores as %s is %s", (stored, expires) => {
    expect(parse({ keys: { ci: { expires: stored } } }).keys["ci"]?.expires).toBe(expires);
  });

  test("every valid tree is taken, and nothing of it is lost", () => {
    fc.assert(
      fc.property(accessSettings(), (access) => {
        expect(parse(access)).toMatchObject(access);
      }),
    );
  });

  test("whatever stands in the place of a part of it, it is taken or refused, never a crash", () => {
    const broken = fc
      .tuple(accessSettings(), fc.nat(), fc.jsonValue({ maxDepth: 3 }))
      .map(([access, place, value]) => replaceAt(access, place, value));
    fc.assert(
      fc.property(broken, (access) => {
        try {
          expect(parse(access)).toHaveProperty("prune");
        } catch (error) {
          if (!(error instanceof SettingsError)) throw error;
          for (const { path, command } of error.issues) {
            expect(path[0]).toBe("access");
            expect(command).toMatch(/^pulumi config (?:set|rm) /);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("all that is wrong is told at once, in every entry", () => {
    expect(
      refuse({
        prune: "remove",
        teams: {
          search: { maxBudget: -1, budgetDuration: "monthly", members: { ana: { max_budget: 2 } } },
          "no/slash": {},
        },
        users: { ana: { role: "admin", email: "ana" } },
        keys: {
          ci: { expires: "2027-01-01", maxBugdet: 5 },
          cron: { team: "serach" },
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 10 errors

      access.prune must be "ignore", "report" or "delete", not "remove"
        pulumi config set --path 'access.prune' ignore

      access.users.ana.email must be an e-mail address, not "ana"
        pulumi config set --path 'access.users.ana.email' ana@example.com

      access.users.ana.role must be "internal_user", "internal_user_viewer", "proxy_admin_viewer" or "proxy_admin", not "admin"
        pulumi config set --path 'access.users.ana.role' internal_user

      access.teams.search.maxBudget must be at least 0, not -1
        pulumi config set --path 'access.teams.search.maxBudget' 200

      access.teams.search.budgetDuration must be a duration such as 30s, 15m, 24h, 7d or 1mo, not "monthly"
        pulumi config set --path 'access.teams.search.budgetDuration' 30d

      access.teams.search.members.ana.max_budget is no setting, did you mean "maxBudget"?
        pulumi config rm --path 'access.teams.search.members.ana.max_budget' && pulumi config set --path 'access.teams.search.members.ana.maxBudget' 2

      access.teams["no/slash"] must have a name of letters, digits and . _ @ -, at most 100, starting with a letter or digit
        pulumi config rm --path 'access.teams["no/slash"]'

      access.keys.ci.expires must be a date and a time such as 2027-01-01T00:00:00Z, not "2027-01-01"
        pulumi config set --path 'access.keys.ci.expires' 2027-01-01T00:00:00Z

      access.keys.ci.maxBugdet is no setting, did you mean "maxBudget"?
        pulumi config rm --path 'access.keys.ci.maxBugdet' && pulumi config set --path 'access.keys.ci.maxBudget' 5

      access.keys.cron.team is "serach", which access.teams does not have, did you mean "search"?
        pulumi config set --path 'access.keys.cron.team' search"
    `);
  });

  test("what needs LiteLLM's licence is said to", () => {
    expect(
      refuse({
        organizations: { acme: {} },
        users: { ana: {} },
        teams: { search: { guardrails: ["pii"], members: { ana: { role: "admin" } } } },
        keys: { ci: { model_max_budget: { hello: 1 }, tags: ["ci"] } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 5 errors

      access.organizations needs LiteLLM's licence: its open-source edition refuses it
        pulumi config rm --path 'access.organizations'

      access.teams.search.guardrails needs LiteLLM's licence: its open-source edition refuses it
        pulumi config rm --path 'access.teams.search.guardrails'

      access.teams.search.members.ana.role is "admin", which needs LiteLLM's licence: its open-source edition refuses it
        pulumi config rm --path 'access.teams.search.members.ana.role'

      access.keys.ci.model_max_budget needs LiteLLM's licence: its open-source edition refuses it
        pulumi config rm --path 'access.keys.ci.model_max_budget'

      access.keys.ci.tags needs LiteLLM's licence: its open-source edition refuses it
        pulumi config rm --path 'access.keys.ci.tags'"
    `);
  });

  test("a secret in it is refused as a whole", () => {
    expect(refusal({ models }, { access: { keys: {} } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      access holds a secret; keep it in secrets, take it out here and refer to it by name
        pulumi config set --secret --path 'secrets.<name>'"
    `);
  });
});

describe("what does not fit together", () => {
  test("names that access does not have", () => {
    expect(
      refuse({
        budgets: { trial: {} },
        users: { ana: {} },
        teams: { search: { members: { anna: {}, zoe: {} } } },
        keys: { ci: { team: "serach", user: "zoe", budget: "trail" } },
        models: { gpt: { params: { model: "openai/gpt-5" }, credential: "groq" } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      access.teams.search.members.anna is a user that access.users does not have, did you mean "ana"?
        pulumi config set --path 'access.users.anna.role' internal_user, or: pulumi config rm --path 'access.teams.search.members.anna'

      access.teams.search.members.zoe is a user that access.users does not have
        pulumi config set --path 'access.users.zoe.role' internal_user, or: pulumi config rm --path 'access.teams.search.members.zoe'

      access.keys.ci.team is "serach", which access.teams does not have, did you mean "search"?
        pulumi config set --path 'access.keys.ci.team' search

      access.keys.ci.user is "zoe", which access.users does not have
        pulumi config set --path 'access.users.zoe.role' internal_user, or: pulumi config rm --path 'access.keys.ci.user'

      access.keys.ci.budget is "trail", which access.budgets does not have, did you mean "trial"?
        pulumi config set --path 'access.keys.ci.budget' trial

      access.models.gpt.credential is "groq", which access.credentials does not have
        pulumi config set --path 'access.credentials.groq.provider' <value>, or: pulumi config rm --path 'access.models.gpt.credential'"
    `);
  });

  test("names that every object of JavaScript has are names as others are", () => {
    const keys = { ci: { team: "constructor", user: "toString", models: ["hello"] } };
    expect(refuse({ keys })).toContain('access.keys.ci.team is "constructor", which access.teams');
    const access = { teams: { constructor: {} }, users: { toString: {} }, keys };
    expect(parse(access).keys["ci"]).toMatchObject(keys.ci);
  });

  test("an entry that is invalid is there all the same", () => {
    expect(refuse({ teams: { search: { maxBudget: "much" } }, keys: { ci: { team: "search" } } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      access.teams.search.maxBudget must be a number, not "much"
        pulumi config set --path 'access.teams.search.maxBudget' 200"
    `);
  });

  test("two entries that are one in LiteLLM", () => {
    expect(
      refuse({
        budgets: { a: { id: "x" }, b: { id: "x" } },
        users: {
          ana: { email: "ana@example.com" },
          anna: { id: "ana", email: "Ana@example.com" },
        },
        teams: { search: {}, find: { id: "search" } },
        keys: { ci: { alias: "cron", secret: "groqApiKey" }, cron: { secret: "groqApiKey" } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      access.budgets.b.id is "x", as is that of access.budgets.a
        pulumi config rm --path 'access.budgets.b.id'

      access.users.anna.id is "ana", as is that of access.users.ana
        pulumi config rm --path 'access.users.anna.id'

      access.users.anna.email is "Ana@example.com", as is that of access.users.ana
        pulumi config rm --path 'access.users.anna.email'

      access.teams.find.id is "search", as is that of access.teams.search
        pulumi config rm --path 'access.teams.find.id'

      access.keys.ci.alias is "cron", as is that of access.keys.cron
        pulumi config rm --path 'access.keys.ci.alias'

      access.keys.cron.secret is "groqApiKey", as is that of access.keys.ci
        pulumi config rm --path 'access.keys.cron.secret'"
    `);
  });

  test("models that the gateway, or the team, does not have", () => {
    expect(
      refuse(
        {
          users: { ana: { models: ["no-default-models", "helo"] } },
          teams: {
            search: { models: ["hello"], members: { ana: { models: ["other"] } } },
            all: { models: ["all-proxy-models"], modelRpmLimit: { nothing: 1 } },
          },
          keys: {
            ci: { team: "search", models: ["hello", "other"] },
            wide: { team: "search", models: ["all-proxy-models"] },
            same: { team: "search", models: ["all-team-models"] },
            free: { team: "all", models: ["other"] },
            lonely: { models: ["all-team-models"] },
          },
        },
        { models: [...models, { name: "other", provider: "mock" }] },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 6 errors

      access.users.ana.models[1] is "helo", which is no model of the gateway, did you mean "hello"?
        pulumi config set --path 'access.users.ana.models[1]' hello

      access.teams.all.modelRpmLimit.nothing names "nothing", which is no model of the gateway
        pulumi config rm --path 'access.teams.all.modelRpmLimit.nothing'

      access.keys.ci.models[1] is "other", but team "search" may use "hello" only
        pulumi config set --path 'access.teams.search.models[1]' other, or: pulumi config rm --path 'access.keys.ci.models[1]'

      access.keys.wide.models[0] is "all-proxy-models", but team "search" may use "hello" only
        pulumi config rm --path 'access.keys.wide.models[0]'

      access.keys.lonely.models[0] is "all-team-models", but the key has no team
        pulumi config set --path 'access.keys.lonely.models[0]' all-proxy-models

      access.teams.search.members.ana.models[0] is "other", but team "search" may use "hello" only
        pulumi config set --path 'access.teams.search.models[1]' other, or: pulumi config rm --path 'access.teams.search.members.ana.models[0]'"
    `);
  });

  test("models by a pattern, an alias, a group, and of the database are models", () => {
    const access = {
      teams: { search: { models: ["openai/*", "cheap"] } },
      keys: {
        ci: { team: "search", models: ["openai/gpt-5", "hello", "stored"] },
        cron: { models: ["short", "stored"] },
      },
      models: {
        "stored-1": {
          name: "stored",
          params: { model: "openai/gpt-5" },
          modelInfo: { access_groups: ["cheap"] },
        },
      },
    };
    const plain = {
      models: [
        { name: "hello", provider: "mock", modelInfo: { access_groups: ["cheap"] } },
        { name: "openai/*", provider: "mock" },
      ],
      routerSettings: { model_group_alias: { short: "hello" } },
    };
    expect(Object.keys(parse(access, plain).keys)).toEqual(["ci", "cron"]);
    const anything = { keys: { ci: { models: ["openai/anything"] } } };
    expect(Object.keys(parse(anything, { allowNonRegisteredModels: true }).keys)).toEqual(["ci"]);
  });

  test("models of included files are models", () => {
    const raw = (model: string) =>
      rawConfig({ models, includes: ["a.yaml"], access: { keys: { ci: { models: [model] } } } });
    const readFile = () => "model_list: [{model_name: wide, litellm_params: {model: openai/x}}]";
    expect(parseSettings(raw("wide"), readFile).access.keys["ci"]).toMatchObject({
      models: ["wide"],
    });
    expect(() => parseSettings(raw("wild"), readFile)).toThrow(
      'access.keys.ci.models[0] is "wild", which is no model of the gateway, did you mean "wide"?',
    );
  });

  test("limits that cancel each other", () => {
    expect(
      refuse({
        teams: { search: { maxBudget: 5, softBudget: 5 } },
        keys: {
          ci: { rotateAfter: "12h" },
          cron: { rotateAfter: "4w", overlap: "28d" },
          now: { rotateAfter: "1s", overlap: "0s" },
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      access.teams.search.softBudget is 5, not less than maxBudget (5): LiteLLM refuses that
        pulumi config rm --path 'access.teams.search.softBudget'

      access.keys.ci.overlap is 24h, not less than rotateAfter (12h): old keys would pile up
        pulumi config set --path 'access.keys.ci.overlap' 6h

      access.keys.cron.overlap is 28d, not less than rotateAfter (4w): old keys would pile up
        pulumi config set --path 'access.keys.cron.overlap' 14d"
    `);
  });

  test("metadata that has a meaning already, or is a secret", () => {
    expect(
      refuse({
        teams: { search: { metadata: { managed_by: "me", model_rpm_limit: { hello: 1 } } } },
        keys: { ci: { metadata: { token: "sk-0123456789abcdef" } } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      access.teams.search.metadata.managed_by says in LiteLLM's pages which stack manages it; use another name
        pulumi config rm --path 'access.teams.search.metadata.managed_by'

      access.teams.search.metadata.model_rpm_limit is how LiteLLM stores a limit; use modelRpmLimit instead
        pulumi config rm --path 'access.teams.search.metadata.model_rpm_limit'

      access.keys.ci.metadata.token holds a secret in plain text (not shown), which everybody could read; take it out, and replace it if it was shared
        pulumi config rm --path 'access.keys.ci.metadata.token'"
    `);
  });

  test("deliveries that nobody could make, and two to one place", () => {
    expect(
      refuse({
        keys: {
          a: { delivery: { file: "secrets/a.env", dockerVolume: "a-key" } },
          b: { delivery: { file: "./secrets//a.env", systemdCredential: "b" } },
          c: { delivery: { variable: "KEY" } },
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      access.keys.a.delivery.dockerVolume needs a Docker host, which topology "local" does not have
        pulumi config rm --path 'access.keys.a.delivery.dockerVolume'

      access.keys.b.delivery.systemdCredential needs a machine, which topology "local" does not have
        pulumi config rm --path 'access.keys.b.delivery.systemdCredential'

      access.keys.b.delivery.file is "./secrets//a.env", as is that of access.keys.a: each key has its own
        pulumi config rm --path 'access.keys.b.delivery.file'

      access.keys.c.delivery.variable is not used without file
        pulumi config set --path 'access.keys.c.delivery.file' secrets/c.env, or: pulumi config rm --path 'access.keys.c.delivery.variable'"
    `);
  });

  test("no database, or one that LiteLLM does not use", () => {
    expect(refuse({ keys: { ci: {} } }, { database: { kind: "none" } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      access needs LiteLLM's own database, which there is none of with database.kind "none"
        pulumi config set --path 'database.kind' embedded, or: pulumi config rm access"
    `);
    const deployment = { topology: "two-vm", machine: { address: "192.168.10.18" } };
    const database = { machine: { address: "192.168.10.19" }, engine: "sqlalchemy" };
    expect(refuse({ prune: "report" }, { deployment, database })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      access needs LiteLLM's own database, which there is none of with database.engine "sqlalchemy"
        pulumi config set --path 'database.engine' both, or: pulumi config rm access"
    `);
    expect(parse({ adopt: true }, { database: { kind: "none" } }).adopt).toBe(true);
  });

  test("a gateway that is run elsewhere has models of its own", () => {
    const access = { keys: { ci: { models: ["whatever"] } } };
    const deployment = { topology: "existing", url: "https://litellm.example.com" };
    const settings = parseSettings(
      rawConfig({ deployment, access }, { masterKey: "sk-0123456789abcdef0123" }),
    );
    expect(settings.access.keys["ci"]?.models).toEqual(["whatever"]);
  });

  test("a password before the admin paths, which the deployment does not have", () => {
    const admin = (others: object) => ({
      deployment: {
        topology: "traefik",
        baseDomain: "example.com",
        admin: { access: "restricted", ...others },
        certificates: { kind: "private" },
      },
    });
    const all = { models, access: { prune: "report" } };
    const adminUsers = `admin:$2y$05$${"a".repeat(53)}`;
    expect(refusal({ ...all, ...admin({ basicAuth: true }) }, { adminUsers })).toContain(
      "deployment.admin.basicAuth asks for a password that the deployment does not have, and access is managed by the admin paths; sourceRanges work\n" +
        "  pulumi config set --path 'deployment.admin.sourceRanges[0]' 10.0.0.0/8 && pulumi config rm --path 'deployment.admin.basicAuth'",
    );
    const ranges = { sourceRanges: ["10.0.0.0/8"] };
    expect(parseSettings(rawConfig({ ...all, ...admin(ranges) })).access.prune).toBe("report");
  });
});

describe("credentials and models of the database", () => {
  test("secrets are named, not written", () => {
    expect(
      refuse({
        credentials: {
          empty: {},
          groq: {
            values: { api_key: "gsk_0123456789abcdef", api_base: "https://u:p@api.example.com" },
            secretValues: { api_base: "groqApiKey", token: "missingKey" },
          },
        },
        models: {
          gpt: {
            params: { model: "openai/gpt-5", aws_secret_access_key: "abc", api_key: "abc" },
            apiKey: "masterKey",
          },
          late: {
            params: { temprature: 1, api_base: "os.environ/BASE" },
            secretParams: { api_key: "missingKey" },
            apiKey: "groqApiKey",
            modelInfo: { id: "x", team_id: "search" },
          },
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 13 errors

      access.credentials.groq.secretValues.token needs the secret "missingKey", which is not set
        pulumi config set --secret --path 'secrets.missingKey'

      access.models.gpt.apiKey is "masterKey", a secret of the gateway itself
        pulumi config rm --path 'access.models.gpt.apiKey'

      access.credentials.empty needs one value at least, in values or secretValues
        pulumi config set --path 'access.credentials.empty.secretValues.api_key' <value>

      access.credentials.groq.values.api_key holds a secret in plain text (not shown); store it as a secret, and give its name
        pulumi config rm --path 'access.credentials.groq.values.api_key' && pulumi config set --secret --path 'secrets.groqApiKey' && pulumi config set --path 'access.credentials.groq.secretValues.api_key' groqApiKey

      access.credentials.groq.values.api_base is given in secretValues too; give one of them
        pulumi config rm --path 'access.credentials.groq.values.api_base'

      access.models.gpt.params.api_key is set by the deployment itself; use apiKey instead
        pulumi config rm --path 'access.models.gpt.params.api_key' && pulumi config set --path 'access.models.gpt.apiKey' <value>

      access.models.gpt.params.aws_secret_access_key holds a secret in plain text (not shown); store it as a secret, and give its name
        pulumi config rm --path 'access.models.gpt.params.aws_secret_access_key' && pulumi config set --secret --path 'secrets.gptAwsSecretAccessKey' && pulumi config set --path 'access.models.gpt.secretParams.aws_secret_access_key' gptAwsSecretAccessKey

      access.models.late.params.model is required: LiteLLM's name of the model, with the provider before a slash
        pulumi config set --path 'access.models.late.params.model' openai/gpt-5

      access.models.late.params.api_base refers to the environment of the proxy, which LiteLLM shows nothing of: give the value, or name a secret in secretParams
        pulumi config rm --path 'access.models.late.params.api_base'

      access.models.late.secretParams.api_key is given in apiKey too; give one of them
        pulumi config rm --path 'access.models.late.secretParams.api_key'

      access.models.late.params.temprature is no key of LiteLLM 1.106.2 in litellm_params, which would ignore it, did you mean "temperature"?
        pulumi config rm --path 'access.models.late.params.temprature' && pulumi config set --path 'access.models.late.params.temperature' 1

      access.models.late.modelInfo.id is set by the deployment itself; use id of the model instead
        pulumi config rm --path 'access.models.late.modelInfo.id'

      access.models.late.modelInfo.team_id needs LiteLLM's licence; a team may use the models of its list
        pulumi config rm --path 'access.models.late.modelInfo.team_id'"
    `);
  });

  test("LiteLLM reads models and credentials from its database where there are any, and only there", () => {
    const config = (access: unknown) =>
      renderLitellmConfig(parseSettings(rawConfig({ models, access })));
    const gpt = { params: { model: "openai/gpt-5" } };
    expect(config({ models: { gpt } })).toContain("store_model_in_db: true");
    const groq = { values: { api_base: "https://api.groq.com" } };
    expect(config({ credentials: { groq } })).toContain("store_model_in_db: true");
    expect(config({ keys: { ci: {} } })).toContain("store_model_in_db: false");
    expect(refuse({ models: { gpt } }, { generalSettings: { store_model_in_db: false } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      generalSettings.store_model_in_db must be true with access.models and access.credentials, which are stored in the database
        pulumi config rm --path 'generalSettings.store_model_in_db'"
    `);
  });
});

describe("warnings", () => {
  test("a key that has ended, budgets above the team's, and a user who is no member", () => {
    expect(
      warn({
        users: { ana: {}, ben: {} },
        teams: { search: { maxBudget: 10, members: { ana: { maxBudget: 11 } } } },
        keys: {
          old: { expires: "2026-05-31T23:59:59Z" },
          young: { expires: "2026-06-01T00:00:01Z", team: "search", user: "ana", maxBudget: 10 },
          rich: { team: "search", user: "ben", maxBudget: 10.5 },
        },
      }).join("\n\n"),
    ).toMatchInlineSnapshot(`
      "access.keys.old.expires is 2026-05-31T23:59:59Z, which is past: the key is refused:
        pulumi config set --path 'access.keys.old.expires' <value>

      access.keys.rich.maxBudget is 10.5, but team "search" may spend 10 in all:
        pulumi config set --path 'access.keys.rich.maxBudget' 10

      access.teams.search.members.ana.maxBudget is 11, but team "search" may spend 10 in all:
        pulumi config set --path 'access.teams.search.members.ana.maxBudget' 10

      access.keys.rich.user is "ben", who is no member of team "search": no limits of members hold for the key:
        pulumi config set --path 'access.teams.search.members.ben.maxBudget' <value>"
    `);
  });

  test("none for what is well", () => {
    expect(warn({ users: { ana: {} }, keys: { ci: { user: "ana", maxBudget: 5 } } })).toEqual([]);
  });
});

test.each([
  ["30s", 30],
  ["15m", 900],
  ["24h", 86_400],
  ["2w", 1_209_600],
])("%s lasts %i seconds", (text, seconds) => {
  expect(durationSeconds(text)).toBe(seconds);
});
