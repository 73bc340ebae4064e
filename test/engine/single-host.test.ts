import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CommandError } from "../../components/provider/host/command.ts";
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { type CommandResult, nameOf, type PulumiProject } from "../support/pulumi-project.ts";

/** A provider's key that must appear nowhere but in the proxy's environment. */
const PROVIDER_KEY = "sk-proj-provider-key-of-this-test-0123456789";

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
/** Everything the CLI printed. */
const printed: string[] = [];
/** Every command line that was seen while a deployment ran, in containers too. */
const commandLines = new Set<string>();

const up = async (): Promise<CommandResult> => {
  const result = await watchCommandLines(commandLines, () => pulumi.up());
  printed.push(result.output);
  return result;
};
const changes = async (): Promise<string[]> =>
  (await pulumi.preview()).map((step) => `${step.op} ${nameOf(step)}`).sort();
/** Names of the resources that would be changed in one of these ways. */
const touched = async (how = /./): Promise<string[]> =>
  [
    ...new Set(
      (await changes()).filter((step) => how.test(step)).map((step) => step.split(" ")[1] ?? ""),
    ),
  ].sort();
/** With a model that takes its time, beside those of every gateway. */
const configure = ({ models = [], ...changes }: { models?: object[]; database?: object } = {}) => {
  gateway.configureContainers({
    models: [
      { name: "hello", provider: "mock", response: "Hello." },
      { name: "vector", provider: "mock", mode: "embedding" },
      {
        name: "slow",
        provider: "openai-compatible",
        model: "slow-delay-8000",
        baseUrl: `http://host.docker.internal:${new URL(upstream.url).port}/v1`,
      },
      ...models,
    ],
    ...changes,
  });
};
const container = (service: string): string => `${gateway.namePrefix}-${service}`;
const inspect = async (service: string): Promise<Inspected> => {
  const [inspected] = JSON.parse(await docker(["inspect", container(service)])) as Inspected[];
  if (inspected === undefined) throw new Error(`${service} is not there`);
  return inspected;
};

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Running: boolean; readonly Health?: { readonly Status: string } };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: { readonly Env: readonly string[]; readonly StopTimeout: number };
}

/** SQL as the superuser, in the container. */
const sql = async (statement: string): Promise<string> =>
  (
    await docker([
      ...["exec", container("postgresql"), "sh", "-c"],
      `PGPASSWORD="$POSTGRES_PASSWORD" psql -h 127.0.0.1 -U postgres -d litellm -tAc "$0"`,
      statement,
    ])
  ).trim();

