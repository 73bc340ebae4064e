import { readFileSync } from "node:fs";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { EMBEDDED_POSTGRES_MAJOR_VERSION } from "../../../stacks/plan/local-plan.ts";
import {
  type Circumstances,
  type LocalPlan,
  planDeployment,
  type SingleHostPlan,
} from "../../../stacks/plan/plan.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../../support/circumstances.ts";
import { requiredEnvironment } from "../../../templates/litellm-config.ts";

const circumstances = imagineCircumstances({ stack: "dev" });

const mock = { name: "hello", provider: "mock" };
const planAny = (plain: object, secret: object = {}, changes: Partial<Circumstances> = {}) =>
  planDeployment(parseSettings({ plain: { models: [mock], ...plain }, secret: { ...secret } }), {
    ...circumstances,
    ...changes,
  });
const plan = (...parameters: Parameters<typeof planAny>): LocalPlan =>
  planAny(...parameters) as LocalPlan;
const planDocker = (plain: object = {}, secret: object = {}): SingleHostPlan =>
  planAny({ deployment: { topology: "single-host" }, ...plain }, secret) as SingleHostPlan;

describe("a local deployment", () => {
  test("is planned whole from the smallest settings", async () => {
    await expect(JSON.stringify(plan({}), undefined, 2) + "\n").toMatchFileSnapshot(
      "snapshots/smallest.json",
    );
  });

  test("without a database plans none of it, and keeps config file, key variables and URL", () => {
    const without = plan({ database: { kind: "none" } });
    const withOne = plan({});
    expect(without.database).toEqual({ kind: "none" });
    expect(without.proxyUrl).toBe(withOne.proxyUrl);
    expect(without.proxy.configFile).toBe(withOne.proxy.configFile);
    expect(without.proxy.secretVariables).toEqual(withOne.proxy.secretVariables);
    expect(without.checks.map(({ kind }) => kind)).toEqual([
      "live",
      "ready",
      "models",
      "chat",
      "chat",
      "wrong-key",
      "unknown-model",
    ]);
    expect(without.checks).toContainEqual({ kind: "wrong-key", status: 400 });
  });

  test("chats only with a model that costs nothing", () => {
    const paid = { name: "gpt", provider: "openai", model: "gpt-5" };
    const { checks } = plan({ models: [paid] }, { openaiApiKey: "sk-proj-0123456789abcdef" });
    const kinds = checks.map(({ kind }) => kind);
    expect(kinds).not.toContain("chat");
    expect(kinds).not.toContain("spend-log");
    expect(checks).toContainEqual({ kind: "models", names: ["gpt"], exact: true });
  });

  test("gives PostgreSQL room for every worker's pool", () => {
    const { database } = plan({
      deployment: { topology: "local", workers: 4 },
      database: { kind: "embedded", connectionLimit: 20 },
    });
    expect(database).toMatchObject({
      server: { configuration: expect.stringContaining("max_connections = 95\n") as string },
    });
  });

  test("recycles workers only where something starts them again", () => {
    const one = plan({}).proxy.arguments;
    const two = plan({ deployment: { topology: "local", workers: 2 } }).proxy.arguments;
    expect(one.join(" ")).not.toContain("max_requests");
    expect(two).toContain("--run_gunicorn");
    expect(two).toContain("--max_requests_before_restart=10000");
  });

  test("waits at its end longer than the longest request", () => {
    expect(plan({ requestTimeoutSeconds: 900 }).proxy.stopGraceSeconds).toBeGreaterThan(900);
  });

  test("hands each secret to the proxy under its variable", () => {
    const { proxy } = plan(
      {},
      { openaiApiKey: "sk-proj-0123456789abcdef", secrets: { groqApiKey: "gsk_0123456789" } },
    );
    expect(proxy.secretVariables).toEqual({
      GROQ_API_KEY: "groqApiKey",
      LITELLM_MASTER_KEY: "masterKey",
      LITELLM_SALT_KEY: "saltKey",
      OPENAI_API_KEY: "openaiApiKey",
      UI_PASSWORD: "uiPassword",
    });
  });
});

