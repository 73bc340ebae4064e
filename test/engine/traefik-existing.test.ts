import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { ProxyClient } from "../../components/proxy-client.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { changeUnderLoad, describeLoad, UNHARMED } from "../support/change-under-load.ts";
import { askEdge } from "../support/edge-client.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import type { PulumiProject } from "../support/pulumi-project.ts";
import { TlsPostgres } from "../support/tls-postgres.ts";
import { TraefikServer } from "../support/traefik-server.ts";

/** What a failed run is understood by; CI keeps the folder. */
const ARTIFACTS = resolve(import.meta.dirname, "../../test-artifacts");

const HOST = "litellm.gateway.test";
const ADMIN_PASSWORD = "p@ss of the test's deployer: 100%";
const OLD_PASSWORD = "the-first-database-password-0123456789";
const NEW_PASSWORD = "another-database-password-0123456789";

const LIST_ALL = `
  SELECT 'database ' || datname || ' ' || pg_get_userbyid(datdba) || ' ' || coalesce(datacl::text, '')
    FROM pg_database
  UNION SELECT 'role ' || rolname FROM pg_roles ORDER BY 1`;

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
let server: TlsPostgres;
let traefik: TraefikServer;
/** What was on the PostgreSQL server before. */
let before: string;
let client: ProxyClient;
/** File with whom the checks trust beside the public authorities. */
let trusted: string;
let masterKey: string;
/** Made once: every later proxy must know it. */
let key: string;

const network = (name: "web" | "internal"): string => `${gateway.namePrefix}-their-${name}`;
const traefikName = (): string => `${gateway.namePrefix}-their-traefik`;
/** All that has the stack's prefix. */
const list = async (...command: string[]): Promise<string[]> =>
  (await docker([...command, "--filter", `name=${gateway.namePrefix}`]))
    .split("\n")
    .filter((line) => line !== "")
    .sort();
const listProxies = async (): Promise<string[]> =>
  (await list("ps", "--all", "--format", "{{.Names}}")).filter((name) => name.includes("-proxy-"));

const setSecret = (name: string, value: string): Promise<void> =>
  pulumi.setConfig(`litellm-gateway:${name}`, value, { secret: true });

interface Changes {
  readonly hstsSeconds?: number;
  readonly model?: string;
}

function configure({ hstsSeconds = 3600, model }: Changes = {}): void {
  const provider = {
    provider: "openai-compatible",
    baseUrl: `http://host.docker.internal:${new URL(upstream.url).port}/v1`,
  };
  gateway.configureTraefik({
    deployment: {
      networks: {
        web: { name: network("web"), existing: true },
        internal: { name: network("internal"), existing: true },
      },
      traefik: {
        kind: "existing",
        httpPort: traefik.ports.web,
        httpsPort: traefik.ports.websecure,
      },
      hstsSeconds,
      admin: { access: "restricted", sourceRanges: ["192.0.2.0/24"] },
    },
    database: {
      kind: "external",
      host: "host.docker.internal",
      port: server.port,
      adminHost: "127.0.0.1",
      adminPort: server.adminPort,
      adminUser: "deployer",
      adminIsSuperuser: false,
      name: "gateway",
      role: "gateway",
      sslmode: "verify-full",
      certificateAuthorityFile: "ca.pem",
    },
    models: [
      { name: "hello", provider: "mock", response: "Hello." },
      { name: "echo", model: "echo", ...provider },
      { name: "slow", model: "echo-pause-100", ...provider },
      ...(model === undefined ? [] : [{ name: model, provider: "mock", response: "I am new." }]),
    ],
  });
}

/** Makes a change that replaces the proxies, while they are asked all the time. */
async function changeUnharmed(what: string): Promise<void> {
  const proxies = await listProxies();
  const change = async (): Promise<void> => {
    const { output } = await pulumi.up();
    expect(output).not.toContain("✗");
  };
  const report = await changeUnderLoad(
    {
      url: client.endpoint.url,
      connectAddress: "127.0.0.1",
      port: traefik.ports.websecure,
      certificateAuthority: traefik.certificateAuthority,
      key,
      model: "echo",
      streamModel: "slow",
      rate: 8,
      // Ten seconds.
      streamWords: 100,
      stagger: 3,
    },
    async () => {
      await change().catch(async (error: unknown) => {
        await keepLogs(what);
        throw error;
      });
    },
    { before: 3, after: 5 },
  );
  console.log(`${what}: ${describeLoad(report)}`);
  expect(report).toMatchObject(UNHARMED);
  expect(report.streams).toBeGreaterThan(3);
  const others = await listProxies();
  expect(others.length).toBe(1);
  expect(others.filter((name) => proxies.includes(name))).toEqual([]);
}

