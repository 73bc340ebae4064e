import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { team } from "../../../components/provider/access/team.ts";
import { teamMember } from "../../../components/provider/access/team-member.ts";
import { user } from "../../../components/provider/access/user.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { openContext, removeAfterwards, testLifeCycle, uniqueId } from "./life-cycle.ts";

const parse = (inputs: object) => teamMember.inputs.parse(inputs);

export function describeMembers(server: () => LitellmServer): void {
  const open = () => openContext(server(), { token: teamMember.token });
  const makeTeam = async () => {
    const teamId = uniqueId("team");
    removeAfterwards(server(), team, teamId);
    await team.create(open().context, team.inputs.parse({ teamId }));
    return teamId;
  };
  const makeUser = async () => {
    const userId = uniqueId("user");
    removeAfterwards(server(), user, userId);
    await user.create(open().context, user.inputs.parse({ userId }));
    return userId;
  };
  const read = async (id: string, inputs: object) =>
    (await teamMember.read(open().context, id, { inputs, outputs: {} }))?.inputs;
  const update = (id: string, inputs: object, previous: object) => {
    const previousInputs = parse(previous);
    const outputs = { ...previousInputs, serverDefaults: {} };
    const change = { inputs: parse(inputs), previousInputs, outputs };
    return teamMember.update(open().context, id, change);
  };
  const findBudget = async (teamId: string, userId: string) => {
    const path = `/team/info?team_id=${teamId}`;
    const { team_memberships: memberships } = (await server().client.succeed(path)) as {
      team_memberships: { user_id: string; budget_id: string | null }[];
    };
    return memberships.find((membership) => membership.user_id === userId)?.budget_id;
  };
  const listBudgets = (...ids: (string | null | undefined)[]) =>
    server().client.succeed("/budget/info", { budgets: ids });

  describe("members of teams", () => {
    testLifeCycle(server, () => {
      const teamId = uniqueId("team");
      const userId = uniqueId("user");
      const address = { team_id: teamId, user_id: userId };
      return {
        definition: teamMember,
        id: `${teamId}/${userId}`,
        identity: { teamId, userId },
        full: {
          maxBudget: 20.5,
          budgetDuration: "30d",
          rpmLimit: 10,
          tpmLimit: 1000,
          models: ["free", "cheap"],
        },
        edit: { inputs: { rpmLimit: 11 }, body: { ...address, rpm_limit: 11 } },
        byHand: {
          path: "/team/member_update",
          body: { ...address, max_budget_in_team: 21 },
          inputs: { maxBudget: 21 },
        },
        deleteByHand: { path: "/team/member_delete", body: address },
        makeByHand: {
          path: "/team/member_add",
          body: {
            team_id: teamId,
            member: { role: "user", user_id: userId },
            max_budget_in_team: 1,
          },
        },
        hasOwner: false,
        async prepare() {
          const { context } = open();
          removeAfterwards(server(), team, teamId);
          removeAfterwards(server(), user, userId);
          await team.create(context, team.inputs.parse({ teamId }));
          await user.create(context, user.inputs.parse({ userId }));
        },
      };
    });

    let ana: string;
    beforeEach(async () => {
      ana = uniqueId("ana");
      await user.create(open().context, user.inputs.parse({ userId: ana }));
    });
    afterEach(() => user.delete(open().context, ana));

    test("one that is as it is wanted is taken for what it is", async () => {
      const inputs = parse({
        teamId: await makeTeam(),
        userId: ana,
        maxBudget: 1,
        models: ["free"],
      });
      await teamMember.create(open().context, inputs);
      const { id } = await teamMember.create(open().context, inputs);
      expect(await read(id, inputs)).toEqual(inputs);
    });

    test("a user who does not exist is not made", async () => {
      const teamId = await makeTeam();
      const userId = uniqueId("nobody");
      await expect(teamMember.create(open().context, parse({ teamId, userId }))).rejects.toThrow(
        `userId: there is no user "${userId}" to be a member of team "${teamId}"`,
      );
      const context = open().context;
      expect(await user.read(context, userId, { inputs: {}, outputs: {} })).toBeUndefined();
    });

    test("all of many that are added at once are kept", async () => {
      const teamId = await makeTeam();
      const users = await Promise.all(Array.from({ length: 8 }, makeUser));
      const { context } = open();
      const members = users.map((userId) => parse({ teamId, userId, maxBudget: 1 }));
      const made = await Promise.all(members.map((inputs) => teamMember.create(context, inputs)));
      expect(
        await Promise.all(made.map(({ id }, index) => read(id, members[index] ?? {}))),
      ).toEqual(members);
      await Promise.all(made.map(({ id }) => teamMember.delete(context, id)));
      expect(await Promise.all(made.map(({ id }) => read(id, {})))).toEqual(
        users.map(() => undefined),
      );
    });

    test("ids may hold any character", async () => {
      const teamId = uniqueId("R&D / Süd");
      const userId = uniqueId("Ana María/x");
      const { context } = open();
      removeAfterwards(server(), team, teamId);
      removeAfterwards(server(), user, userId);
      await team.create(context, team.inputs.parse({ teamId }));
      await user.create(context, user.inputs.parse({ userId }));
      const inputs = parse({ teamId, userId, maxBudget: 1 });
      const { id } = await teamMember.create(context, inputs);
      expect(id.split("/")).toEqual([encodeURIComponent(teamId), encodeURIComponent(userId)]);
      expect(await read(id, {})).toEqual(inputs);
      await teamMember.delete(open().context, id);
      expect(await read(id, {})).toBeUndefined();
    });

    test("its budget is deleted when it is not needed any more", async () => {
      const teamId = await makeTeam();
      const inputs = parse({ teamId, userId: ana, maxBudget: 1 });
      const { id } = await teamMember.create(open().context, inputs);
      const first = await findBudget(teamId, ana);
      const bare = parse({ teamId, userId: ana });
      await update(id, bare, inputs);
      await update(id, inputs, bare);
      const second = await findBudget(teamId, ana);
      expect(second).not.toBe(first);
      await teamMember.delete(open().context, id);
      expect(await listBudgets(first, second)).toEqual([]);
    });

    test("its budget is deleted with the user", async () => {
      const teamId = await makeTeam();
      const inputs = parse({ teamId, userId: ana, maxBudget: 1 });
      const { id } = await teamMember.create(open().context, inputs);
      const budget = await findBudget(teamId, ana);
      await user.delete(open().context, ana);
      expect(await listBudgets(budget)).toEqual([]);
      expect(await read(id, inputs)).toBeUndefined();
    });

    test("what the team has for all its members is no member's own, and stays", async () => {
      const { client } = server();
      const teamId = await makeTeam();
      await client.succeed("/team/update", {
        team_id: teamId,
        team_member_budget: 3,
        team_member_rpm_limit: 7,
      });
      const bare = parse({ teamId, userId: ana });
      const { id } = await teamMember.create(open().context, bare);
      const shared = await findBudget(teamId, ana);
      expect(shared).toMatch(/^team-budget-/);
      expect(await read(id, bare)).toEqual(bare);
      const limited = parse({ teamId, userId: ana, tpmLimit: 5 });
      await update(id, limited, bare);
      expect(await read(id, limited)).toEqual(limited);
      await teamMember.delete(open().context, id);
      expect(await listBudgets(shared)).toMatchObject([{ max_budget: 3, rpm_limit: 7 }]);
    });

    test("the member's keys of the team go with the membership, which is said", async () => {
      const { client } = server();
      const teamId = await makeTeam();
      const { id } = await teamMember.create(open().context, parse({ teamId, userId: ana }));
      const body = { team_id: teamId, user_id: ana, key_alias: uniqueId("key") };
      const { key } = (await client.succeed("/key/generate", body)) as { key: string };
      const { context, messages } = open();
      await teamMember.delete(context, id);
      expect(messages).toEqual([
        `with user "${ana}" of team "${teamId}" LiteLLM deletes the user's key of that team: ` +
          "requests with them are refused from now on",
      ]);
      expect((await client.as(key).chat("free", "hello")).status).toBe(401);
    });

    test("an id that is none is said to be", async () => {
      const state = { inputs: {}, outputs: {} };
      await expect(teamMember.read(open().context, "search", state)).rejects.toThrow(
        '"search" is no member of a team: write the ids of both, each percent-encoded, such as search/ana',
      );
    });
  });
}
