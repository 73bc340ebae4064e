import { expect, test } from "vitest";

import type { AccessTree } from "../../../tools/access/access-tree.ts";
import { mergeAccess, readAccessSetting } from "../../../tools/access/stack-file.ts";

const tree = (parts: Partial<AccessTree>): AccessTree => ({
  ...{ budgets: {}, users: {}, teams: {}, keys: {}, credentials: {}, models: {} },
  ...parts,
});

const FILE = `# Ours.
config:
  p:deployment:
    topology: existing # not deployed by us
  p:access:
    # People.
    users:
      ana: {email: "ana@example.com"}
    teams:
      search:
        maxBudget: 100 # agreed
        members:
          ana: {}
    keys:
encryptionsalt: v1:x
`;

test("adds what is missing, and leaves alone what is there, with its comments", () => {
  const { text, added } = mergeAccess(
    FILE,
    "p",
    tree({
      users: { ana: { email: "other@example.com" }, ben: {} },
      teams: {
        search: { maxBudget: 200, members: { ana: { maxBudget: 1 }, ben: { maxBudget: 2 } } },
        ops: { members: { ana: {} } },
      },
      keys: { ci: { expires: "2027-01-01T00:00:00Z" } },
    }),
  );
  expect(text).toBe(`# Ours.
config:
  p:deployment:
    topology: existing # not deployed by us
  p:access:
    # People.
    users:
      ana: { email: "ana@example.com" }
      ben: {}
    teams:
      search:
        maxBudget: 100 # agreed
        members:
          ana: {}
          ben:
            maxBudget: 2
      ops:
        members:
          ana: {}
    keys:
      ci:
        expires: "2027-01-01T00:00:00Z"
encryptionsalt: v1:x
`);
  expect(added).toEqual([
    "access-user-ben",
    "access-member-search/ben",
    "access-team-ops",
    "access-member-ops/ana",
    "access-key-ci",
  ]);
});

test("a file without the setting, or without any, gets it", () => {
  const users = tree({ users: { ana: {} } });
  const setting = "config:\n  p:access:\n    users:\n      ana: {}\n";
  expect(mergeAccess("", "p", users).text).toBe(setting);
  expect(mergeAccess("config:\n", "p", users).text).toBe(setting);
  expect(mergeAccess("encryptionsalt: v1:x\n", "p", users).text).toBe(
    `encryptionsalt: v1:x\n${setting}`,
  );
});

test("a file that has everything stays as it is, to the letter", () => {
  expect(mergeAccess(FILE, "p", tree({ users: { ana: {} } }))).toEqual({ text: FILE, added: [] });
});

test("tells what the setting says", () => {
  expect(readAccessSetting(FILE, "p")).toMatchObject({ teams: { search: { maxBudget: 100 } } });
  expect(readAccessSetting("config: {}\n", "p")).toEqual({});
  expect(() => readAccessSetting("config:\n  p:access: '{}'\n", "p")).toThrow(
    "the setting access is no mapping, so nothing can be added to it; take it out: pulumi config rm access",
  );
  expect(() => readAccessSetting("a: [", "p")).toThrow("the stack's file is no YAML");
});
