import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { sha256 } from "../../stacks/sha256.ts";
import { measureByHand, measureUp } from "../bench/access-life.ts";
import { startCountingProxy } from "../bench/counting-proxy.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { killUp } from "../support/kill-up.ts";
import { type LitellmServer, startLitellm } from "../support/litellm-server.ts";
import { type CommandResult, nameOf, type PulumiProject } from "../support/pulumi-project.ts";

/** A key that its user has had before. */
const OWN_KEY = "sk-own-key-of-this-test-0123456789";
const PROVIDER_KEY = "sk-proj-provider-key-of-this-test-0123456789";

let server: LitellmServer;
let gateway: GatewayProject;
let pulumi: PulumiProject;
const printed: string[] = [];
const commandLines = new Set<string>();

const TREE = {
  budgets: { trial: { maxBudget: 5, budgetDuration: "30d" } },
  users: { ana: { email: "ana@example.com" }, ben: { email: "ben@example.com" } },
  teams: {
    search: {
      alias: "Search",
      models: ["cheap", "free"],
      maxBudget: 200,
      budgetDuration: "30d",
      members: { ana: { maxBudget: 20 }, ben: {} },
      metadata: { costCentre: "4711" },
    },
    support: { models: ["free"], rpmLimit: 100 },
    research: {},
  },
  keys: {
    "search-ci": {
      team: "search",
      user: "ana",
      models: ["cheap"],
      maxBudget: 10,
      metadata: { purpose: "ci" },
      delivery: { file: "secrets/search-ci.env", variable: "LITELLM_API_KEY" },
    },
    "support-bot": { team: "support", expires: "2099-01-01T00:00:00Z" },
    own: { budget: "trial", secret: "ownKey" },
  },
  credentials: { acme: { provider: "openai", secretValues: { api_key: "acmeKey" } } },
  models: {
    "acme-1": {
      name: "acme",
      params: { model: "openai/acme", mock_response: "stored" },
      credential: "acme",
    },
  },
};

type Tree = Record<string, unknown>;

/** The settings of one stack on the server of this test. */
const configure = (access: Tree = TREE): void => {
  gateway.configureExisting(server.url, { access });
};
const run = async (operation: () => Promise<CommandResult>): Promise<string> => {
  const { output } = await watchCommandLines(commandLines, operation);
  printed.push(output);
  return output;
};
const up = (): Promise<string> => run(() => pulumi.up());

/** What a preview would change, each with the properties that differ. */
const listChanges = async (): Promise<string[]> =>
  (await pulumi.preview())
    .map((step) => [step.op, nameOf(step), ...Object.keys(step.detailedDiff ?? {})].join(" "))
    .sort();

const readKeys = async (): Promise<Record<string, string>> =>
  (await pulumi.readOutputs())["virtualKeys"] as Record<string, string>;

interface LiveKeys {
  readonly keys: readonly { readonly token: string; readonly key_alias: string }[];
}

const listAliases = async (): Promise<string[]> => {
  const path = "/key/list?return_full_object=true&size=100";
  const { keys } = (await server.client.succeed(path)) as LiveKeys;
  return keys.map(({ key_alias }) => key_alias).sort();
};

beforeAll(async () => {
  [server, gateway] = await Promise.all([startLitellm(), GatewayProject.create()]);
  pulumi = gateway.pulumi;
  await pulumi.setConfig("litellm-gateway:masterKey", server.masterKey, { secret: true });
  for (const [name, value] of Object.entries({ ownKey: OWN_KEY, acmeKey: PROVIDER_KEY })) {
    const key = `litellm-gateway:secrets.${name}`;
    await pulumi.setConfig(key, value, { secret: true, isPath: true });
  }
  configure();
});

afterAll(async () => {
  await gateway.remove();
  await server.remove();
});

