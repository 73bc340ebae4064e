import { expect, test } from "vitest";

import { team } from "../../../components/provider/access/team.ts";
import { teamMember } from "../../../components/provider/access/team-member.ts";
import { user } from "../../../components/provider/access/user.ts";
import { planAdoption } from "../../../tools/access/adoption.ts";
import type { ObservedAccess } from "../../../tools/access/observed-access.ts";

const liveTeam = (id: string): ObservedAccess["teams"][number] => ({
  ...{ id, inputs: team.inputs.parse({ teamId: id, alias: id }) },
  live: {
    ...{ team_id: id, team_alias: id, metadata: {} },
    ...{ members_with_roles: [], team_memberships: [] },
  },
});

/** Teams `search`, `ops` and `legal`; Ana is in the first. */
const OBSERVED: ObservedAccess = {
  ...{ budgets: [], keys: [], credentials: [], models: [] },
  teams: ["search", "ops", "legal"].map(liveTeam),
  users: [
    {
      ...{ id: "ana", inputs: user.inputs.parse({ userId: "ana" }) },
      live: { user_id: "ana", metadata: {} },
    },
  ],
  members: [
    {
      id: "search/ana",
      inputs: teamMember.inputs.parse({ teamId: "search", userId: "ana" }),
      live: { teamId: "search", userId: "ana", role: "user" },
    },
  ],
};

const plan = (text: string, managed: readonly string[]) =>
  planAdoption(OBSERVED, {
    ...{ project: "p", stack: "dev", text },
    config: { plain: {}, secret: {} },
    managed: new Set(managed),
  });

test("what is new is imported; what the settings say already is taken over as they say it", () => {
  const text =
    "config:\n  p:access:\n    teams:\n      search: {}\n      o: { id: ops, maxBudget: 1 }\n";
  const { file, imports, adopts } = plan(text, ["access-team-search"]);
  expect(imports).toEqual({
    "access-user-ana": "ana",
    "access-team-legal": "legal",
    "access-member-search/ana": "search/ana",
  });
  expect(adopts).toEqual(["access-team-o"]);
  expect(file.text).toContain("o: { id: ops, maxBudget: 1 }");
});

test("what an `up` has not brought in is brought in by the next", () => {
  const first = plan("config: {}\n", []);
  expect(first.adopts).toEqual([]);
  const second = plan(first.file.text, ["access-team-search", "access-user-ana"]);
  expect(second.file).toEqual({ text: first.file.text, added: [] });
  expect(second.imports).toEqual({});
  expect(second.adopts).toEqual([
    "access-team-legal",
    "access-team-ops",
    "access-member-search/ana",
  ]);
});

test("when all of it is in the state, nothing is left to do", () => {
  const { text } = plan("config: {}\n", []).file;
  const everything = plan("", []).file.added;
  expect(plan(text, everything)).toMatchObject({ imports: {}, adopts: [] });
});
