import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { sha256 } from "../../stacks/sha256.ts";
import { explainAnswer } from "../../components/verification/diagnosis.ts";
import { launchChromium } from "../lab/chromium.ts";
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { type RequestCount, startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { type Answer, GatewayClient } from "../support/gateway-client.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { findFreePort } from "../support/ports.ts";

/** What a failed run is understood by; CI keeps the folder. */
const ARTIFACTS = resolve(import.meta.dirname, "../../test-artifacts");

const IMAGE = `ghcr.io/berriai/litellm:v${litellmKeys.version}`;

const KEYS = {
  openai: "sk-proj-openai-0123456789abcdef",
  anthropic: "sk-ant-anthropic-0123456789abcdef",
  litellm: "sk-upstream-litellm-0123456789abcdef",
  stale: "sk-upstream-litellm-of-last-year-01234",
};

/** Doubles of the providers, each of which lets its own key in and no other. */
type Provider = "openai" | "anthropic" | "local" | "smarthome" | "litellm";

const engine = dockerEngine();

let gateway: GatewayProject;
let upstreams: Record<Provider, Upstream>;
let admin: GatewayClient;
/** With a key for all models, as an application has one. */
let user: GatewayClient;
let ui: { readonly url: string; readonly username: string; readonly password: string };

/** That a key is delivered to. */
const volume = (): string => `${gateway.namePrefix}-bot-key`;

/** Where a container finds a double. */
const urlOf = (provider: Provider): string =>
  `http://host.docker.internal:${new URL(upstreams[provider].url).port}`;

/** Who was asked to say something; LiteLLM lists models, too. */
const countQuestions = (): Partial<Record<Provider, RequestCount[]>> =>
  Object.fromEntries(
    Object.entries(upstreams)
      .map(([provider, upstream]) => [
        provider,
        upstream.countRequests().filter(({ path }) => path !== "/v1/models"),
      ])
      .filter(([, counts]) => counts?.length !== 0),
  ) as Partial<Record<Provider, RequestCount[]>>;

const hash = (key: string): string => (key === "" ? "" : sha256(key).slice(0, 12));

const setSecret = (path: string, value: string): Promise<void> =>
  gateway.pulumi.setConfig(`litellm-gateway:${path}`, value, { secret: true, isPath: true });

const explain = ({ status, text }: Answer): string =>
  explainAnswer("/v1/chat/completions", status, text);

describe.skipIf(!engine.available)(`a gateway with the models of a team (${engine.reason})`, () => {
  beforeAll(async () => {
    const start = (apiKey?: string) =>
      startUpstream({ host: "0.0.0.0", ...(apiKey !== undefined && { apiKey }) });
    upstreams = {
      openai: await start(KEYS.openai),
      anthropic: await start(KEYS.anthropic),
      local: await start(),
      smarthome: await start(),
      litellm: await start(KEYS.litellm),
    };
    gateway = await GatewayProject.create();
    await setSecret("openaiApiKey", KEYS.openai);
    await setSecret("anthropicApiKey", KEYS.anthropic);
    await setSecret("secrets.upstreamLitellmApiKey", KEYS.litellm);
    await setSecret("secrets.staleApiKey", KEYS.stale);
    const litellm = { provider: "openai-compatible", baseUrl: `${urlOf("litellm")}/v1` };
    const absent = `http://host.docker.internal:${await findFreePort()}/v1`;
    gateway.configureContainers({
      endpoints: { local: urlOf("local"), smarthome: urlOf("smarthome") },
      models: [
        { name: "gpt", provider: "openai", model: "gpt-5" },
        { name: "vector", provider: "openai", model: "text-embedding-3-small", mode: "embedding" },
        { name: "claude", provider: "anthropic", model: "claude-sonnet-4-5" },
        { name: "llama", provider: "ollama", endpoint: "local", model: "llama3.2" },
        { name: "home", provider: "ollama", endpoint: "smarthome", model: "qwen2.5" },
        {
          name: "wsdlitellm/wsd-atlas",
          model: "wsd-atlas",
          apiKey: "upstreamLitellmApiKey",
          ...litellm,
        },
        { name: "stale", model: "wsd-atlas", apiKey: "staleApiKey", ...litellm },
        { name: "absent", provider: "openai-compatible", model: "absent", baseUrl: absent },
        { name: "hello", provider: "mock", response: "Hello." },
      ],
      allowNonRegisteredModels: true,
      // LiteLLM's own way to other addresses of OpenAI and Anthropic.
      environmentVariables: {
        OPENAI_API_BASE: `${urlOf("openai")}/v1`,
        ANTHROPIC_API_BASE: urlOf("anthropic"),
      },
      ui: { username: "thefoot" },
      access: {
        teams: { search: { models: ["gpt"] } },
        keys: { bot: { team: "search", delivery: { dockerVolume: volume() } } },
      },
    });
    const { output } = await gateway.pulumi.up();
    expect(output).toContain("✓ models are offered");
    expect(output).not.toContain("✗");
    const outputs = (await gateway.pulumi.readOutputs()) as Record<string, string>;
    const { proxyUrl = "", masterKey = "", uiUrl = "", uiUsername = "" } = outputs;
    ui = { url: uiUrl, username: uiUsername, password: outputs["uiPassword"] ?? "" };
    admin = new GatewayClient(proxyUrl, masterKey);
    user = admin.as(await admin.generateKey("application", ["all-proxy-models"]));
  });

  beforeEach(() => {
    for (const upstream of Object.values(upstreams)) upstream.resetRequests();
  });

  afterAll(async () => {
    await gateway.remove();
    await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
  });

  test.each<[string, Provider, Omit<RequestCount, "count" | "keyHash">, string]>([
    ["gpt", "openai", { path: "/v1/chat/completions", model: "gpt-5" }, KEYS.openai],
    ["claude", "anthropic", { path: "/v1/messages", model: "claude-sonnet-4-5" }, KEYS.anthropic],
    ["llama", "local", { path: "/api/chat", model: "llama3.2" }, ""],
    ["home", "smarthome", { path: "/api/chat", model: "qwen2.5" }, ""],
    [
      "wsdlitellm/wsd-atlas",
      "litellm",
      { path: "/v1/chat/completions", model: "wsd-atlas" },
      KEYS.litellm,
    ],
    [
      "openai/gpt-of-tomorrow",
      "openai",
      { path: "/v1/chat/completions", model: "gpt-of-tomorrow" },
      KEYS.openai,
    ],
    [
      "anthropic/claude-of-tomorrow",
      "anthropic",
      { path: "/v1/messages", model: "claude-of-tomorrow" },
      KEYS.anthropic,
    ],
  ])("%s is answered by %s alone, whole and in pieces", async (model, provider, asked, key) => {
    expect(await user.converse(model, "one two")).toBe("echo: one two");
    expect(await user.streamChat(model, "one two")).toEqual(["echo:", " one", " two"]);
    expect(countQuestions()).toEqual({ [provider]: [{ ...asked, keyHash: hash(key), count: 2 }] });
  });

  test("an embedding comes from its own provider", async () => {
    const { data } = (await user.succeed("/v1/embeddings", {
      model: "vector",
      input: ["one", "two"],
    })) as { data: { embedding: number[] }[] };
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
    expect(countQuestions()).toEqual({
      openai: [
        {
          path: "/v1/embeddings",
          model: "text-embedding-3-small",
          keyHash: hash(KEYS.openai),
          count: 1,
        },
      ],
    });
  });

  test("an upstream that is down is said to be, with where to look", async () => {
    const answer = await user.chat("absent", "Hi");
    expect(answer.status).toBe(500);
    expect(explain(answer)).toMatch(
      /Connection error\. — the upstream of this model cannot be reached: check that it runs/,
    );
  });

  test("a provider that refuses its key is told apart from a wrong key of the gateway", async () => {
    const answer = await user.chat("stale", "Hi");
    expect(answer.status).toBe(401);
    expect(explain(answer)).toMatch(/the API key is wrong — the provider refused its key/);
    expect(countQuestions().litellm).toMatchObject([{ keyHash: hash(KEYS.stale) }]);
    expect(explain(await user.chat("stale", "Hi"))).toMatch(
      /^\/v1\/chat\/completions answered 429: .* — the last requests to this model failed/,
    );

    const stranger = await user.as("sk-of-another-gateway-0123").chat("gpt", "Hi");
    expect(stranger.status).toBe(401);
    expect(explain(stranger)).toMatch(/ — the key is not one of this gateway/);
  });

  test("a model that no provider goes by is refused, with what to write instead", async () => {
    const answer = await user.chat("wsd-atlas", "Hi");
    expect(answer.status).toBe(400);
    expect(explain(answer)).toMatch(/LLM Provider NOT provided.* — .*provider `openai-compatible`/);
    expect(countQuestions()).toEqual({});
  });

  test("the master key manages keys from the start, without any SQL", async () => {
    const key = await admin.generateKey("limited", ["gpt"]);
    const limited = admin.as(key);
    expect(await limited.converse("gpt", "Hi")).toBe("echo: Hi");
    expect((await limited.chat("claude", "Hi")).status).toBe(403);
    const offered = (await limited.succeed("/v1/models")) as { data: { id: string }[] };
    expect(offered.data.map(({ id }) => id)).toEqual(["gpt"]);

    const refused = await limited.request("/key/generate", {});
    expect(refused.status).toBe(401);
    expect(explain(refused)).toMatch(/Only proxy admin.* — .*use the master key/);

    const list = async () =>
      (
        (await admin.succeed("/key/list?return_full_object=true")) as {
          keys: { key_alias: string; models: string[] }[];
        }
      ).keys.map(({ key_alias, models }) => [key_alias, models]);
    expect(await list()).toEqual([
      ["limited", ["gpt"]],
      ["application", ["all-proxy-models"]],
      ["bot", []],
    ]);

    await admin.succeed("/key/update", { key, models: ["gpt", "claude"] });
    expect(await limited.converse("claude", "Hi")).toBe("echo: Hi");

    await admin.succeed("/key/delete", { keys: [key] });
    expect((await limited.chat("gpt", "Hi")).status).toBe(401);
    expect(await list()).toEqual([
      ["application", ["all-proxy-models"]],
      ["bot", []],
    ]);
  });

  test("a key of the settings is in the volume of who uses it", async () => {
    const { virtualKeys } = await gateway.pulumi.readOutputs();
    const { bot = "" } = virtualKeys as Record<string, string>;
    const mount = `${volume()}:/run/secrets:ro`;
    const read = ["run", "--rm", "--volume", mount, "--entrypoint", "cat", IMAGE];
    expect(await docker([...read, "/run/secrets/litellm_api_key"])).toBe(bot);
    expect(await admin.as(bot).converse("gpt", "Hi")).toBe("echo: Hi");
    expect((await admin.as(bot).chat("claude", "Hi")).status).toBe(403);
    await gateway.pulumi.succeed("preview", "--expect-no-changes");
  });

  describe("its user interface", () => {
    let browser: Browser;
    let page: Page;
    /** Every address that the pages ask. */
    const visited = new Set<string>();

    const logIn = async (password: string): Promise<void> => {
      await page.goto(ui.url);
      await page.getByLabel("Username").fill(ui.username);
      await page.getByLabel("Password", { exact: true }).fill(password);
      await page.getByRole("button", { name: "Login", exact: true }).click();
    };

    beforeAll(async () => {
      mkdirSync(ARTIFACTS, { recursive: true });
      browser = await launchChromium();
      page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      page.on("request", (request) => visited.add(new URL(request.url()).origin));
    });

    afterAll(async () => {
      await browser.close();
    });

    test("refuses a wrong password, and says so", async () => {
      await logIn("not-the-password");
      await page.getByText(/^Invalid credentials used to access UI/).waitFor();
      await page.screenshot({ path: join(ARTIFACTS, "ui-wrong-password.png") });
      expect(page.url()).toContain("/ui/login");
      expect(await page.getByRole("link", { name: "Virtual Keys" }).count()).toBe(0);
    });

    test("lets its user in and shows the keys", async () => {
      await logIn(ui.password);
      await page.getByRole("link", { name: "Virtual Keys", exact: true }).click();
      const row = page.getByRole("row", { name: /application/ });
      await row.waitFor();
      expect(await row.innerText()).toMatch(/All Proxy Models/);
      await page.screenshot({ path: join(ARTIFACTS, "ui-virtual-keys.png") });
      // It works on a network without the internet.
      expect([...visited]).toEqual([new URL(ui.url).origin]);
    });
  });
});