describe("access as code", () => {
  test("is made, and nothing changes after that", async () => {
    await up();
    expect(await listChanges()).toEqual([]);
    await pulumi.refresh("--expect-no-changes");
    const keys = await readKeys();
    expect(keys["own"]).toBe(OWN_KEY);
    const ci = server.client.as(keys["search-ci"] ?? "");
    expect(await ci.converse("cheap", "Hi")).toBe("hello there");
    expect((await ci.chat("free", "Hi")).status).toBe(403);
    expect(await server.client.converse("acme", "Hi")).toBe("stored");
  });

  test("delivers a key to a file that nobody else can read", async () => {
    const file = join(pulumi.folder, "secrets/search-ci.env");
    expect(readFileSync(file, "utf8")).toBe(
      `LITELLM_API_KEY=${(await readKeys())["search-ci"] ?? ""}\n`,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("changes the one field that was edited, and no key", async () => {
    const before = await readKeys();
    const { keys, teams } = structuredClone(TREE);
    keys["search-ci"].maxBudget = 11;
    teams.search.members.ana.maxBudget = 21;
    configure({ ...TREE, keys, teams });
    expect(await listChanges()).toEqual([
      "update access-key-search-ci maxBudget",
      "update access-member-search/ana maxBudget",
    ]);
    await up();
    expect(await listChanges()).toEqual([]);
    expect(await readKeys()).toEqual(before);
    configure();
    await up();
  });

  test("shows what was changed and deleted by hand, and mends it", async () => {
    const token = sha256((await readKeys())["search-ci"] ?? "");
    await server.client.succeed("/key/update", { key: token, rpm_limit: 3 });
    await server.client.succeed("/team/update", { team_id: "search", max_budget: 1 });
    await server.client.succeed("/user/update", { user_id: "ben", user_email: "b@example.com" });
    await server.client.succeed("/team/delete", { team_ids: ["research"] });
    await server.client.succeed("/budget/update", { budget_id: "trial", max_budget: 6 });
    const drift = [
      "update access-budget-trial maxBudget",
      "update access-key-search-ci rpmLimit",
      expect.stringMatching(/^update access-team-research /),
      "update access-team-search maxBudget",
      "update access-user-ben email",
    ];
    expect(await listChanges()).toEqual(drift);
    const { output } = await pulumi.refresh();
    expect(output).toMatch(/access-team-research\s+deleted/);
    expect(output).toMatch(/access-key-search-ci\s+updated .*\[diff: .*rpmLimit\]/);
    await up();
    expect(await listChanges()).toEqual([]);
  });

  test("takes nobody else's key by its alias, and tells how it could", async () => {
    await server.client.generateKey("by-hand");
    configure({ ...TREE, keys: { ...TREE.keys, "by-hand": {} } });
    const { exitCode, output } = await pulumi.run("up", "--yes", "--skip-preview");
    printed.push(output);
    expect(exitCode).not.toBe(0);
    expect(output).toContain('key "by-hand" exists already');
    expect(output).toContain("import it as it is: npm run adopt");
    expect((await listAliases()).filter((alias) => alias === "by-hand")).toHaveLength(1);
  });

  test("shows what is in the gateway and not in the settings, and deletes it when told to", async () => {
    configure({ ...TREE, prune: "report" });
    expect(await up()).toContain('"by-hand"');
    expect(await listAliases()).toContain("by-hand");
    configure({ ...TREE, prune: "delete" });
    expect(await pulumi.previewText()).toContain('"by-hand"');
    await up();
    expect(await listAliases()).not.toContain("by-hand");
    expect(await listChanges()).toEqual([]);
  });

  test("gives a key anew, while the old one works on for a while", async () => {
    const before = (await readKeys())["search-ci"] ?? "";
    const { keys } = structuredClone(TREE);
    const rotated = {
      ...keys,
      "search-ci": { ...keys["search-ci"], generation: 2, overlap: "1h" },
    };
    configure({ ...TREE, keys: rotated });
    await up();
    const after = (await readKeys())["search-ci"] ?? "";
    expect(after).not.toBe(before);
    expect(readFileSync(join(pulumi.folder, "secrets/search-ci.env"), "utf8")).toContain(after);
    for (const key of [before, after]) {
      expect(await server.client.as(key).converse("cheap", "Hi")).toBe("hello there");
    }
    expect(await listChanges()).toEqual([]);
  });

  test("says loudly which keys it deletes, and never one that is protected", async () => {
    const { keys } = structuredClone(TREE);
    const { own, ...others } = keys;
    configure({ ...TREE, keys: { ...others, own: { ...own, protect: true } } });
    await up();
    configure({ ...TREE, keys: others });
    const { exitCode, output } = await pulumi.run("up", "--yes");
    expect(output).toContain('key "own" is in access.keys no more: it is DELETED');
    expect(output).toContain("protect");
    expect(exitCode).not.toBe(0);
    expect(await listAliases()).toContain("own");
    configure();
    await up();
  });
});

describe("a gateway in trouble", () => {
  const many = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`bulk-${index}`, { team: "support" }]),
  );

  test("that restarts in the middle of an up delays it, and nothing is made twice", async () => {
    configure({ ...TREE, keys: { ...TREE.keys, ...many } });
    const deployment = run(() => pulumi.up());
    await expect
      .poll(async () => (await listAliases()).length, { timeout: 60_000 })
      .toBeGreaterThan(8);
    await server.halt("SIGKILL");
    await sleep(500);
    await server.start();
    await deployment;
    const aliases = await listAliases();
    expect(aliases.filter((alias) => alias.startsWith("bulk-"))).toHaveLength(40);
    expect(new Set(aliases).size).toBe(aliases.length);
    expect(await listChanges()).toEqual([]);
  });

  test("and an up that is killed are taken up by the next", async () => {
    configure();
    await up();
    configure({ ...TREE, keys: { ...TREE.keys, ...many } });
    await killUp(pulumi, async () => (await listAliases()).length > 8);
    await up();
    const aliases = await listAliases();
    expect(aliases.filter((alias) => alias.startsWith("bulk-"))).toHaveLength(40);
    const keys = await readKeys();
    const answers = await Promise.all(
      Object.values(keys).map((key) => server.client.as(key).request("/v1/models")),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  test("a key that is no admin's manages nothing, and is told so", async () => {
    const { "support-bot": key = "" } = await readKeys();
    await pulumi.setConfig("litellm-gateway:masterKey", key, { secret: true });
    configure();
    const { exitCode, output } = await pulumi.run("up", "--yes", "--skip-preview");
    expect(exitCode).not.toBe(0);
    expect(output).toMatch(/only the master key may.*pulumi config set --secret masterKey/);
    expect(output).not.toContain(key);
    await pulumi.setConfig("litellm-gateway:masterKey", server.masterKey, { secret: true });
  });
});

test("what was made by hand comes under the settings, and nothing changes by that", async () => {
  configure();
  await up();
  await server.client.succeed("/team/new", { team_id: "byhand", team_alias: "By hand" });
  const body = { key_alias: "by hand", team_id: "byhand", max_budget: 3, rpm_limit: 7 };
  const { key } = (await server.client.succeed("/key/generate", body)) as { key: string };
  const adopted = spawnSync(process.execPath, ["tools/adopt.ts", pulumi.stack, "--yes"], {
    cwd: pulumi.folder,
    encoding: "utf8",
    env: pulumi.environment,
  });
  printed.push(adopted.stdout, adopted.stderr);
  expect(adopted.status, adopted.stderr + adopted.stdout).toBe(0);
  expect(adopted.stdout).toContain("imported, unchanged: 2");
  expect(await listChanges()).toEqual([]);
  expect(await server.client.as(key).converse("free", "Hi")).toBe("hello");
  expect(readFileSync(join(pulumi.folder, `Pulumi.${pulumi.stack}.yaml`), "utf8")).toContain(
    "alias: by hand",
  );
});

test("no secret is in the state, in what was printed, in a process list or in LiteLLM's log", async () => {
  configure();
  await up();
  printed.push(await pulumi.previewText("--refresh"));
  const state = (await pulumi.succeed("stack", "export")).stdout;
  const places = {
    state,
    output: printed.join("\n"),
    processes: [...commandLines].join("\n"),
    log: server.readLog(),
  };
  const secrets = { ...(await readKeys()), masterKey: server.masterKey, provider: PROVIDER_KEY };
  for (const [name, secret] of Object.entries(secrets)) {
    expect(secret.length, name).toBeGreaterThan(20);
    const holders = Object.entries(places).filter(([, text]) => text.includes(secret));
    expect(
      holders.map(([place]) => place),
      name,
    ).toEqual([]);
  }
  // The test itself could not see one otherwise.
  expect(places.log).toContain("/key/generate");
});

test("destroy leaves nothing of it behind", async () => {
  const output = await run(() => pulumi.destroy());
  expect(output).toContain('key "support-bot"');
  expect(await listAliases()).toEqual([]);
  expect(await server.client.succeed("/team/list")).toEqual([]);
  expect(await server.client.succeed("/budget/list")).toEqual([]);
  expect(await server.client.succeed("/credentials")).toMatchObject({ credentials: [] });
  const { users } = (await server.client.succeed("/user/list")) as { users: { user_id: string }[] };
  expect(users.map(({ user_id }) => user_id)).toEqual(["default_user_id"]);
  expect((await server.client.chat("acme", "Hi")).status).toBe(400);
});

test.each([
  ["by commands of Pulumi", measureUp],
  ["by hand", measureByHand],
])("what the benchmark measures: keys live and die %s", async (_, measure) => {
  const proxy = await startCountingProxy(server.url);
  try {
    const size = { teams: 1, keys: 5 };
    const life = await measure({ server, proxy, size, changed: 1 });
    const { create, refresh, change, destroy } = life;
    expect(life.total).toBeCloseTo(create + refresh + change + destroy);
    // Each key is at least made and deleted.
    expect(life.requests).toBeGreaterThan(size.keys);
  } finally {
    await proxy.close();
  }
});
