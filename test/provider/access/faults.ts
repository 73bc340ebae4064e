import { createHash, randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Refusal, Unavailable } from "../../../components/provider/access/api-failure.ts";
import { budget } from "../../../components/provider/access/budget.ts";
import { type Gateway, openGateway } from "../../../components/provider/access/gateway.ts";
import type { Lookup } from "../../../components/provider/access/lookup.ts";
import { type Fault, type FaultProxy, openFaultProxy } from "../../support/fault-proxy.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";

const { signal } = new AbortController();
/** Of each kind that a network has. */
const FAULTS: readonly [string, Fault][] = [
  ["the answer is lost", "drop"],
  ["the connection is reset", "refuse"],
  ["it is too busy", { status: 429, headers: { "retry-after": "1" } }],
  ["it fails", { status: 500 }],
  ["it is away", { status: 503 }],
];

/** What the client of the admin API makes of a real LiteLLM, on a way where things get lost. */
export function describeFaults(server: () => LitellmServer): void {
  describe("the admin API, on a bad way", () => {
    const run = `faults-${randomUUID().slice(0, 8)}`;
    let proxy: FaultProxy;

    beforeAll(async () => {
      proxy = await openFaultProxy(server().url);
    });

    afterAll(async () => {
      const { client } = server();
      const [keys, teams] = await Promise.all([listKeys(run), listTeams(run)]);
      if (keys.length > 0) await client.succeed("/key/delete", { keys });
      if (teams.length > 0) await client.succeed("/team/delete", { team_ids: teams });
      await proxy.close();
    });

    /** Another gateway for each test: none knows what another has seen. */
    function open(changes: object = {}) {
      const configuration = { url: proxy.url, masterKey: server().masterKey, ...changes };
      const { context } = operationContext(signal, { ...configuration, test: randomUUID() });
      return { context, gateway: openGateway(context) };
    }

    async function listKeys(alias: string): Promise<string[]> {
      const { keys } = (await server().client.succeed(
        "/key/list?return_full_object=true&size=100",
      )) as { keys: { token: string; key_alias: string | null }[] };
      return keys
        .filter(({ key_alias }) => key_alias?.startsWith(alias) === true)
        .map(({ token }) => token);
    }

    async function listTeams(alias: string): Promise<string[]> {
      const teams = (await server().client.succeed("/team/list")) as {
        team_id: string;
        team_alias: string | null;
      }[];
      return teams
        .filter(({ team_alias }) => team_alias?.startsWith(alias) === true)
        .map(({ team_id }) => team_id);
    }

    function createTeam({ api, teams }: Gateway, id: string) {
      const body = { team_id: id, team_alias: id };
      return api.create({ path: "/team/new", body, signal }, () => teams.findNow(id, signal));
    }

    function createKey({ api, keys }: Gateway, alias: string) {
      const key = `sk-${randomUUID()}`;
      const token = createHash("sha256").update(key).digest("hex");
      const body = { key, key_alias: alias };
      return api.create({ path: "/key/generate", body, signal }, () => keys.findNow(token, signal));
    }

    /** Something goes wrong with the first request that makes something. */
    function planOnce(fault: Fault): void {
      let isOver = false;
      proxy.plan(({ method }) => {
        if (isOver || method !== "POST") return undefined;
        isOver = true;
        return fault;
      });
    }

    test.each(FAULTS)("one team is made, and one key, when %s", async (what, fault) => {
      const { gateway } = open();
      const name = `${run} ${what}`;
      planOnce(fault);
      await createTeam(gateway, name);
      expect(await listTeams(name)).toEqual([name]);
      planOnce(fault);
      await createKey(gateway, name);
      expect(await listKeys(name)).toHaveLength(1);
    });

    test("each of many is made once while a third of what is said gets lost", async () => {
      const { gateway } = open();
      const name = `${run} many`;
      const faults = FAULTS.map(([, fault]) => fault);
      proxy.plan(({ index }) =>
        index % 3 === 1 ? faults[Math.floor(index / 3) % faults.length] : undefined,
      );
      await Promise.all(
        Array.from({ length: 12 }, (_, index) => createKey(gateway, `${name} ${index} `)),
      );
      expect(await listKeys(name)).toHaveLength(12);
    });

    test("a budget is made, changed and deleted when every first answer is lost", async () => {
      const { context, gateway } = open();
      const budgetId = `${run}-budget`;
      const inputs = budget.inputs.parse({ budgetId, maxBudget: 5 });
      planOnce("drop");
      const { outputs } = await budget.create(context, inputs);
      expect(await gateway.budgets.findNow(budgetId, signal)).toMatchObject({ max_budget: 5 });
      const changed = { ...inputs, maxBudget: 7 };
      let updates = 0;
      proxy.plan(({ path }) => (path === "/budget/update" && updates++ === 0 ? "drop" : undefined));
      const change = {
        inputs: changed,
        previousInputs: inputs,
        outputs: { ...inputs, ...outputs },
      };
      await budget.update(context, budgetId, change);
      expect(updates).toBe(2);
      expect(await gateway.budgets.findNow(budgetId, signal)).toMatchObject({ max_budget: 7 });
      proxy.plan(() => undefined);
      await budget.delete(context, budgetId);
      expect(await gateway.budgets.findNow(budgetId, signal)).toBeUndefined();
    });

    describe("with the key of somebody who does not manage", () => {
      const users = { internal_user: `${run}-user`, proxy_admin_viewer: `${run}-viewer` };
      let keys: Record<"internal_user" | "nobody" | "proxy_admin_viewer", string>;

      beforeAll(async () => {
        const { client } = server();
        const generate = async (user_id?: keyof typeof users) => {
          const body = {
            key_alias: `${run} of ${user_id ?? "nobody"}`,
            ...(user_id !== undefined && { user_id: users[user_id] }),
          };
          return ((await client.succeed("/key/generate", body)) as { key: string }).key;
        };
        for (const [user_role, user_id] of Object.entries(users)) {
          await client.succeed("/user/new", { user_id, user_role, auto_create_key: false });
        }
        keys = {
          nobody: await generate(),
          internal_user: await generate("internal_user"),
          proxy_admin_viewer: await generate("proxy_admin_viewer"),
        };
        proxy.plan(() => undefined);
      });

      afterAll(async () => {
        await server().client.succeed("/user/delete", { user_ids: Object.values(users) });
      });

      // LiteLLM would answer `/key/list` with success, and with that user's keys only.
      test.each(["nobody", "internal_user"] as const)(
        "nothing is taken for gone: %s",
        async (who) => {
          const masterKey = keys[who];
          const { gateway } = open({ masterKey, patienceSeconds: 60 });
          const token = createHash("sha256").update(keys.nobody).digest("hex");
          const error = await fail(gateway.keys.find(token, signal));
          expect(error).toBeInstanceOf(Unavailable);
          expect(error.message).toMatch(
            /the key that was given does not manage this gateway \(401: .*Only proxy admin can be used/,
          );
          expect(error.message).not.toContain(masterKey);
        },
      );

      test("somebody who may look, and not change, is told so", async () => {
        const { gateway } = open({ masterKey: keys.proxy_admin_viewer });
        expect(await gateway.listTeams(signal)).toBeInstanceOf(Array);
        for (const path of ["/team/new", "/user/new", "/key/generate", "/budget/new"]) {
          const error = await fail(gateway.api.call({ path, body: {}, signal }));
          expect(error).toBeInstanceOf(Unavailable);
          expect(error.message).toContain("does not manage this gateway (403: user not allowed");
        }
      });

      test("a key that nobody knows is not repeated, nor is its hash", async () => {
        const masterKey = "sk-nobody-knows-me-0123456789";
        const error = await fail(open({ masterKey }).gateway.listTeams(signal));
        expect(error.message).toContain("(401: Authentication Error, Invalid proxy server token");
        expect(error.message).not.toContain(createHash("sha256").update(masterKey).digest("hex"));
      });
    });

    test("what needs LiteLLM's licence says so in a line", async () => {
      const { gateway } = open();
      const body = { team_id: `${run}-tags`, tags: ["a"] };
      const error = await fail(gateway.api.call({ path: "/team/new", body, signal }));
      expect(error).toBeInstanceOf(Refusal);
      expect(error.message).toMatch(
        /^POST \/team\/new was refused with 403: [^;]*: tags; this needs LiteLLM's licence: leave it out/,
      );
    });

    test("a path that LiteLLM does not have is not taken for something gone", async () => {
      const { gateway } = open({ url: `${server().url}/elsewhere` });
      const error = await fail(gateway.teams.find("a", signal));
      expect(error).toBeInstanceOf(Unavailable);
      expect(error.message).toContain("is this its base URL?");
    });

    test("what is refused is said in plain words", async () => {
      const { api } = open().gateway;
      const say = async (path: string, body: object): Promise<string> =>
        (await fail(api.call({ path, body, signal }))).message;
      expect(await say("/key/delete", { keys: ["sk-nobody-has-me"] })).toBe(
        "POST /key/delete was refused with 404: No keys found",
      );
      expect(await say("/key/generate", { budget_duration: "soon" })).toBe(
        "POST /key/generate was refused with 400: Invalid budget_duration 'soon'. " +
          "Use a format like '1h', '24h', '7d', or '30d'.",
      );
      expect(await say("/key/generate", { max_budget: "much" })).toMatch(
        /^POST \/key\/generate was refused with 422: max_budget: Input should be a valid number/,
      );
    });

    describe("what is asked for by itself", () => {
      const id = `${run}-same`;
      const key = `sk-${randomUUID()}`;
      const token = createHash("sha256").update(key).digest("hex");
      const made: readonly [string, object][] = [
        ["/budget/new", { budget_id: id, max_budget: 3 }],
        ["/user/new", { user_id: id, user_email: `${id}@example.com`, auto_create_key: false }],
        ["/team/new", { team_id: id, team_alias: id, metadata: { a: 1 } }],
        [
          "/team/member_add",
          { team_id: id, member: { role: "user", user_id: id }, max_budget_in_team: 2 },
        ],
        ["/key/generate", { key, key_alias: id, team_id: id, budget_id: id, models: ["cheap"] }],
        [
          "/model/new",
          { model_name: id, litellm_params: { model: "openai/x" }, model_info: { id } },
        ],
        [
          "/credentials",
          { credential_name: id, credential_info: {}, credential_values: { api_key: "abcdefgh" } },
        ],
      ];

      beforeAll(async () => {
        for (const [path, body] of made) await server().client.succeed(path, body);
      });

      afterAll(async () => {
        const { api } = open().gateway;
        for (const [path, body] of [
          ["/model/delete", { id }],
          ["/key/delete", { keys: [token] }],
          ["/team/delete", { team_ids: [id] }],
          ["/user/delete", { user_ids: [id] }],
          ["/budget/delete", { id }],
        ] as const) {
          await api.call({ path, body, signal });
        }
        await api.call({ method: "DELETE", path: `/credentials/${id}`, signal });
      });

      test.each([
        ["budgets", () => id],
        ["users", () => id],
        ["teams", () => id],
        ["keys", () => token],
        ["models", () => id],
        ["credentials", () => id],
      ] as const)("is the same in the list of all: %s", async (kind, idOf) => {
        const { gateway } = open();
        const lookup: Lookup<object> = gateway[kind];
        const alone = await lookup.findNow(idOf(), signal);
        expect(alone).toBeDefined();
        const { api } = gateway;
        await lookup.find("nobody-1", signal);
        await lookup.find("nobody-2", signal);
        const before = api.requests;
        const listed = await lookup.find(idOf(), signal);
        // Now it is there, no request is needed any more.
        const after = api.requests;
        await lookup.find(idOf(), signal);
        expect(api.requests).toBe(after);
        expect(after - before).toBeGreaterThanOrEqual(1);
        // LiteLLM lists a team with its keys; alone, it says more of its members.
        expect({ keys: expect.anything() as unknown, ...alone }).toMatchObject(listed ?? {});
      });

      test.each(["budgets", "users", "teams", "keys", "models", "credentials"] as const)(
        "is undefined where it is not there: %s",
        async (kind) => {
          const lookup: Lookup<object> = open().gateway[kind];
          for (const nobody of ["nobody", "a/b c?", "0".repeat(64)]) {
            expect(await lookup.findNow(nobody, signal)).toBeUndefined();
          }
        },
      );
    });
  });
}

const fail = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as Error,
  );
