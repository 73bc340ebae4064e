import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { CommandError } from "../../components/provider/host/command.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { adminSessionCookie } from "../../templates/traefik-credentials.ts";
import { launchChromium } from "../lab/chromium.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { AcmeServer } from "../support/acme-server.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import { askEdge, type EdgeAnswer, type EdgeRequest } from "../support/edge-client.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { type CommandResult, nameOf, type PulumiProject } from "../support/pulumi-project.ts";
import { startWebhookReceiver, type WebhookReceiver } from "../support/webhook-receiver.ts";

/** What a failed run is understood by; CI keeps the folder. */
const ARTIFACTS = resolve(import.meta.dirname, "../../test-artifacts");

const HOST = "litellm.gateway.test";
/** Browsers themselves know that such a name is this machine. */
const BROWSER_HOST = "litellm.localhost";
/** `openssl passwd -apr1 -salt abcdefgh secret` */
const USERS = "admin:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const PASSWORD = `Basic ${Buffer.from("admin:secret").toString("base64")}`;
const RESEARCH_KEY = "sk-research-key-of-this-test-0123456789";
const REDIS_PASSWORD = "redis-password-of-this-test-0123456789";
const WEBHOOK_PATH = "/services/T0123/B0123/token-of-this-tests-webhook";
/** Names of the files in `teams/`. */
const FILES = {
  research: "teams/research.yaml",
  broken: "teams/broken.yaml",
  map: "teams/map.yaml",
  double: "teams/double.yaml",
};

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
let receiver: WebhookReceiver;
let acme: AcmeServer;
/** Signs what the ACME server issues, PEM. */
let authority: string;
/** File that the checks find it in. */
let trusted: string;
let masterKey: string;
/** Private key of the certificate that is the user's own. */
let ownKey: string;
/** Everything the CLI printed. */
const printed: string[] = [];
/** Every command line that was seen while a deployment ran, in containers too. */
const commandLines = new Set<string>();

const up = async (): Promise<CommandResult> => {
  const result = await watchCommandLines(commandLines, () => pulumi.up());
  printed.push(result.output);
  return result;
};

const preview = async (): Promise<CommandResult> => {
  const result = await pulumi.run("preview");
  printed.push(result.output);
  return result;
};

/** Names of the resources that would be changed. */
const touched = async (): Promise<string[]> =>
  [...new Set((await pulumi.preview()).map((step) => nameOf(step)))].sort();

const setSecret = (path: string, value: string): Promise<void> =>
  pulumi.setConfig(`litellm-gateway:${path}`, value, { secret: true, isPath: true });

const webNetwork = (): string => `${gateway.namePrefix}-others`;
const container = (service: string): string => `${gateway.namePrefix}-${service}`;
const list = async (...filters: string[]): Promise<string[]> =>
  (await docker([...filters, "--filter", `name=${gateway.namePrefix}`]))
    .split("\n")
    .filter((line) => line !== "")
    .sort();
/** Running containers of the stack, with their identities. */
const listContainers = (): Promise<string[]> => list("ps", "--format", "{{.Names}} {{.ID}}");
const findProxy = async (): Promise<string> => {
  const [name, ...others] = await list(
    ...["ps", "--format", "{{.Names}}", "--filter", "label=litellm-gateway.generation"],
  );
  if (name === undefined || others.length > 0) throw new Error(`not one proxy but ${name ?? 0}`);
  return name;
};
/** Text of a file in a container. */
const read = (name: string, file: string): Promise<string> => docker(["exec", name, "cat", file]);

/** A request from outside, by name and with a certificate that must be right. */
const ask = (path: string, changes: Partial<EdgeRequest> = {}): Promise<EdgeAnswer> =>
  askEdge({
    ...{ address: "127.0.0.1", port: gateway.proxyPort, host: HOST },
    ...{ certificateAuthority: authority, path, ...changes },
  });

const chat = (
  key: string,
  model: string,
  content: string,
  changes: object = {},
): Promise<EdgeAnswer> =>
  ask("/v1/chat/completions", {
    headers: { authorization: `Bearer ${key}` },
    body: { model, messages: [{ role: "user", content }], ...changes },
  });

