import { readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { CommandError } from "../../components/provider/host/command.ts";
import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";

const lab = dockerEngine();
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const MASTER_KEY = "sk-admission-master-0123456789";
const prefix = `admit-proxy-test-${process.pid}`;
const database = `${prefix}-database`;
const proxy = `${prefix}-proxy`;

const CONFIG = JSON.stringify({
  model_list: [
    { model_name: "hello", litellm_params: { model: "openai/mock", mock_response: "Hi!" } },
    {
      model_name: "away",
      litellm_params: { model: "openai/x", api_base: "http://127.0.0.1:9", api_key: "none" },
    },
  ],
  router_settings: { num_retries: 0 },
  general_settings: { master_key: "os.environ/LITELLM_MASTER_KEY" },
});

const admit = (...options: string[]) =>
  docker(["exec", proxy, "python3", "/tmp/admit-proxy.py", ...options]);
/** What it says when it refuses. */
const refuse = async (...options: string[]): Promise<string> => {
  const error = await admit(...options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).output;
};
/** A request to the proxy from within. */
const ask = async (path: string, body?: object): Promise<unknown> =>
  JSON.parse(
    await docker([
      ...["exec", proxy, "python3", "-c"],
      `import os, sys, urllib.request as u
headers = {"Authorization": "Bearer " + os.environ["LITELLM_MASTER_KEY"], "Content-Type": "application/json"}
data = sys.argv[1].encode() or None
print(u.urlopen(u.Request("http://127.0.0.1:4000${path}", data, headers), timeout=30).read().decode())`,
      body === undefined ? "" : JSON.stringify(body),
    ]),
  );
/** Keys that are there, those of users alone. */
const listKeys = () => ask("/key/list?return_full_object=true&size=100");

describe.skipIf(!lab.available)(`the check of a new proxy (${lab.reason})`, () => {
  beforeAll(async () => {
    await docker(["network", "create", "--label", LAB_LABEL, prefix]);
    const common = ["run", "--detach", "--init", "--label", LAB_LABEL, "--network", prefix];
    await docker([
      ...[...common, "--name", database, "--env=POSTGRES_USER=litellm"],
      ...["--env=POSTGRES_PASSWORD=litellm", "--env=POSTGRES_DB=litellm", "postgres:16"],
    ]);
    await vi.waitFor(() => docker(["exec", database, "pg_isready", "--host=127.0.0.1"]), {
      timeout: MINUTE,
      interval: 500,
    });
    await docker([
      ...[...common, "--name", proxy, "--env", `LITELLM_MASTER_KEY=${MASTER_KEY}`],
      ...["--env=LITELLM_LOCAL_MODEL_COST_MAP=True", "--env=LITELLM_MODE=PRODUCTION"],
      ...["--env", `DATABASE_URL=postgresql://litellm:litellm@${database}:5432/litellm`],
      ...[
        "--env",
        `CONFIG=${CONFIG}`,
        "--env",
        `SCRIPT=${readFileSync("templates/admit-proxy.py", "utf8")}`,
      ],
      ...["--entrypoint=sh", `ghcr.io/berriai/litellm:v${litellmKeys.version}`, "-c"],
      'echo "$CONFIG" > /tmp/config.yaml; echo "$SCRIPT" > /tmp/admit-proxy.py; exec litellm --config /tmp/config.yaml --port 4000',
    ]);
  });

  afterAll(async () => {
    await docker(["rm", "--force", "--volumes", proxy, database]);
    await docker(["network", "rm", prefix]);
  });

  test(
    "waits for a proxy that still starts, and leaves no key behind",
    async () => {
      expect(await refuse("--deadline=2")).toBe(
        "GET /health/readiness failed: [Errno 111] Connection refused",
      );
      await admit("--model=hello", "--database", "--deadline=240");
      expect(await listKeys()).toMatchObject({ keys: [], total_count: 0 });
      // One that is not its own is there afterwards.
      await ask("/key/generate", { key_alias: "of-a-user" });
      expect(await listKeys()).toMatchObject({ keys: [{ key_alias: "of-a-user" }] });
    },
    5 * MINUTE,
  );

  test("uses the master key without a database, and lists models where there is none to chat with", async () => {
    expect(await admit("--model=hello")).toBe("");
    expect(await admit()).toBe("");
    expect(await admit("--database")).toBe("");
    expect(await listKeys()).toMatchObject({ total_count: 1 });
  });

  test("tells in one line why a proxy is refused, and leaves no key behind then either", async () => {
    const unknown = await refuse("--model=none", "--database", "--deadline=1");
    expect(unknown).toMatch(/^POST \/v1\/chat\/completions answered 4\d\d: .*none.*$/);
    const away = await refuse("--model=away", "--database", "--deadline=3");
    expect(away).toMatch(/^POST \/v1\/chat\/completions answered 500: .*Connection error.*$/);
    expect(await listKeys()).toMatchObject({ total_count: 1 });
    for (const reason of [unknown, away]) {
      expect(reason.length).toBeLessThan(600);
      expect(reason).not.toContain("sk-");
    }
  });

  test("refuses a wrong master key, none, and does not show it", async () => {
    const wrong = "sk-another-master-key-9876543210";
    const run = (assignment: string) =>
      docker([
        ...["exec", "--env", assignment, proxy, "python3", "/tmp/admit-proxy.py"],
        ...["--database", "--deadline=1"],
      ]).catch((error: unknown) => (error as CommandError).output);
    expect(await run(`LITELLM_MASTER_KEY=${wrong}`)).toMatch(
      /^POST \/key\/generate answered 40[01]: (?!.*9876543210)[^\n]*$/,
    );
    expect(await run("LITELLM_MASTER_KEY=")).toBe(
      "LITELLM_MASTER_KEY is not in the environment of this container",
    );
  });

  test("ends at its deadline when the database is gone", async () => {
    await docker(["stop", "--time=20", database]);
    const begin = Date.now();
    expect(await refuse("--model=hello", "--database", "--deadline=5")).toMatch(
      /^(GET \/health\/readiness|POST \/key\/generate) (answered 50\d|failed): .*$/,
    );
    expect(Date.now() - begin).toBeLessThan(20 * SECOND);
  });
});
