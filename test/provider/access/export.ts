import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

import { Access } from "../../../stacks/settings/access-settings.ts";
import { planAccess } from "../../../stacks/plan/access-plan.ts";
import type { AccessTree } from "../../../tools/access/access-tree.ts";
import { type ObservedAccess, observeAccess } from "../../../tools/access/observed-access.ts";
import { formatSettings } from "../../../tools/access/settings-text.ts";
import { writeAccess, type WrittenAccess } from "../../../tools/access/write-access.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { sendAdmin } from "./requests.ts";

/** What hands and LiteLLM's pages have made, read as the setting `access`. */
export function describeExport(server: () => LitellmServer): void {
  describe("export", () => {
    const tag = `export-${randomUUID().slice(0, 8)}`;
    const made = { keys: [] as string[], teams: [] as string[], users: [] as string[] };
    const post = async <Answer = unknown>(path: string, body: object): Promise<Answer> => {
      const { status, json } = await sendAdmin(server(), "POST", path, body);
      expect([path, status]).toEqual([path, 200]);
      return json as Answer;
    };
    const makeTeam = async (body: object) => {
      const { team_id: id } = await post<{ team_id: string }>("/team/new", body);
      made.teams.push(id);
      return id;
    };
    const makeUser = async (body: object) => {
      const options = { auto_create_key: false, user_role: "internal_user", ...body };
      const { user_id: id } = await post<{ user_id: string }>("/user/new", options);
      made.users.push(id);
      return id;
    };
    const makeKey = async (body: object) => {
      const { token } = await post<{ token: string }>("/key/generate", body);
      made.keys.push(token);
      return token;
    };
    let observed: ObservedAccess;
    let written: WrittenAccess;
    /** Ids that LiteLLM has made up. */
    let pagesTeam: string;
    let pagesUser: string;
    let ciKey: string;

    beforeAll(async () => {
      [, pagesUser, , pagesTeam] = await Promise.all([
        makeUser({
          ...{ user_id: `${tag}-ana`, user_email: `${tag}-ana@example.com` },
          ...{ max_budget: 50.1, budget_duration: "30d", metadata: { office: "Lyon" } },
        }),
        makeUser({ user_email: `${tag}-cleo@example.com` }),
        makeTeam({
          ...{ team_id: `${tag}-search`, team_alias: `${tag} Search`, models: ["cheap"] },
          ...{ max_budget: 200, budget_duration: "1mo", model_rpm_limit: { cheap: 30 } },
          metadata: { costCentre: "4711" },
        }),
        makeTeam({ team_alias: `${tag} Bücher & Co`, team_member_budget: 3 }),
        post("/budget/new", { budget_id: `${tag}-trial`, max_budget: 5, rpm_limit: 10 }),
        post("/credentials", {
          credential_name: `${tag}/groq`,
          credential_values: { api_key: "gsk-0123456789", api_base: "https://groq.test/v1" },
          credential_info: { custom_llm_provider: "groq" },
        }),
      ]);
      const members = [
        { team_id: `${tag}-search`, member: { user_id: `${tag}-ana`, role: "user" } },
        { team_id: pagesTeam, member: { user_id: pagesUser, role: "user" } },
      ];
      [ciKey] = await Promise.all([
        makeKey({
          ...{ key_alias: `${tag}-ci`, team_id: `${tag}-search`, models: ["cheap"] },
          ...{ max_budget: 10, duration: "300d", metadata: { purpose: "ci" } },
        }),
        makeKey({
          ...{ key_alias: `${tag} laptop`, user_id: `${tag}-ana`, soft_budget: 2 },
          ...{ allowed_routes: ["/chat/completions"], model_tpm_limit: { free: 1000 } },
        }),
        makeKey({
          ...{ key_alias: `${tag}-demo`, budget_id: `${tag}-trial`, aliases: { a: "free" } },
        }),
        makeKey({ metadata: { tag } }),
        ...members.map((member) => post("/team/member_add", member)),
        post("/model/new", {
          model_name: `${tag}-eu`,
          litellm_params: { model: "groq/llama", litellm_credential_name: `${tag}/groq` },
          model_info: { id: `${tag}-eu-1` },
        }),
        post("/model/new", {
          model_name: `${tag}-own`,
          litellm_params: { model: "openai/gpt-5", api_key: "sk-of-the-provider-0123" },
          model_info: { id: `${tag}-own-1`, base_model: "gpt-5" },
        }),
      ]);
      await post("/team/member_update", {
        ...{ team_id: `${tag}-search`, user_id: `${tag}-ana` },
        max_budget_in_team: 20,
      });
      const { url, masterKey } = server();
      const { context } = operationContext(undefined, { url, masterKey });
      observed = await observeAccess(context);
      written = writeAccess(observed);
    });

    afterAll(async () => {
      await sendAdmin(server(), "POST", "/key/delete", { keys: made.keys });
      await sendAdmin(server(), "POST", "/team/delete", { team_ids: made.teams });
      await sendAdmin(server(), "POST", "/user/delete", { user_ids: made.users });
      await sendAdmin(server(), "POST", "/budget/delete", { id: `${tag}-trial` });
      for (const id of [`${tag}-eu-1`, `${tag}-own-1`]) {
        await sendAdmin(server(), "POST", "/model/delete", { id });
      }
      const credential = encodeURIComponent(`${tag}/groq`);
      await sendAdmin(server(), "DELETE", `/credentials/${credential}`);
    });

    /** Entries of this test: others may use the gateway at the same time. */
    const own = (section: keyof AccessTree) =>
      Object.fromEntries(
        Object.entries(written.tree[section]).filter(([name]) => name.startsWith(tag)),
      );

    test("is what a person would write", () => {
      expect(own("budgets")).toEqual({ [`${tag}-trial`]: { maxBudget: 5, rpmLimit: 10 } });
      expect(own("users")).toEqual({
        [`${tag}-ana`]: {
          email: `${tag}-ana@example.com`,
          ...{ maxBudget: 50.1, budgetDuration: "30d", metadata: { office: "Lyon" } },
        },
        [`${tag}-cleo@example.com`]: { id: pagesUser, email: `${tag}-cleo@example.com` },
      });
      expect(own("teams")).toEqual({
        [`${tag}-Bucher-Co`]: {
          ...{ id: pagesTeam, alias: `${tag} Bücher & Co` },
          members: { [`${tag}-cleo@example.com`]: {} },
        },
        [`${tag}-search`]: {
          ...{ alias: `${tag} Search`, models: ["cheap"], maxBudget: 200, budgetDuration: "1mo" },
          ...{ modelRpmLimit: { cheap: 30 }, metadata: { costCentre: "4711" } },
          members: { [`${tag}-ana`]: { maxBudget: 20 } },
        },
      });
      expect(own("keys")).toEqual({
        [`${tag}-ci`]: {
          ...{ team: `${tag}-search`, models: ["cheap"], maxBudget: 10 },
          ...{ expires: expect.stringMatching(/Z$/) as unknown, metadata: { purpose: "ci" } },
        },
        [`${tag}-demo`]: { budget: `${tag}-trial` },
        [`${tag}-laptop`]: {
          ...{ alias: `${tag} laptop`, user: `${tag}-ana`, softBudget: 2 },
          ...{ allowedRoutes: ["/chat/completions"], modelTpmLimit: { free: 1000 } },
        },
      });
      expect(own("credentials")).toEqual({
        [`${tag}-groq`]: {
          ...{
            name: `${tag}/groq`,
            provider: "groq",
            values: { api_base: "https://groq.test/v1" },
          },
          secretValues: { api_key: expect.stringMatching(/GroqApiKey$/) as unknown },
        },
      });
      expect(own("models")).toEqual({
        [`${tag}-eu-1`]: {
          ...{ name: `${tag}-eu`, params: { model: "groq/llama" }, credential: `${tag}-groq` },
        },
        [`${tag}-own-1`]: {
          ...{ name: `${tag}-own`, params: { model: "openai/gpt-5" } },
          ...{ apiKey: expect.stringMatching(/Own1ApiKey$/) as unknown },
          modelInfo: { base_model: "gpt-5" },
        },
      });
    });

    test("says what is left out, and what is not to be seen", () => {
      const notes = written.notes.join("\n");
      expect(notes).toContain(`team "${tag} Bücher & Co": no setting says team_member_budget_id`);
      expect(notes).toContain(`key "${tag}-demo": no setting says aliases`);
      expect(notes).toMatch(/key "sk-\.\.\.[\w-]{4}" is left out: it has no alias/);
      expect(notes).toMatch(/values of keys \(\d+\) cannot be read back/);
      expect(notes).toContain(
        `credential "${tag}/groq": LiteLLM hides its secrets, set them: pulumi`,
      );
      expect(JSON.stringify(written)).not.toMatch(/gsk-|sk-of-the-provider|default_user_id/);
    });

    test("what is imported is what its text says: the preview after it shows no change", () => {
      const text = formatSettings("p", written.tree, written.notes);
      const access = Access.parse((parse(text) as Record<string, unknown>)["p:access"]);
      const plan = planAccess({ access });
      const planned = new Map<string, unknown>([
        ...(plan?.budgets ?? []).map(({ name, args }) => [`access-budget-${name}`, args] as const),
        ...(plan?.users ?? []).map(({ name, args }) => [`access-user-${name}`, args] as const),
        ...(plan?.teams ?? []).map(({ name, args }) => [`access-team-${name}`, args] as const),
        ...(plan?.members ?? []).map(
          ({ team, user, args }) =>
            [`access-member-${team}/${user}`, { ...args, adopt: false }] as const,
        ),
        ...(plan?.keys ?? []).map(({ name, args }) => [`access-key-${name}`, args] as const),
        ...(plan?.models ?? []).map(
          ({ name, args, params }) =>
            [`access-model-${name}`, { ...args, params, blocked: false }] as const,
        ),
      ]);
      const read = new Map(
        Object.values(observed).flatMap((things: ObservedAccess["budgets" | "members"]) =>
          things.map(({ id, inputs }) => [id, inputs] as const),
        ),
      );
      const ours = Object.entries(written.imports).filter(([name]) => name.includes(tag));
      expect(ours.map(([name]) => name).toSorted()).toEqual([
        `access-budget-${tag}-trial`,
        `access-key-${tag}-ci`,
        `access-key-${tag}-demo`,
        `access-key-${tag}-laptop`,
        `access-member-${tag}-Bucher-Co/${tag}-cleo@example.com`,
        `access-member-${tag}-search/${tag}-ana`,
        `access-model-${tag}-eu-1`,
        `access-team-${tag}-Bucher-Co`,
        `access-team-${tag}-search`,
        `access-user-${tag}-ana`,
        `access-user-${tag}-cleo@example.com`,
      ]);
      expect(written.imports[`access-key-${tag}-ci`]).toBe(ciKey);
      for (const [name, id] of ours) {
        expect([name, planned.get(name)]).toEqual([name, read.get(id)]);
      }
      expect(written.adopts.filter((name) => name.includes(tag))).toEqual([
        `access-credential-${tag}-groq`,
        `access-model-${tag}-own-1`,
      ]);
    });
  });
}