describe("a single host", () => {
  test("is planned whole from the smallest settings", async () => {
    await expect(JSON.stringify(planDocker(), undefined, 2) + "\n").toMatchFileSnapshot(
      "snapshots/single-host.json",
    );
  });

  test("follows the number of workers with limits and connections", () => {
    const { proxy, database, connections } = planDocker({
      deployment: { topology: "single-host", workers: 4 },
      database: { kind: "managed", connectionLimit: 20 },
    });
    expect(proxy.container).toMatchObject({ cpus: 4, memoryMegabytes: 16384 });
    expect(connections?.total).toBe(4 * 20 + 15);
    expect(database).toMatchObject({
      server: {
        container: { command: expect.arrayContaining(["max_connections=95"]) as string[] },
      },
    });
  });

  test("has the defaults of the production profile, and what the user sets instead", () => {
    const config = (plain: object) =>
      planDocker(plain).proxy.configuration.files["litellm-config.yaml"] ?? "";
    expect(config({})).toContain("proxy_batch_write_at: 60");
    expect(planDocker().proxy.container.variables["LITELLM_LOG"]).toBe("ERROR");
    expect(config({ generalSettings: { proxy_batch_write_at: 5 } })).toContain(
      "proxy_batch_write_at: 5",
    );
    expect(config({ deployment: { topology: "single-host", profile: "litellm" } })).not.toContain(
      "proxy_batch_write_at",
    );
  });

  test("keeps the password of a registry from the proxy", () => {
    const { proxy } = planDocker(
      {
        deployment: {
          topology: "single-host",
          docker: { registries: [{ address: "r.test", username: "u", password: "pullToken" }] },
        },
      },
      { secrets: { pullToken: "token-0123456789" } },
    );
    expect(Object.values(proxy.container.secretVariables)).not.toContain("pullToken");
  });

  test("tells Prisma to check a certificate, in Prisma's words", () => {
    const { database, proxy } = planAny(
      {
        deployment: { topology: "single-host" },
        database: {
          kind: "external",
          host: "postgres.test",
          sslmode: "verify-full",
          certificateAuthorityFile: "ca.pem",
        },
      },
      { databaseAdminPassword: "admin-0123456789" },
      { files: { ...circumstances.files, "ca.pem": "-----BEGIN CERTIFICATE-----\n" } },
    ) as SingleHostPlan;
    expect(database).toMatchObject({
      admin: { sslmode: "verify-full", certificateAuthorityFile: "ca.pem" },
      proxy: {
        parameters: {
          sslmode: "require",
          sslaccept: "strict",
          sslcert: "/etc/litellm/database-ca.pem",
        },
      },
    });
    expect(proxy.configuration.files["database-ca.pem"]).toContain("BEGIN CERTIFICATE");
  });

  test("of a URL alone makes nothing, and checks what it can", () => {
    const { database, checks } = planDocker(
      { database: { kind: "url" } },
      { databaseUrl: "postgresql://u:p@db.test:5432/litellm" },
    );
    expect(database).toEqual({ kind: "url" });
    expect(checks.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["ready", "admin"]));
    expect(checks.map(({ kind }) => kind)).not.toContain("schema");
  });
});

test("the major version of PostgreSQL is that of the pinned packages", () => {
  const { optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  const versions = Object.entries(optionalDependencies)
    .filter(([name]) => name.startsWith("@embedded-postgres/"))
    .map(([, version]) => version);
  expect(new Set(versions).size).toBe(1);
  expect(versions[0]).toMatch(new RegExp(`^${EMBEDDED_POSTGRES_MAJOR_VERSION}\\.`));
});

describe("whatever the settings", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/);
  const secret = fc.stringMatching(/^[A-Za-z0-9]{24,40}$/);
  const arbitrary = fc.record({
    names: fc.uniqueArray(name, { minLength: 1, maxLength: 5 }),
    key: secret,
    masterKey: secret.map((text) => `sk-${text}`),
    workers: fc.integer({ min: 1, max: 64 }),
    stack: name,
    kind: fc.constantFrom("embedded", "none"),
  });
  const planArbitrary = (s: typeof arbitrary extends fc.Arbitrary<infer T> ? T : never) =>
    plan(
      {
        deployment: { topology: "local", workers: s.workers },
        database: { kind: s.kind },
        models: s.names.map((model, index) =>
          index % 2 === 0
            ? { name: model, provider: "mock" }
            : { name: model, provider: "openai", model: "gpt-5" },
        ),
      },
      { openaiApiKey: s.key, masterKey: s.masterKey },
      { stack: s.stack },
    );

  test("no secret is in the plan, whose texts are what is rendered", () => {
    fc.assert(
      fc.property(arbitrary, (settings) => {
        const text = JSON.stringify(planArbitrary(settings));
        expect(text).not.toContain(settings.key);
        expect(text).not.toContain(settings.masterKey);
      }),
    );
  });

  test("every variable that the config refers to is provided", () => {
    fc.assert(
      fc.property(arbitrary, (settings) => {
        const { proxy } = planArbitrary(settings);
        const provided = Object.keys({ ...proxy.variables, ...proxy.secretVariables });
        const required = [...proxy.config.matchAll(/os\.environ\/(\w+)/g)].map(([, name]) => name);
        expect(provided).toEqual(expect.arrayContaining(required));
      }),
    );
  });

  test("ports, process names and files are unique", () => {
    fc.assert(
      fc.property(arbitrary, (settings) => {
        const { proxy, database } = planArbitrary(settings);
        if (database.kind === "none") {
          return;
        }
        const { server } = database;
        expect(server.port).not.toBe(proxy.port);
        expect(server.processName).not.toBe(proxy.processName);
        const files = [
          proxy.configFile,
          proxy.logFile,
          proxy.environmentFolder,
          server.configurationFile,
          server.hbaFile,
          server.dataDirectory,
          server.logFile,
        ];
        expect(new Set(files).size).toBe(files.length);
      }),
    );
  });
});

test("requiredEnvironment names what the rendered text refers to", () => {
  const settings = parseSettings({
    plain: { models: [{ name: "gpt", provider: "openai", model: "gpt-5" }] },
    secret: { openaiApiKey: "sk-proj-0123456789abcdef" },
  });
  expect(requiredEnvironment(settings)).toEqual(["LITELLM_MASTER_KEY", "OPENAI_API_KEY"]);
});
