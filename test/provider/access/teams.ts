import { describe, expect, test } from "vitest";

import { team } from "../../../components/provider/access/team.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import {
  openContext,
  recordChanges,
  removeAfterwards,
  setServerDefaults,
  testLifeCycle,
  uniqueId,
} from "./life-cycle.ts";

const parse = (inputs: object) => team.inputs.parse(inputs);

export function describeTeams(server: () => LitellmServer): void {
  const open = () => openContext(server(), { token: team.token });
  const update = (inputs: object, previous: object) => {
    const previousInputs = parse(previous);
    const outputs = { ...previousInputs, serverDefaults: {} };
    const id = previousInputs.teamId;
    return team.update(open().context, id, { inputs: parse(inputs), previousInputs, outputs });
  };
  const find = async (teamId: string) => {
    const path = `/team/info?team_id=${encodeURIComponent(teamId)}`;
    const { team_info } = (await server().client.succeed(path)) as {
      team_info: { metadata: Record<string, unknown>; max_budget: number | null };
    };
    return team_info;
  };

  describe("teams", () => {
    testLifeCycle(server, () => {
      const teamId = uniqueId("team");
      return {
        definition: team,
        id: teamId,
        identity: { teamId },
        full: {
          alias: "Search",
          models: ["free", "cheap"],
          maxBudget: 200.5,
          softBudget: 100,
          budgetDuration: "1mo",
          rpmLimit: 10,
          tpmLimit: 3_000_000_000,
          modelRpmLimit: { cheap: 3 },
          modelTpmLimit: { cheap: 1000, free: 2000 },
          blocked: true,
          metadata: { costCentre: "4711", nested: { list: [1, { a: null }] } },
        },
        edit: { inputs: { maxBudget: 201 }, body: { team_id: teamId, max_budget: 201 } },
        byHand: {
          path: "/team/update",
          body: { team_id: teamId, model_rpm_limit: { cheap: 4 } },
          inputs: { modelRpmLimit: { cheap: 4 } },
        },
        deleteByHand: { path: "/team/delete", body: { team_ids: [teamId] } },
        makeByHand: { path: "/team/new", body: { team_id: teamId, metadata: { a: 1 } } },
        hasOwner: true,
      };
    });

    test("ids may hold any character", async () => {
      const teamId = uniqueId("R&D / Süd #1?");
      const inputs = parse({ teamId, maxBudget: 1 });
      await team.create(open().context, inputs);
      await update({ teamId, maxBudget: 2 }, inputs);
      const read = await team.read(open().context, teamId, { inputs, outputs: {} });
      expect(read?.inputs).toEqual({ ...inputs, maxBudget: 2 });
      await team.delete(open().context, teamId);
      expect(await team.read(open().context, teamId, { inputs, outputs: {} })).toBeUndefined();
    });

    test("what LiteLLM keeps in the metadata is no drift, and survives a change of it", async () => {
      const { client } = server();
      const teamId = uniqueId("team");
      removeAfterwards(server(), team, teamId);
      const inputs = parse({ teamId, metadata: { a: 1, gone: true }, modelRpmLimit: { cheap: 1 } });
      await team.create(open().context, inputs);
      await client.succeed("/team/update", { team_id: teamId, team_member_budget: 3 });
      const { team_member_budget_id: budgetId } = (await find(teamId)).metadata;
      expect(budgetId).toMatch(/^team-budget-/);
      const read = await team.read(open().context, teamId, { inputs, outputs: {} });
      expect(read?.inputs).toEqual(inputs);
      const changed = { teamId, metadata: { a: 2 }, modelRpmLimit: { cheap: 1 } };
      const bodies = await recordChanges(() => update(changed, inputs));
      expect(bodies.map((body) => Object.keys(body))).toEqual([["team_id", "metadata"]]);
      expect((await find(teamId)).metadata).toEqual({
        a: 2,
        managed_by: "pulumi:gateway/test:thing",
        model_rpm_limit: { cheap: 1 },
        team_member_budget_id: budgetId,
      });
      // LiteLLM would leave the budget behind.
      await team.delete(open().context, teamId);
      expect(await client.succeed("/budget/info", { budgets: [budgetId] })).toEqual([]);
    });

    test("a budget that is unset does not stand in the way of the other", async () => {
      const teamId = uniqueId("team");
      removeAfterwards(server(), team, teamId);
      const first = parse({ teamId, softBudget: 5, maxBudget: 10 });
      await team.create(open().context, first);
      const second = parse({ teamId, maxBudget: 4 });
      await update(second, first);
      const third = parse({ teamId, softBudget: 20 });
      await update(third, second);
      const read = await team.read(open().context, teamId, { inputs: third, outputs: {} });
      expect(read?.inputs).toEqual(third);
    });

    test("what LiteLLM's settings fill in is no drift, until the program says something else", async () => {
      const teamId = uniqueId("team");
      removeAfterwards(server(), team, teamId);
      await setServerDefaults(server(), "default_team_settings", { max_budget: 7, rpm_limit: 3 });
      const inputs = parse({ teamId });
      const { outputs } = await team.create(open().context, inputs);
      expect(outputs).toEqual({ serverDefaults: { maxBudget: 7, rpmLimit: 3 } });
      const read = (of: object) => team.read(open().context, teamId, { inputs: of, outputs });
      expect(await read(inputs)).toEqual({ inputs, outputs });
      const change = (wanted: typeof inputs, previousInputs: typeof inputs) =>
        team.update(open().context, teamId, {
          inputs: wanted,
          previousInputs,
          outputs: { ...previousInputs, ...outputs },
        });
      expect(await recordChanges(() => change(inputs, inputs))).toEqual([]);
      const limited = parse({ teamId, maxBudget: 8 });
      await change(limited, inputs);
      expect(await read(limited)).toEqual({ inputs: limited, outputs });
      await change(inputs, limited);
      expect((await find(teamId)).max_budget).toBeNull();
    });

    test("its keys go with it, which is said", async () => {
      const { client } = server();
      const teamId = uniqueId("team");
      await team.create(open().context, parse({ teamId }));
      const keys = await Promise.all(
        ["one", "two"].map(async (name) => {
          const body = { team_id: teamId, key_alias: uniqueId(name) };
          return ((await client.succeed("/key/generate", body)) as { key: string }).key;
        }),
      );
      const { context, messages } = open();
      await team.delete(context, teamId);
      expect(messages).toEqual([
        `with team "${teamId}" LiteLLM deletes its 2 keys: requests with them are refused from now on`,
      ]);
      for (const key of keys) {
        expect((await client.as(key).chat("free", "hello")).status).toBe(401);
      }
    });

    test("what another stack has taken over is left to it", async () => {
      const teamId = uniqueId("team");
      await team.create(open().context, parse({ teamId }));
      const { context: other } = openContext(server(), { stack: "other" });
      await team.create(other, parse({ teamId, adopt: true }));
      const { context, messages } = open();
      await team.delete(context, teamId);
      expect(messages).toEqual([
        `team "${teamId}" is left as it is: it has been taken over by pulumi:gateway/other:thing`,
      ]);
      expect((await find(teamId)).metadata["managed_by"]).toBe("pulumi:gateway/other:thing");
      await team.delete(other, teamId);
    });
  });
}
