import { expect, test } from "vitest";

import { describeLostKeys } from "../../components/preflight/lost-keys.ts";
import type { RecordedStack } from "../../components/preflight/recorded-stack.ts";
import { findTransitionObstacles } from "../../components/preflight/transition.ts";
import { type Plan, planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { findFreePort } from "../support/ports.ts";

const planStack = (plain: object): Plan =>
  planDeployment(
    parseSettings({
      plain: { models: [{ name: "hello", provider: "mock" }], ...plain },
      secret: {},
    }),
    imagineCircumstances({ stack: "dev" }),
  );
const onDocker = (plain: object = {}): Plan =>
  planStack({ deployment: { topology: "single-host" }, ...plain });

const record = (changes: Partial<RecordedStack> = {}): RecordedStack => ({
  topology: "single-host",
  database: { majorVersion: "16", url: "postgresql://litellm:secret@127.0.0.1:5433/litellm" },
  virtualKeys: [],
  migration: { attempt: 1, succeeded: true },
  generations: { serving: undefined, containers: {} },
  ...changes,
});

const find = (plan: Plan, recorded: RecordedStack, isTargetAbsent = false): Promise<string[]> =>
  findTransitionObstacles(plan, recorded, isTargetAbsent);

test("a new stack, and one that stays as it is, meet nothing", async () => {
  const nothing = {
    topology: undefined,
    database: undefined,
    migration: undefined,
  };
  expect(await find(onDocker(), record(nothing))).toEqual([]);
  expect(await find(onDocker(), record())).toEqual([]);
});

test("another topology is refused, with the way to a stack of its own", async () => {
  expect(await find(planStack({}), record())).toEqual([
    'it is deployed with topology "single-host", and its data would not follow it to "local"; keep this one as it is (pulumi config set --path deployment.topology single-host), and move to a stack of its own: pulumi stack init dev-local --copy-config-from dev, set the topology there, `pulumi up`, load a dump of the old database (pg_dump --no-owner --data-only), and give it the old saltKey and masterKey: pulumi stack output recovery --show-secrets --stack dev',
  ]);
});

test("another major version of PostgreSQL is refused, with the way there and back", async () => {
  expect(await find(onDocker({ database: { kind: "managed", version: 17 } }), record())).toEqual([
    'its data is of PostgreSQL 16, which PostgreSQL 17 does not read; go on with 16: pulumi config set --path database.version 16, or dump it (pg_dump --format=custom "$(pulumi stack output databaseUrl --show-secrets --stack dev)"), deploy the new version as a stack of its own and restore the dump there (pg_restore)',
  ]);
});

test("a database that cannot be asked for keys is not given up", async () => {
  const port = await findFreePort();
  const url = `postgresql://litellm:secret@127.0.0.1:${port}/litellm`;
  const without = onDocker({ database: { kind: "none" } });
  const told =
    "tell it to go: pulumi config set --path database.discardExisting true, after a backup (pg_dump)";
  expect(await find(without, record({ database: { majorVersion: "16", url } }))).toEqual([
    `its database cannot be asked for keys and teams (connect ECONNREFUSED 127.0.0.1:${port}); ${told}`,
  ]);
  expect(await find(without, record({ database: { majorVersion: "16", url: undefined } }))).toEqual(
    [`its database was not completed, and what is in it is not known; ${told}`],
  );
});

test("it is given up when told, and nobody asks where it cannot be reached", async () => {
  const told = onDocker({ database: { kind: "none", discardExisting: true } });
  expect(await find(told, record())).toEqual([]);
  expect(await find(onDocker({ database: { kind: "none" } }), record(), true)).toEqual([]);
});

test("keys that the settings have no more are announced", () => {
  const plan = planStack({ access: { keys: { kept: {} } } });
  expect(describeLostKeys(plan, record({ virtualKeys: ["kept"] }))).toBeUndefined();
  expect(describeLostKeys(plan, record({ virtualKeys: ["gone", "kept"] }))).toBe(
    'key "gone" is in access.keys no more: it is DELETED, and requests with it are refused from then on',
  );
  expect(describeLostKeys(planStack({}), record({ virtualKeys: ["a", "b"] }))).toContain(
    'keys "a", "b" are in access.keys no more: they are DELETED',
  );
});