const contentOf = ({ status, body }: EdgeAnswer): string | undefined => {
  if (status !== 200) throw new Error(`a chat was answered with ${status}: ${body}`);
  const { choices } = JSON.parse(body) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content;
};

/** As a script does it: the password for Traefik, the key for LiteLLM. */
const administer = (path: string, body?: object): Promise<EdgeAnswer> =>
  ask(path, {
    headers: { authorization: PASSWORD, "x-litellm-api-key": `Bearer ${masterKey}` },
    ...(body !== undefined && { body }),
  });

const generateKey = async (alias: string): Promise<string> => {
  const { status, body } = await administer("/key/generate", { key_alias: alias });
  if (status !== 200) throw new Error(`no key was made: ${status} ${body}`);
  return (JSON.parse(body) as { key: string }).key;
};

/** How often the upstream was asked for an answer of a model. */
const countQuestions = (model: string): number =>
  upstream
    .countRequests()
    .filter((asked) => asked.model === model)
    .reduce((sum, { count }) => sum + count, 0);

/** Answers that Redis keeps for a key: their names begin with a hash of it. */
const countKept = async (key: string): Promise<number> => {
  const namespace = sha256(sha256(key)).slice(0, 32);
  const names = await docker([
    ...["exec", container("redis"), "sh", "-c"],
    `REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli --scan --pattern '${namespace}:*'`,
  ]);
  return names.split("\n").filter((name) => name !== "").length;
};

/** Asks, and waits until the answer is kept, which is after it was sent. */
const askAndKeep = async (key: string, model: string, content: string): Promise<void> => {
  const before = await countKept(key);
  expect(contentOf(await chat(key, model, content))).toBe(`echo: ${content}`);
  await expect.poll(() => countKept(key), { timeout: 20_000 }).toBe(before + 1);
};

interface Changes {
  readonly deployment?: object;
  readonly [setting: string]: unknown;
}

function configure({ deployment, ...others }: Changes = {}): void {
  const baseUrl = `http://host.docker.internal:${new URL(upstream.url).port}/v1`;
  const model = (name: string, upstreamName: string) => ({
    ...{ name, provider: "openai-compatible", model: upstreamName, baseUrl },
  });
  gateway.configureTraefik({
    deployment: {
      networks: {
        web: { name: webNetwork(), existing: true },
        internal: { name: container("internal") },
      },
      additionalHosts: [BROWSER_HOST],
      // The issuer reaches it from its container.
      traefik: { address: "0.0.0.0" },
      certificates: {
        kind: "acme",
        email: "admin@gateway.org",
        directoryUrl: acme.directoryUrl,
        certificateAuthorityFile: "issuer.pem",
      },
      admin: { access: "restricted", basicAuth: true },
      maxRequestBodyMegabytes: 1,
      ...deployment,
    },
    redis: { kind: "managed", memoryMegabytes: 32 },
    cache: { enabled: true },
    alerting: { slack: true, thresholdSeconds: 2, types: ["llm_exceptions", "llm_too_slow"] },
    callbacks: [{ kind: "prometheus" }],
    models: [
      { name: "hello", provider: "mock", response: "Hello." },
      { name: "vector", provider: "mock", mode: "embedding" },
      model("echo", "echo"),
      model("another", "another"),
      model("pausing", "echo-pause-300"),
      model("failing", "fail-500"),
      model("slow", "slow-delay-3000"),
    ],
    modelFiles: { groupBy: "provider" },
    includes: [FILES.research],
    ...others,
  });
}

