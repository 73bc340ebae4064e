import { randomUUID } from "node:crypto";

import pb from "@pulumi/pulumi/proto/provider_pb.js";
import { describe, expect, test } from "vitest";

import { openGateway } from "../../../components/provider/access/gateway.ts";
import { survey } from "../../../components/provider/access/survey.ts";
import { unmanaged, type UnmanagedInputs } from "../../../components/provider/access/unmanaged.ts";
import type { Properties, ResourceDefinition } from "../../../components/provider/resource.ts";
import { serve } from "../../../components/provider/server/server.ts";
import { encode, UNKNOWN } from "../../../components/provider/server/wire.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { call, ProviderClient } from "../../support/provider-client.ts";
import { sendAdmin } from "./requests.ts";

export function describeUnmanaged(server: () => LitellmServer): void {
  describe("unmanaged", () => {
    const openContext = (name: string) => {
      const { url, masterKey } = server();
      const { context, messages } = operationContext(undefined, { url, masterKey });
      return {
        context: { ...context, urn: `urn:pulumi:test::test::${unmanaged.token}::${name}` },
        messages,
      };
    };

    /** What other tests have left in the gateway is as if the code had it. */
    const keepAll = async (mode: "delete" | "report"): Promise<UnmanagedInputs> => {
      const { context } = openContext("all");
      const found = await survey(openGateway(context), context.signal);
      return unmanaged.inputs.parse({
        mode,
        teams: found.teams.map(({ team_id }) => team_id),
        users: found.users.map(({ user_id }) => user_id),
        budgets: found.budgets.map(({ budget_id }) => budget_id),
        models: found.models.map(({ model_info }) => model_info.id),
        credentials: found.credentials.map(({ credential_name }) => credential_name),
        keys: found.keys.map(({ token }) => token),
        members: found.teams.flatMap(({ team_id, members_with_roles }) =>
          members_with_roles.map(({ user_id }) =>
            [team_id, user_id ?? ""].map(encodeURIComponent).join("/"),
          ),
        ),
      });
    };

    const make = async (path: string, body: object) => {
      const { status, json } = await sendAdmin(server(), "POST", path, body);
      expect(status, JSON.stringify(json)).toBe(200);
      return json as Record<string, string>;
    };

    test("reports what is not in the code, and then deletes it in order", async () => {
      const id = randomUUID().slice(0, 8);
      const wanted = await keepAll("delete");
      const { context, messages } = openContext(id);
      const kept = { managed_by: "pulumi:test/other:theirs" };

      const team = `code ${id}`;
      await make("/team/new", { team_id: team });
      await make("/team/new", {
        team_id: `alone-${id}`,
        team_alias: `Alone ${id}`,
        team_member_budget: 1,
      });
      await make("/team/new", { team_id: `holds-${id}` });
      await make("/team/new", { team_id: `theirs-${id}`, metadata: kept });
      await make("/user/new", { user_id: `member@${id}`, auto_create_key: false });
      await make("/user/new", { user_id: `alone@${id}`, auto_create_key: false });
      await make("/user/new", { user_id: `owns@${id}`, auto_create_key: false });
      for (const user_id of [`member@${id}`, `alone@${id}`]) {
        await make("/team/member_add", {
          team_id: team,
          member: { user_id, role: "user" },
          max_budget_in_team: 2,
        });
      }
      const ours = await make("/key/generate", {
        key_alias: `code-${id}`,
        team_id: `holds-${id}`,
        user_id: `owns@${id}`,
      });
      await make("/key/generate", {
        key_alias: `previous-${id}`,
        metadata: { managed_by: "pulumi:test/test:key" },
      });
      await make("/key/generate", { key_alias: `theirs-${id}`, metadata: kept });
      const stray = await make("/key/generate", { key_alias: `stray-${id}`, soft_budget: 1 });
      await make("/budget/new", { budget_id: `budget-${id}`, max_budget: 1 });
      await make("/credentials", {
        credential_name: `used-${id}`,
        credential_values: { api_key: "x" },
        credential_info: {},
      });
      await make("/model/new", {
        model_name: `stray-${id}`,
        litellm_params: { model: "openai/x", api_key: "x", litellm_credential_name: `used-${id}` },
        model_info: { id: `stray-${id}`, ...kept },
      });
      await make("/credentials", {
        credential_name: `free/${id}`,
        credential_values: { api_key: "x" },
        credential_info: {},
      });
      await make("/model/new", {
        model_name: `free-${id}`,
        litellm_params: { model: "openai/x", api_key: "x" },
        model_info: { id: `free-${id}` },
      });
      const inputs = {
        ...wanted,
        teams: [...wanted.teams, team],
        keys: [...wanted.keys, ours["token"] ?? ""],
        members: [
          ...(wanted.members ?? []),
          [team, `member@${id}`].map(encodeURIComponent).join("/"),
        ],
      };

      const state = { inputs, outputs: {} };
      const found = await unmanaged.read(context, "unmanaged", state);
      const ownKey = `"code-${id}" (${ours["key_name"] ?? ""})`;
      const another = "pulumi:test/other:theirs";
      expect(found.outputs).toEqual({
        unmanaged: [
          `key "stray-${id}" (${stray["key_name"] ?? ""})`,
          `team "Alone ${id}" (alone-${id})`,
          `user "alone@${id}"`,
          `model "free-${id}" (free-${id})`,
          `credential "free/${id}"`,
        ],
        kept: expect.arrayContaining([
          expect.stringMatching(new RegExp(`^key "theirs-${id}".*: it is managed by ${another}$`)),
          `team "holds-${id}": key ${ownKey} would be deleted with it`,
          `team "theirs-${id}": it is managed by ${another}`,
          `user "owns@${id}": key ${ownKey} would be deleted with it`,
          `user "member@${id}": it is a member of team "${team}"`,
          `credential "used-${id}": model "stray-${id}" uses it`,
          expect.stringMatching(new RegExp(`^budget "budget-${id}": it may be another stack's`)),
        ]) as unknown,
      });
      expect(unmanaged.drift({ ...inputs, ...found.outputs }, inputs)).toEqual(["unmanaged"]);
      expect(
        unmanaged.drift({ ...inputs, ...found.outputs }, { ...inputs, mode: "report" }),
      ).toEqual([]);
      expect(messages.join("\n")).toContain(
        `not in the code, to be deleted: 1 team: "Alone ${id}"`,
      );

      // It was not listed before.
      const late = await make("/key/generate", { key_alias: `late-${id}` });
      const change = { inputs, previousInputs: inputs, outputs: { ...inputs, ...found.outputs } };
      const left = await unmanaged.update(context, "unmanaged", change);
      expect(left.unmanaged).toEqual([`key "late-${id}" (${late["key_name"] ?? ""})`]);
      expect(messages.join("\n")).toContain(`deleted 1 credential: "free/${id}"`);
      const info = await sendAdmin(server(), "GET", `/team/info?team_id=alone-${id}`);
      expect(info.status).toBe(404);
      expect(
        await server()
          .client.as(ours["key"] ?? "")
          .converse("free", "hello"),
      ).toBe("hello");

      await make("/key/delete", {
        key_aliases: [`late-${id}`, `code-${id}`, `previous-${id}`, `theirs-${id}`],
      });
      await make("/team/delete", { team_ids: [team, `holds-${id}`, `theirs-${id}`] });
      await make("/user/delete", { user_ids: [`member@${id}`, `owns@${id}`] });
      await make("/budget/delete", { id: `budget-${id}` });
      await make("/model/delete", { id: `stray-${id}` });
      await sendAdmin(server(), "DELETE", `/credentials/used-${id}`);
      expect((await unmanaged.read(context, "unmanaged", state)).outputs).toEqual({
        unmanaged: [],
        kept: [],
      });
    });

    test("a preview shows it, but not before it knows all ids", async () => {
      const id = randomUUID().slice(0, 8);
      const news = await keepAll("delete");
      await make("/budget/new", { budget_id: `budget-${id}`, max_budget: 1 });
      const provider = await serve({
        name: "litellm",
        version: "1.0.0",
        definitions: [unmanaged as unknown as ResourceDefinition],
      });
      const client = new ProviderClient(provider.port, unmanaged.token);
      try {
        const { url, masterKey } = server();
        const configuration = new pb.ConfigureRequest().setArgs(encode({ url, masterKey }));
        await call<pb.ConfigureRequest, pb.ConfigureResponse>(
          client.raw.configure.bind(client.raw),
          configuration,
        );
        const report = { ...news, mode: "report" };
        const olds = { unmanaged: [], kept: [] };
        const diff = (oldInputs: Properties, inputs: Properties) =>
          client.diff({ oldInputs, olds: { ...oldInputs, ...olds }, news: inputs });

        expect((await diff(report, report)).changes).toBe(pb.DiffResponse.DiffChanges.DIFF_NONE);
        expect((await diff({ ...news }, { ...news })).diffsList).toEqual(["unmanaged"]);
        const unknown = { ...news, keys: [...news.keys, UNKNOWN] };
        expect((await diff({ ...news }, unknown)).diffsList).toEqual(["keys"]);
      } finally {
        client.close();
        await provider.stop();
        await make("/budget/delete", { id: `budget-${id}` });
      }
    });

    test("making it deletes nothing", async () => {
      const id = randomUUID().slice(0, 8);
      const inputs = await keepAll("delete");
      const { context } = openContext(id);
      await make("/budget/new", { budget_id: `budget-${id}`, max_budget: 1 });
      const { outputs } = await unmanaged.create(context, inputs);
      expect(outputs).toEqual({ unmanaged: [`budget "budget-${id}"`], kept: [] });
      const change = { inputs, previousInputs: inputs, outputs: { ...inputs, ...outputs } };
      expect((await unmanaged.update(context, "unmanaged", change)).unmanaged).toEqual([]);
    });
  });
}