/** Before they are gone with their containers. */
async function keepLogs(what: string): Promise<void> {
  mkdirSync(ARTIFACTS, { recursive: true });
  const observations = await Promise.all([
    ...[...(await listProxies()), traefikName()].map((name) => docker(["logs", name])),
    traefik.ask("/api/http/services"),
  ]);
  writeFileSync(join(ARTIFACTS, `traefik-existing ${what}.log`), observations.join("\n\n"));
}

const chat = async (model: string): Promise<unknown> => {
  const { status, text, json } = await client.request("/v1/chat/completions", {
    key,
    body: { model, messages: [{ role: "user", content: "Hi" }] },
  });
  if (status !== 200) throw new Error(`a chat was answered with ${status}: ${text}`);
  return (json as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
};

/** In the proxy, past Traefik: this machine is none of the administrators'. */
const generateKey = async (alias: string): Promise<string> => {
  const [proxy = ""] = await listProxies();
  const request =
    "import json, os, sys, urllib.request as u;" +
    'r = u.Request("http://127.0.0.1:4000/key/generate", data=json.dumps({"key_alias": sys.argv[1]}).encode(),' +
    ' headers={"authorization": "Bearer " + os.environ["LITELLM_MASTER_KEY"], "content-type": "application/json"});' +
    'print(json.load(u.urlopen(r))["key"])';
  return (await docker(["exec", proxy, "python3", "-c", request, alias])).trim();
};

const listLogins = (): Promise<string> =>
  server.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'gateway%' ORDER BY 1");

describe.skipIf(!engine.available)(`a gateway among what was there (${engine.reason})`, () => {
  beforeAll(async () => {
    upstream = await startUpstream({ host: "0.0.0.0" });
    server = await TlsPostgres.start({ maxConnections: 100 });
    await server.sql(`
      CREATE ROLE deployer LOGIN CREATEDB CREATEROLE PASSWORD '${ADMIN_PASSWORD.replaceAll("'", "''")}';
      GRANT pg_signal_backend TO deployer;
    `);
    before = await server.sql(LIST_ALL);
    trusted = join(mkdtempSync(join(tmpdir(), "traefik-existing-")), "trusted.pem");
    writeFileSync(trusted, "");
    vi.stubEnv("NODE_EXTRA_CA_CERTS", trusted);
    gateway = await GatewayProject.create();
    vi.unstubAllEnvs();
    pulumi = gateway.pulumi;
    await docker(["network", "create", `--label=${LAB_LABEL}`, network("web")]);
    await docker(["network", "create", "--internal", `--label=${LAB_LABEL}`, network("internal")]);
    traefik = await TraefikServer.start({
      name: traefikName(),
      network: network("web"),
      names: [HOST],
    });
    writeFileSync(trusted, traefik.certificateAuthority);
    copyFileSync(server.authority.certificateFile, join(pulumi.folder, "ca.pem"));
    await setSecret("databaseAdminPassword", ADMIN_PASSWORD);
    await setSecret("databasePassword", OLD_PASSWORD);
  });

  afterAll(async () => {
    await gateway.remove();
    await traefik.remove();
    await docker(["network", "rm", network("web"), network("internal")]);
    await server.remove();
    await upstream.close();
    rmSync(dirname(trusted), { recursive: true });
  });

  test("is reached through the Traefik that is there, by its certificate", async () => {
    configure();
    const { output } = await pulumi.up();
    // One of a test ends soon, which is told.
    expect(output).toMatch(/⚠ certificate is valid .*by authority of a test, 1 day left/);
    expect(output).toContain("✓ proxy is ready, database connected");
    expect(output).not.toContain("✗");
    const { proxyUrl, masterKey: secret } = await pulumi.readOutputs();
    expect(proxyUrl).toBe(`https://${HOST}:${traefik.ports.websecure}`);
    masterKey = String(secret);
    client = new ProxyClient({
      url: String(proxyUrl),
      connectAddress: "127.0.0.1",
      certificateAuthority: traefik.certificateAuthority,
    });
    key = await generateKey("application");
    expect(await chat("echo")).toBe("echo: Hi");
    await pulumi.succeed("preview", "--expect-no-changes");
    await pulumi.refresh("--expect-no-changes");
  });

  test("adds nothing but proxies and their files, on networks that exist", async () => {
    const [proxy = ""] = await listProxies();
    expect(await list("ps", "--format", "{{.Names}}")).toEqual([proxy, traefikName()].sort());
    const [inspected] = JSON.parse(await docker(["inspect", proxy])) as {
      NetworkSettings: { Networks: object; Ports: Record<string, unknown> };
      HostConfig: { Binds: string[] | null };
    }[];
    expect(Object.keys(inspected?.NetworkSettings.Networks ?? {}).sort()).toEqual(
      [network("internal"), network("web")].sort(),
    );
    expect(Object.values(inspected?.NetworkSettings.Ports ?? {}).filter(Boolean)).toEqual([]);
    const routers = JSON.parse(await traefik.ask("/api/http/routers")) as {
      name: string;
      status: string;
    }[];
    const ours = routers.filter(({ name }) => name.startsWith(gateway.namePrefix));
    expect(new Set(ours.map(({ status }) => status))).toEqual(new Set(["enabled"]));
    expect(
      await server.sql(
        `SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE usename LIKE 'gateway%'`,
      ),
    ).toBe("t");
  });

  test("redirects, and refuses administrators from here", async () => {
    const asked = { address: "127.0.0.1", host: HOST, path: "/v1/models" };
    expect(await askEdge({ ...asked, scheme: "http", port: traefik.ports.web })).toMatchObject({
      status: 301,
      headers: { location: `https://${HOST}:${traefik.ports.websecure}/v1/models` },
    });
    const options = { key: masterKey };
    expect(await client.request("/key/list", options)).toMatchObject({ status: 403 });
    expect(await client.request("/ui/", options)).toMatchObject({ status: 403 });
    const { status, headers } = await client.request("/v1/models", options);
    expect([status, headers["strict-transport-security"]]).toEqual([200, "max-age=3600"]);
  });

  test("gets another model and other routes, and nobody notices", async () => {
    configure({ model: "newcomer", hstsSeconds: 7200 });
    await changeUnharmed("a model added and the routes changed");
    expect(await chat("newcomer")).toBe("I am new.");
    const { headers } = await client.request("/v1/models", { key });
    expect(headers["strict-transport-security"]).toBe("max-age=7200");
    const names = (JSON.parse(await traefik.ask("/api/http/services")) as { name: string }[])
      .map(({ name }) => name)
      .filter((name) => name.startsWith(gateway.namePrefix));
    expect(names.length).toBe(1);
  });

  test("gets another database password, and nobody notices", async () => {
    const old = await listLogins();
    await setSecret("databasePassword", NEW_PASSWORD);
    await changeUnharmed("the database password rotated");
    const logins = await listLogins();
    expect(logins.split("\n").length).toBe(2);
    expect(logins).not.toBe(old);
    expect(
      await server.sql(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
        "gateway",
      ),
    ).toBe("gateway");
    // Made by proxies with the old password.
    expect(await chat("echo")).toBe("echo: Hi");
  });

  test("leaves everything that was there, and nothing of its own", async () => {
    const state = (await pulumi.succeed("stack", "export")).stdout;
    for (const secret of [ADMIN_PASSWORD, OLD_PASSWORD, NEW_PASSWORD, masterKey]) {
      expect(state).not.toContain(secret);
    }
    await pulumi.destroy();
    expect(await list("ps", "--format", "{{.Names}}")).toEqual([traefikName()]);
    expect(await listProxies()).toEqual([]);
    expect(await list("volume", "ls", "--quiet")).toEqual([]);
    expect(await list("network", "ls", "--format", "{{.Name}}")).toEqual(
      [network("internal"), network("web")].sort(),
    );
    expect(await server.sql(LIST_ALL)).toBe(before);
    // Traefik hears of it from Docker, and takes its time.
    await expect
      .poll(async () => (await client.request("/v1/models", { key })).status, { timeout: 20_000 })
      .toBe(404);
  });
});