describe.skipIf(!engine.available)(`a gateway on one Docker host (${engine.reason})`, () => {
  beforeAll(async () => {
    gateway = await GatewayProject.create();
    pulumi = gateway.pulumi;
    upstream = await startUpstream({ host: "0.0.0.0" });
  });

  afterAll(async () => {
    await gateway.remove();
    await upstream.close();
  });

  test("starts without a database, and answers clearly what needs one", async () => {
    configure({ database: { kind: "none" } });
    const { output } = await up();
    expect(output).toContain("✓ proxy is ready, without a database");
    expect(output).toContain("✓ chat with hello, streamed");
    expect(output).toContain("✓ embedding by vector");
    expect(output).not.toContain("✗");
    const { status, json } = await gateway.request("/key/generate", {});
    expect(status).toBe(500);
    expect(JSON.stringify(json)).toContain("DB not connected");
    expect(await changes()).toEqual([]);
  });

  test("gets a database by one setting, and keeps its master key and URL", async () => {
    const before = await pulumi.readOutputs();
    configure();
    const added = (await changes()).filter((step) => step.startsWith("create "));
    expect(added).toContain("create gateway-database-container");
    expect(added).toContain("create gateway-proxy-migration");
    expect(await touched(/^(?!create )/)).toEqual([
      "gateway-proxy-configuration",
      "gateway-proxy-container",
    ]);
    const { output } = await up();
    expect(output).toContain("✓ proxy is ready, database connected");
    expect(output).toContain("✓ database schema is complete");
    const after = await pulumi.readOutputs();
    expect(after["masterKey"]).toBe(before["masterKey"]);
    expect(after["proxyUrl"]).toBe(before["proxyUrl"]);
    const { status } = await gateway.request("/key/generate", { key_alias: "first" });
    expect(status).toBe(200);
  });

  test("does not change when nothing has changed", async () => {
    const { Id } = await inspect("proxy");
    await pulumi.succeed("preview", "--expect-no-changes");
    await pulumi.refresh("--expect-no-changes");
    const { output } = await up();
    expect(output).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    expect((await inspect("proxy")).Id).toBe(Id);
  });

  test("confines its containers", async () => {
    const proxy = await inspect("proxy");
    expect(proxy.HostConfig).toMatchObject({
      CapAdd: null,
      CapDrop: ["ALL"],
      Init: true,
      LogConfig: { Type: "json-file", Config: { "max-file": "5", "max-size": "10m" } },
      Memory: 4096 * 2 ** 20,
      MemorySwap: 4096 * 2 ** 20,
      NanoCpus: 1e9,
      PortBindings: { "4000/tcp": [{ HostIp: "127.0.0.1", HostPort: String(gateway.proxyPort) }] },
      ReadonlyRootfs: true,
      RestartPolicy: { Name: "unless-stopped" },
      SecurityOpt: ["no-new-privileges"],
    });
    expect(proxy.Config.StopTimeout).toBeGreaterThan(600);
    expect(proxy.State.Health?.Status).toBe("healthy");
    const postgresql = await inspect("postgresql");
    expect(postgresql.HostConfig).toMatchObject({
      CapDrop: ["ALL"],
      PortBindings: {
        "5432/tcp": [{ HostIp: "127.0.0.1", HostPort: String(gateway.databasePort) }],
      },
      ReadonlyRootfs: true,
    });
    await expect(
      docker(["exec", container("proxy"), "sh", "-c", "echo x > /etc/litellm/litellm-config.yaml"]),
    ).rejects.toThrow(CommandError);
  });

  test("lets nobody into PostgreSQL without a password, and the proxy do what it must", async () => {
    const hba = await docker([
      "exec",
      container("postgresql"),
      "cat",
      "/var/lib/postgresql/data/pg_hba.conf",
    ]);
    const methods = hba
      .split("\n")
      .filter((line) => /^(local|host)/.test(line))
      .map((line) => line.trim().split(/\s+/).at(-1));
    expect(new Set(methods)).toEqual(new Set(["scram-sha-256"]));
    expect(await sql("SHOW password_encryption")).toBe("scram-sha-256");
    expect(await sql("SHOW max_connections")).toBe("25");
    expect(await sql("SELECT count(*) FROM pg_authid WHERE rolpassword NOT LIKE 'SCRAM%'")).toBe(
      "0",
    );
    expect(
      await sql(
        "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'litellm'",
      ),
    ).toBe("f|f|f");
    expect(
      await sql(
        "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'litellm'",
      ),
    ).toBe("UTF8|C");
    const { Env } = (await inspect("proxy")).Config;
    expect(Env.join("\n")).not.toContain("postgres:");
  });

  test("changes only configuration and proxy when a model is added, and finishes running requests", async () => {
    await pulumi.setConfig("litellm-gateway:openaiApiKey", PROVIDER_KEY, { secret: true });
    configure({
      models: [
        { name: "gpt", provider: "openai", model: "gpt-5" },
        { name: "again", provider: "mock", response: "Hello again." },
      ],
    });
    const text = await pulumi.previewText();
    printed.push(text);
    expect(text).toMatch(/content +: \(yaml\)/);
    expect(text).toMatch(/\+ model_name +: "gpt"/);
    expect(await touched()).toEqual(["gateway-proxy-configuration", "gateway-proxy-container"]);
    const running = gateway.chat("slow");
    await expect.poll(() => upstream.countRequests().length).toBeGreaterThan(0);
    await up();
    expect(await running).toContain("Hi");
    expect(await gateway.chat("again")).toBe("Hello again.");
  });

  test("touches what it must when a password is rotated", async () => {
    await pulumi.setConfig("litellm-gateway:uiPassword", "another-ui-password-0123456789", {
      secret: true,
    });
    expect(await touched(/^(?!delete gateway-secrets)/)).toEqual(["gateway-proxy-container"]);
    await pulumi.setConfig("litellm-gateway:databasePassword", "another-password-0123456789", {
      secret: true,
    });
    expect(await touched(/^(?!delete gateway-secrets)/)).toEqual([
      "gateway-database-role",
      "gateway-proxy-container",
      "gateway-proxy-migration",
    ]);
    const keys = await sql('SELECT count(*) FROM "LiteLLM_VerificationToken"');
    const { output } = await up();
    expect(output).not.toContain("✗");
    expect(await sql('SELECT count(*) FROM "LiteLLM_VerificationToken"')).toBe(keys);
  });

  test("edited or removed by hand is seen by refresh and mended by up", async () => {
    await docker(["update", "--memory", "900m", "--memory-swap", "900m", container("postgresql")]);
    await docker(["rm", "--force", container("proxy")]);
    const { output } = await pulumi.refresh();
    expect(output).toMatch(/gateway-database-container updated .*memory/);
    expect(output).toContain("gateway-proxy-container deleted");
    await up();
    expect((await inspect("postgresql")).HostConfig).toMatchObject({ Memory: 1024 * 2 ** 20 });
    expect(await gateway.chat("again")).toBe("Hello again.");
  });

  test("shows its secrets nowhere", async () => {
    const outputs = await pulumi.readOutputs();
    const { Env } = (await inspect("proxy")).Config;
    const secrets = {
      masterKey: String(outputs["masterKey"]),
      uiPassword: String(outputs["uiPassword"]),
      ...(outputs["recovery"] as Record<string, string>),
      providerKey: PROVIDER_KEY,
    };
    printed.push(await pulumi.previewText("--refresh"));
    const state = (await pulumi.succeed("stack", "export")).stdout;
    const logs = await docker(["logs", container("proxy")]);
    const volume = (
      await docker(["volume", "inspect", "--format", "{{.Mountpoint}}", container("configuration")])
    ).trim();
    const files = spawnSync("grep", ["-rl", "-e", "x", volume], { encoding: "utf8" }).stdout;
    expect(files).toContain("litellm-config.yaml");
    const texts = files
      .split("\n")
      .filter((file) => file !== "")
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    const processes = [...commandLines].join("\n");
    expect(processes).toContain("--config=/etc/litellm/litellm-config.yaml");
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(20);
      const holders = Object.entries({ state, printed: printed.join("\n"), processes, logs, texts })
        .filter(([, text]) => text.includes(secret))
        .map(([place]) => place);
      expect(holders, name).toEqual([]);
    }
    // The test itself could not see a secret otherwise.
    expect(Env.join("\n")).toContain(PROVIDER_KEY);
  });

  test("refuses to lose keys, another topology and another major version", async () => {
    const refusal = async (change: Record<string, unknown>): Promise<string> => {
      gateway.configureContainers({ ...change });
      const { exitCode, output } = await pulumi.run("preview");
      expect(exitCode).not.toBe(0);
      return output;
    };
    expect(await refusal({ database: { kind: "none" } })).toMatch(
      /its database holds 1 key and 0 teams.*database\.discardExisting true/s,
    );
    expect(await refusal({ database: { version: 17 } })).toMatch(
      /data is of PostgreSQL 16, which PostgreSQL 17 does not read/,
    );
    gateway.configure();
    const { exitCode, output } = await pulumi.run("preview");
    expect(exitCode).not.toBe(0);
    expect(output).toContain('it is deployed with topology "single-host"');
  });

  test("gives its database up when told", async () => {
    gateway.configureContainers({ database: { kind: "none", discardExisting: true } });
    await up();
    expect(
      await docker(["volume", "ls", "--quiet", "--filter", `name=${container("postgresql")}`]),
    ).toBe("");
  });

  test("stands beside another of its kind", async () => {
    const other = await GatewayProject.create();
    other.configureContainers({ database: { kind: "none" } });
    try {
      await other.pulumi.up();
      expect(await other.chat("hello")).toBe("Hello.");
      expect(await gateway.chat("hello")).toBe("Hello.");
    } finally {
      await other.remove();
    }
    expect(await gateway.chat("hello")).toBe("Hello.");
  });

  test("leaves nothing on the host when it is destroyed", async () => {
    await pulumi.destroy();
    const filter = ["--filter", `name=${gateway.namePrefix}`];
    expect(await docker(["ps", "--all", "--quiet", ...filter])).toBe("");
    expect(await docker(["volume", "ls", "--quiet", ...filter])).toBe("");
    expect(await docker(["network", "ls", "--quiet", ...filter])).toBe("");
  });
});