/** The user's own files for LiteLLM; all but the first are wrong. */
function writeIncludes(): void {
  const baseUrl = `http://host.docker.internal:${new URL(upstream.url).port}/v1`;
  const texts: Record<keyof typeof FILES, string> = {
    research: `# Of the research team.
model_list:
  - model_name: research
    litellm_params:
      model: openai/research
      api_base: ${baseUrl}
      api_key: os.environ/RESEARCH_API_KEY
`,
    broken: `model_list:
  - model_name: one
    litellm_params: {model: "openai/one"
  - model_name: two
`,
    map: `# Belongs to the gateway's own file.
litellm_settings:
  drop_params: true
`,
    double: `model_list:
  - litellm_params:
      model: openai/echo
    model_name: echo
`,
  };
  mkdirSync(join(pulumi.folder, "teams"));
  for (const [name, path] of Object.entries(FILES)) {
    writeFileSync(join(pulumi.folder, path), texts[name as keyof typeof FILES]);
  }
}

describe.skipIf(!engine.available)(`a gateway on the internet (${engine.reason})`, () => {
  beforeAll(async () => {
    upstream = await startUpstream({ host: "0.0.0.0" });
    receiver = await startWebhookReceiver("0.0.0.0");
    trusted = join(mkdtempSync(join(tmpdir(), "traefik-edge-")), "trusted.pem");
    writeFileSync(trusted, "");
    // Whom the checks trust beside the public authorities, as one has it with an issuer of one's own.
    vi.stubEnv("NODE_EXTRA_CA_CERTS", trusted);
    gateway = await GatewayProject.create();
    vi.unstubAllEnvs();
    pulumi = gateway.pulumi;
    await docker(["network", "create", `--label=${LAB_LABEL}`, webNetwork()]);
    acme = await AcmeServer.start({
      name: container("issuer"),
      network: webNetwork(),
      httpPort: gateway.httpPort,
      addresses: { [HOST]: "host-gateway", [BROWSER_HOST]: "host-gateway" },
    });
    authority = await acme.readIssuingAuthority();
    writeFileSync(trusted, authority);
    copyFileSync(acme.directoryAuthorityFile, join(pulumi.folder, "issuer.pem"));
    writeIncludes();
    await setSecret("adminUsers", `${USERS}\n`);
    await setSecret("redisPassword", REDIS_PASSWORD);
    await setSecret("secrets.researchApiKey", RESEARCH_KEY);
    await setSecret(
      "slackWebhookUrl",
      `http://host.docker.internal:${receiver.port}${WEBHOOK_PATH}`,
    );
  });

  afterAll(async () => {
    await gateway.remove();
    await acme.remove();
    await docker(["network", "rm", webNetwork()]);
    await receiver.close();
    await upstream.close();
    rmSync(dirname(trusted), { recursive: true });
  });

  test("gets its certificate by ACME, for all its names", async () => {
    configure();
    const { output } = await up();
    expect(output).toMatch(/✓ .*certificate.*Pebble/i);
    expect(output).toContain("✓ cache answers an equal question");
    expect(output).not.toContain("✗");
    const outputs = await pulumi.readOutputs();
    expect(outputs["proxyUrl"]).toBe(`https://${HOST}:${gateway.proxyPort}`);
    masterKey = String(outputs["masterKey"]);
    const { certificate, status } = await ask("/health/liveliness");
    expect(status).toBe(200);
    expect(certificate?.subjectaltname?.split(", ").sort()).toEqual([
      `DNS:${HOST}`,
      `DNS:${BROWSER_HOST}`,
    ]);
    expect(certificate?.issuer.CN).toMatch(/^Pebble Intermediate CA/);
    await pulumi.succeed("preview", "--expect-no-changes");
  });

  test("speaks HTTPS only, under its names only", async () => {
    const redirected = await ask("/v1/models?a=b", { scheme: "http", port: gateway.httpPort });
    expect(redirected).toMatchObject({
      status: 301,
      headers: { location: `https://${HOST}:${gateway.proxyPort}/v1/models?a=b` },
    });
    const { headers, version } = await ask("/health/liveliness");
    expect(headers["strict-transport-security"]).toBe("max-age=31536000");
    expect(version).toBe("TLSv1.3");
    expect(await ask("/health/liveliness", { maxVersion: "TLSv1.2" })).toMatchObject({
      status: 200,
      version: "TLSv1.2",
    });
    await expect(ask("/health/liveliness", { maxVersion: "TLSv1.1" })).rejects.toThrow(
      /protocol version/,
    );
    expect(await ask("/health/liveliness", { host: "other.test", serverName: HOST })).toMatchObject(
      { status: 404, body: "404 page not found\n" },
    );
    // The internal network has no way in, and Traefik is not on it.
    const { Ports } = (
      JSON.parse(await docker(["inspect", container("redis")])) as {
        NetworkSettings: { Ports: Record<string, unknown> };
      }[]
    )[0]?.NetworkSettings ?? { Ports: { none: "inspected" } };
    expect(Object.values(Ports).filter((published) => published !== null)).toEqual([]);
  });

  test("refuses what is too large, and passes streams on piece by piece", async () => {
    const MEBIBYTE = 2 ** 20;
    const large = { model: "echo", messages: [{ role: "user", content: "x".repeat(MEBIBYTE) }] };
    const headers = { authorization: `Bearer ${masterKey}` };
    expect(await ask("/v1/chat/completions", { headers, body: large })).toMatchObject({
      status: 413,
      body: "Request Entity Too Large",
    });
    expect(countQuestions("echo")).toBe(0);
    const { status, pieces, body } = await ask("/v1/chat/completions", {
      headers,
      body: {
        model: "pausing",
        stream: true,
        messages: [
          { role: "system", content: "Say it again. ".repeat(20_000) },
          { role: "user", content: "one two three" },
        ],
      },
    });
    expect(status).toBe(200);
    expect(body.trimEnd().endsWith("data: [DONE]")).toBe(true);
    const when = (word: string) =>
      pieces.find(({ text }) => text.includes(`" ${word}"`))?.milliseconds ?? NaN;
    expect(when("two") - when("one")).toBeGreaterThan(150);
    expect(when("three") - when("two")).toBeGreaterThan(150);
  });

  test("asks administrators for a password, and applications for a key only", async () => {
    const bearer = { authorization: `Bearer ${masterKey}` };
    for (const path of ["/ui/", "/key/list", "/metrics/", "/config/yaml", "/", "//key/list"]) {
      for (const headers of [{}, bearer]) {
        const { status, headers: answered } = await ask(path, { headers });
        expect([path, status]).toEqual([path, 401]);
        expect(answered["www-authenticate"]).toBe('Basic realm="LiteLLM"');
      }
    }
    expect(await administer("/ui/")).toMatchObject({ status: 200 });
    expect(await administer("/key/list")).toMatchObject({ status: 200 });
    expect((await administer("/metrics/")).body).toContain("litellm_requests_metric");
    // The password alone is none for LiteLLM.
    const { status, headers } = await ask("/key/list", { headers: { authorization: PASSWORD } });
    expect(status).toBe(401);
    expect(headers["www-authenticate"]).toBeUndefined();
    expect(await ask("/v1/models", { headers: bearer })).toMatchObject({ status: 200 });
    expect(await ask("/health/readiness")).toMatchObject({ status: 200 });
    expect(await ask("/v1/models")).toMatchObject({ status: 401 });
  });

  describe("its user interface", () => {
    let browser: Browser;

    beforeAll(async () => {
      mkdirSync(ARTIFACTS, { recursive: true });
      browser = await launchChromium();
    });

    afterAll(async () => {
      await browser.close();
    });

    test("is for those who know both passwords", async () => {
      await generateKey("shown in the browser");
      const outputs = await pulumi.readOutputs();
      const origin = `https://${BROWSER_HOST}:${gateway.proxyPort}`;
      const stranger = await browser.newContext({ ignoreHTTPSErrors: true });
      await expect((await stranger.newPage()).goto(`${origin}/ui/`)).rejects.toThrow(
        /ERR_INVALID_AUTH_CREDENTIALS/,
      );
      await stranger.close();

      const context = await browser.newContext({
        // Its issuer is a test's.
        ignoreHTTPSErrors: true,
        httpCredentials: { username: "admin", password: "secret", origin },
        viewport: { width: 1280, height: 900 },
      });
      const page = await context.newPage();
      const visited = new Set<string>();
      page.on("request", (request) => visited.add(new URL(request.url()).origin));
      await page.goto(`${origin}/ui/`);
      await page.getByLabel("Username").fill(String(outputs["uiUsername"]));
      await page.getByLabel("Password", { exact: true }).fill(String(outputs["uiPassword"]));
      await page.getByRole("button", { name: "Login", exact: true }).click();
      await page.getByRole("link", { name: "Virtual Keys", exact: true }).click();
      await page.getByRole("row", { name: /shown in the browser/ }).waitFor();
      await page.screenshot({ path: join(ARTIFACTS, "edge-ui-virtual-keys.png") });
      expect([...visited]).toEqual([origin]);
      const cookies = await context.cookies();
      expect(cookies.find(({ name }) => name === "__Host-litellm-admin")).toMatchObject({
        httpOnly: true,
        secure: true,
        path: "/",
      });
      await context.close();
    });
  });

  test("answers an equal question from Redis, to each key its own", async () => {
    const [first, second] = [await generateKey("first"), await generateKey("second")];
    upstream.resetRequests();
    const question = "What is kept?";
    await askAndKeep(first, "echo", question);
    expect(contentOf(await chat(first, "echo", question))).toBe(`echo: ${question}`);
    expect(countQuestions("echo")).toBe(1);
    await askAndKeep(second, "echo", question);
    expect(countQuestions("echo")).toBe(2);
    await askAndKeep(first, "another", question);
    expect([countQuestions("echo"), countQuestions("another")]).toEqual([2, 1]);
    // Nobody names the answer of another key.
    const [kept = ""] = (
      await docker([
        ...["exec", container("redis"), "sh", "-c"],
        `REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli --scan --pattern '${sha256(sha256(first)).slice(0, 32)}:*'`,
      ])
    ).split("\n");
    await chat(second, "echo", "something else", { cache_key: kept, preset_cache_key: kept });
    expect(countQuestions("echo")).toBe(3);
  });

  test("does without Redis, says how to bring it back, and uses it again", async () => {
    const [key, other] = [await generateKey("without redis"), await generateKey("without too")];
    await docker(["stop", container("redis")]);
    upstream.resetRequests();
    // The proxy itself keeps answers for a while as well: those of a key are for that key there, too.
    for (const [asker, content] of [
      [key, "one"],
      [key, "two"],
      [other, "two"],
    ] as const) {
      const began = performance.now();
      expect(contentOf(await chat(asker, "echo", content))).toBe(`echo: ${content}`);
      expect(performance.now() - began).toBeLessThan(20_000);
    }
    expect(countQuestions("echo")).toBe(3);
    expect(await ask("/health/readiness")).toMatchObject({ status: 200 });
    const start = `docker start ${container("redis")}`;
    expect((await preview()).output).toContain(
      `warning: ${container("redis")} does not run; start it: ${start}`,
    );
    await docker(["start", container("redis")]);
    // It leaves a Redis that failed alone for a minute.
    const PATIENCE_MILLISECONDS = 100_000;
    let round = 0;
    await expect
      .poll(
        async () => {
          await chat(key, "echo", `again ${(round += 1)}`);
          return countKept(key);
        },
        { timeout: PATIENCE_MILLISECONDS, interval: 1000 },
      )
      .toBeGreaterThan(0);
  });

  test("reads models from a file for each provider and from the user's own", async () => {
    const proxy = await findProxy();
    const folder = "/etc/litellm";
    expect((await docker(["exec", proxy, "ls", `${folder}/models`])).trim().split("\n")).toEqual([
      "mock.yaml",
      "openai-compatible.yaml",
      "research.yaml",
    ]);
    expect(await read(proxy, `${folder}/models/research.yaml`)).toBe(
      readFileSync(join(pulumi.folder, FILES.research), "utf8"),
    );
    const config = await read(proxy, `${folder}/litellm-config.yaml`);
    expect(config).toContain("models/research.yaml");
    expect(config).not.toContain("model_list");
    await expect(
      docker(["exec", proxy, "sh", "-c", `echo x > ${folder}/models/research.yaml`]),
    ).rejects.toThrow(CommandError);
    upstream.resetRequests();
    expect(contentOf(await chat(masterKey, "research", "Hi"))).toBe("echo: Hi");
    expect(upstream.countRequests()).toEqual([
      {
        path: "/v1/chat/completions",
        model: "research",
        keyHash: sha256(RESEARCH_KEY).slice(0, 12),
        count: 1,
      },
    ]);
  });

  test("refuses broken files before anything changes, each with its line", async () => {
    const before = await listContainers();
    configure({ includes: [FILES.research, FILES.broken, FILES.map, FILES.double] });
    const { exitCode, output } = await preview();
    expect(exitCode).not.toBe(0);
    expect(output).toContain("invalid settings: 3 errors");
    expect(output).toMatch(
      /includes\[1\] teams\/broken\.yaml:\d is no YAML: .+\n\s+\$EDITOR \+\d teams\/broken\.yaml/,
    );
    expect(output).toMatch(
      /includes\[2\] teams\/map\.yaml:2 litellm_settings is no list: LiteLLM would put it in the place of .+\n\s+\$EDITOR \+2 teams\/map\.yaml/,
    );
    expect(output).toMatch(
      /includes\[3\] teams\/double\.yaml:4 model_name is "echo", as in models\[2\]: .+\n\s+\$EDITOR \+4 teams\/double\.yaml/,
    );
    const { exitCode: upCode } = await pulumi.run("up", "--yes", "--skip-preview");
    expect(upCode).not.toBe(0);
    expect(await listContainers()).toEqual(before);
  });

  test("tells Slack of failing and of slow models, without prompts", async () => {
    const prompt = "a prompt that is nobody's business";
    expect(await chat(masterKey, "failing", prompt)).toMatchObject({ status: 500 });
    expect(contentOf(await chat(masterKey, "slow", prompt))).toBe(`echo: ${prompt}`);
    const textOf = (json: unknown): string => (json as { text?: string } | undefined)?.text ?? "";
    const PATIENCE_MILLISECONDS = 60_000;
    const failure = await receiver.awaitPost(
      ({ json }) => textOf(json).includes("llm_exceptions"),
      PATIENCE_MILLISECONDS,
    );
    expect(failure.path).toBe(WEBHOOK_PATH);
    expect(textOf(failure.json)).toContain("LLM API call failed");
    const slowness = await receiver.awaitPost(
      ({ json }) => textOf(json).includes("llm_too_slow"),
      PATIENCE_MILLISECONDS,
    );
    expect(textOf(slowness.json)).toContain("Responses are slow");
    const posted = receiver.posts.map(({ text }) => text).join("\n");
    for (const secret of [prompt, masterKey, RESEARCH_KEY]) expect(posted).not.toContain(secret);
  });

  test("limits how fast one address asks, and warns of a log with secrets", async () => {
    const limited = { rateLimit: { requests: 20, periodSeconds: 10, burst: 40 } };
    configure({ deployment: limited, detailedDebug: true });
    const { exitCode, output: warned } = await preview();
    expect(exitCode).toBe(0);
    expect(warned).toMatch(
      /warning: detailedDebug is on: the proxy's log holds prompts.*\n\s+pulumi config rm detailedDebug/,
    );
    configure({ deployment: limited });
    const before = await listContainers();
    expect(await touched()).toEqual(["gateway-rollout", "gateway-traefik-credentials"]);
    const { output } = await up();
    expect(output).not.toContain("✗");
    expect(await listContainers()).toEqual(before);
    const REQUESTS = 80;
    const statuses = (
      await Promise.all(Array.from({ length: REQUESTS }, () => ask("/health/liveliness")))
    ).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(statuses.filter((status) => status === 200).length).toBeLessThan(REQUESTS);
  });

  test("takes a certificate of the user's own, and administrators from their addresses", async () => {
    const own = await CertificateAuthority.create(join(pulumi.folder, "authority"));
    const names = [`DNS:${HOST}`, `DNS:${BROWSER_HOST}`];
    const { certificateFile, keyFile } = await own.issue("gateway", names);
    copyFileSync(certificateFile, join(pulumi.folder, "gateway.pem"));
    ownKey = readFileSync(keyFile, "utf8");
    await setSecret("tlsPrivateKey", ownKey);
    configure({
      deployment: {
        certificates: { kind: "files", certificateFile: "gateway.pem" },
        admin: { access: "restricted", basicAuth: true, sourceRanges: ["192.0.2.0/24"] },
      },
    });
    const proxy = await findProxy();
    authority = readFileSync(own.certificateFile, "utf8");
    writeFileSync(trusted, authority);
    const { output } = await up();
    // One of a test ends soon, which is told.
    expect(output).toMatch(/⚠ certificate is valid .*by authority of a test, 1 day left/);
    expect(output).not.toContain("✗");
    expect(await findProxy()).toBe(proxy);
    expect(contentOf(await chat(masterKey, "hello", "Hi"))).toBe("Hello.");
    expect(await ask("/key/list")).toMatchObject({ status: 403 });
    expect(await administer("/key/list")).toMatchObject({ status: 403 });
  });

  test("shows its secrets nowhere", async () => {
    const outputs = await pulumi.readOutputs();
    const cookie = adminSessionCookie(USERS);
    const secrets = {
      masterKey,
      uiPassword: String(outputs["uiPassword"]),
      ...(outputs["recovery"] as Record<string, string>),
      redisPassword: REDIS_PASSWORD,
      researchKey: RESEARCH_KEY,
      webhook: WEBHOOK_PATH,
      users: USERS.slice("admin:".length),
      adminSession: cookie.value,
      tlsPrivateKey: ownKey.split("\n")[1] ?? "",
    };
    printed.push(await pulumi.previewText("--refresh"));
    const proxy = await findProxy();
    const names = [proxy, container("traefik"), container("redis"), container("postgresql")];
    const places = {
      state: (await pulumi.succeed("stack", "export")).stdout,
      printed: printed.join("\n"),
      processes: [...commandLines].join("\n"),
      logs: (await Promise.all(names.map((name) => docker(["logs", name])))).join("\n"),
      configuration: await docker(["exec", proxy, "sh", "-c", "cat /etc/litellm/*.yaml"]),
      models: await docker(["exec", proxy, "sh", "-c", "cat /etc/litellm/models/*.yaml"]),
      routes: await read(container("traefik"), "/etc/traefik/dynamic/routes.yaml"),
      labels: await docker(["inspect", "--format", "{{json .Config.Labels}}", ...names]),
      commands: await docker(["inspect", "--format", "{{json .Config.Cmd}}", ...names]),
      files: gateway
        .listFiles()
        .filter((file) => /\.(ya?ml|json|txt|log)$/.test(file))
        .map((file) => readFileSync(file, "utf8"))
        .join("\n"),
    };
    expect(places.processes).toContain("--config=/etc/litellm/litellm-config.yaml");
    expect(places.routes).toContain("litellm-admin");
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(20);
      const holders = Object.entries(places)
        .filter(([, text]) => text.includes(secret))
        .map(([place]) => place);
      expect(holders, name).toEqual([]);
    }
    // The test itself could not see a secret otherwise.
    expect(await docker(["inspect", "--format", "{{.Config.Env}}", proxy])).toContain(RESEARCH_KEY);
    const credentials = "/etc/traefik/dynamic/credentials.yaml";
    expect(await read(container("traefik"), credentials)).toContain(secrets.users);
    const mode = ["exec", container("traefik"), "stat", "-c", "%a", credentials];
    expect((await docker(mode)).trim()).toBe("600");
  });

  test("leaves what is not its own", async () => {
    await pulumi.destroy();
    expect(await list("ps", "--all", "--format", "{{.Names}}")).toEqual([container("issuer")]);
    expect(await list("volume", "ls", "--quiet")).toEqual([]);
    expect(await list("network", "ls", "--format", "{{.Name}}")).toEqual([webNetwork()]);
  });
});
