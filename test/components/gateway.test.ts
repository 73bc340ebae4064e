import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";

import { createGateway } from "../../components/gateway.ts";
import { planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { isSecret, record, type Registration, revealSecret } from "../support/mock-engine.ts";

const GIVEN_KEY = "sk-given-0123456789abcdef";

/** What the engine would know of each resource after it was made. */
const OUTPUTS: Record<string, (name: string) => object> = {
  "random:index/randomPassword:RandomPassword": (name) => ({
    result: createHash("sha256").update(name).digest("hex"),
  }),
  "litellm:host:PythonEnvironment": () => ({ python: "/python", installedSha256: "0".repeat(64) }),
  "litellm:host:PrismaClient": () => ({ engine: "wasm", environment: { CHECKPOINT_DISABLE: "1" } }),
  "litellm:host:Process": () => ({ pid: 1 }),
  "litellm:ssh:HostKey": () => ({ hostKey: "ssh-ed25519 AAAA" }),
  "litellm:ssh:PostgresService": () => ({ systemIdentifier: "7" }),
  "litellm:ssh:PythonEnvironment": () => ({
    python: "/opt/python",
    installedSha256: "0".repeat(64),
  }),
  "litellm:ssh:PrismaClient": () => ({
    engine: "native",
    environment: { CHECKPOINT_DISABLE: "1" },
  }),
  "litellm:tls:Certificate": () => ({ certificate: "certificate", privateKey: "private-key" }),
  "litellm:tls:CertificateAuthority": () => ({ certificate: "ca", privateKey: "private-key" }),
  "docker:index/container:Container": () => ({ exitCode: 0, containerLogs: "" }),
  "docker:index/remoteImage:RemoteImage": () => ({ imageId: "sha256:0" }),
};

function deploy(plain: object = {}, given: Record<string, string> = {}): Promise<Registration[]> {
  const settings = parseSettings({
    plain: { models: [{ name: "hello", provider: "mock" }], ...plain },
    secret: given,
  });
  const plan = planDeployment(settings, imagineCircumstances());
  const secrets = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, pulumi.secret(value)]),
  );
  return record(
    () => createGateway("gateway", { plan, secrets, migrationAttempt: 1 }),
    ({ type, name }) => OUTPUTS[type]?.(name) ?? {},
  );
}

const list = (registrations: Registration[]): string[] =>
  registrations.map(({ type, name }) => `${type} ${name}`).sort();
const find = (registrations: Registration[], name: string): Registration => {
  const found = registrations.find((registration) => registration.name === name);
  if (found === undefined) {
    throw new Error(`${name} was not registered`);
  }
  return found;
};

describe("a gateway", () => {
  test("registers these resources", async () => {
    expect(list(await deploy())).toMatchInlineSnapshot(`
      [
        "litellm:host:DatabaseMigration gateway-proxy-migration",
        "litellm:host:Directory gateway-folder",
        "litellm:host:File gateway-database-configuration",
        "litellm:host:File gateway-database-hba",
        "litellm:host:File gateway-proxy-config",
        "litellm:host:PostgresCluster gateway-database-cluster",
        "litellm:host:PrismaClient gateway-proxy-prisma-client",
        "litellm:host:Process gateway-database-server",
        "litellm:host:Process gateway-proxy-process",
        "litellm:host:PythonEnvironment gateway-proxy-python",
        "litellm:index:Database gateway-database",
        "litellm:index:Gateway gateway",
        "litellm:index:GatewaySecrets gateway-secrets",
        "litellm:index:Proxy gateway-proxy",
        "litellm:index:SaltKey salt-key",
        "postgresql:index/database:Database gateway-database-database",
        "postgresql:index/defaultPrivileges:DefaultPrivileges gateway-database-default-sequences",
        "postgresql:index/defaultPrivileges:DefaultPrivileges gateway-database-default-tables",
        "postgresql:index/grant:Grant gateway-database-grant-database",
        "postgresql:index/grant:Grant gateway-database-grant-schema",
        "postgresql:index/grant:Grant gateway-database-revoke-public",
        "postgresql:index/role:Role gateway-database-role",
        "pulumi:providers:postgresql gateway-database-admin",
        "random:index/randomPassword:RandomPassword gateway-secrets-database-password",
        "random:index/randomPassword:RandomPassword gateway-secrets-master-key",
        "random:index/randomPassword:RandomPassword gateway-secrets-superuser-password",
        "random:index/randomPassword:RandomPassword gateway-secrets-ui-password",
        "random:index/randomPassword:RandomPassword salt-key-value",
      ]
    `);
  });

  test("without a database registers none of it, and the same names for the rest", async () => {
    const whole = list(await deploy());
    const without = list(await deploy({ database: { kind: "none" } }));
    expect(whole).toEqual(expect.arrayContaining(without));
    expect(without.filter((entry) => /database|prisma|migration|postgresql/i.test(entry))).toEqual([
      "random:index/randomPassword:RandomPassword gateway-secrets-database-password",
    ]);
  });

  test("gives the proxy its secrets by environment, as secrets", async () => {
    const { inputs } = find(await deploy(), "gateway-proxy-process");
    const environment = revealSecret(inputs["environment"]);
    expect(environment).toMatchObject({
      DISABLE_SCHEMA_UPDATE: "true",
      DATABASE_URL: expect.stringMatching(
        /^postgresql:\/\/litellm:.+@127\.0\.0\.1:5433\/litellm$/,
      ) as unknown,
      LITELLM_MASTER_KEY: expect.stringMatching(/^sk-[0-9a-f]{64}$/) as unknown,
      LITELLM_SALT_KEY: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      UI_PASSWORD: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    });
    expect(JSON.stringify(inputs["command"])).not.toMatch(/sk-|postgresql:/);
  });

  test("uses what is given instead of generating it", async () => {
    const registrations = await deploy({}, { masterKey: GIVEN_KEY });
    const { inputs } = find(registrations, "gateway-proxy-process");
    expect(revealSecret(inputs["environment"])).toMatchObject({ LITELLM_MASTER_KEY: GIVEN_KEY });
    expect(list(registrations)).not.toContain(
      "random:index/randomPassword:RandomPassword gateway-secrets-master-key",
    );
  });

  test("keeps the salt key out of reach of renames", async () => {
    const registrations = await deploy();
    expect(find(registrations, "salt-key").type).toBe("litellm:index:SaltKey");
    expect(isSecret(find(registrations, "salt-key").inputs["value"])).toBe(true);
  });
});

describe("a gateway on one Docker host", () => {
  const single = (changes: object = {}, given: Record<string, string> = {}) =>
    deploy({ deployment: { topology: "single-host" }, ...changes }, given);

  test("registers these resources", async () => {
    expect(list(await single())).toMatchInlineSnapshot(`
      [
        "docker:index/container:Container gateway-database-container",
        "docker:index/container:Container gateway-proxy-configuration",
        "docker:index/container:Container gateway-proxy-container",
        "docker:index/container:Container gateway-proxy-migration",
        "docker:index/network:Network gateway-docker-network",
        "docker:index/remoteImage:RemoteImage gateway-docker-image-litellm",
        "docker:index/remoteImage:RemoteImage gateway-docker-image-postgres",
        "docker:index/volume:Volume gateway-database-volume",
        "docker:index/volume:Volume gateway-proxy-configuration-volume",
        "litellm:index:Database gateway-database",
        "litellm:index:DockerHost gateway-docker",
        "litellm:index:Gateway gateway",
        "litellm:index:GatewaySecrets gateway-secrets",
        "litellm:index:ProxyContainer gateway-proxy",
        "litellm:index:SaltKey salt-key",
        "postgresql:index/database:Database gateway-database-database",
        "postgresql:index/defaultPrivileges:DefaultPrivileges gateway-database-default-sequences",
        "postgresql:index/defaultPrivileges:DefaultPrivileges gateway-database-default-tables",
        "postgresql:index/grant:Grant gateway-database-grant-database",
        "postgresql:index/grant:Grant gateway-database-grant-schema",
        "postgresql:index/grant:Grant gateway-database-revoke-public",
        "postgresql:index/role:Role gateway-database-role",
        "pulumi:providers:docker gateway-docker-engine",
        "pulumi:providers:postgresql gateway-database-admin",
        "random:index/randomPassword:RandomPassword gateway-secrets-database-password",
        "random:index/randomPassword:RandomPassword gateway-secrets-master-key",
        "random:index/randomPassword:RandomPassword gateway-secrets-superuser-password",
        "random:index/randomPassword:RandomPassword gateway-secrets-ui-password",
        "random:index/randomPassword:RandomPassword salt-key-value",
      ]
    `);
  });

  test("without a database registers the same names for the rest", async () => {
    const whole = list(await single());
    const without = list(await single({ database: { kind: "none" } }));
    expect(whole).toEqual(expect.arrayContaining(without));
    expect(without.filter((entry) => /database|migration|postgres/i.test(entry))).toEqual([
      "random:index/randomPassword:RandomPassword gateway-secrets-database-password",
    ]);
  });

  test("gives each container the secrets that it needs, as secrets", async () => {
    const registrations = await single({}, { openaiApiKey: "sk-proj-0123456789abcdef" });
    const reveal = (value: unknown): unknown => (isSecret(value) ? revealSecret(value) : value);
    const environmentOf = (name: string): string[] =>
      (reveal(find(registrations, name).inputs["envs"]) as unknown[]).map((variable) =>
        String(reveal(variable)),
      );
    expect(isSecret(find(registrations, "gateway-proxy-container").inputs["envs"])).toBe(true);
    const names = (name: string): string[] =>
      environmentOf(name).map((variable) => variable.split("=")[0] ?? "");
    expect(names("gateway-proxy-container")).toEqual(
      expect.arrayContaining(["DATABASE_URL", "LITELLM_MASTER_KEY", "OPENAI_API_KEY"]),
    );
    expect(names("gateway-proxy-container")).not.toContain("POSTGRES_PASSWORD");
    expect(names("gateway-database-container")).not.toContain("OPENAI_API_KEY");
    expect(names("gateway-proxy-migration")).not.toContain("LITELLM_MASTER_KEY");
    expect(environmentOf("gateway-proxy-container").join("\n")).toMatch(
      /DATABASE_URL=postgresql:\/\/litellm:.+@litellm-test-postgresql:5432\/litellm\?sslmode=disable/,
    );
  });
});

describe("a gateway on two machines", () => {
  /** As the mock engine generates it. */
  const STATIC_KEY = `sk-${createHash("sha256").update("gateway-static-key-poc").digest("hex")}`;
  const twoVm = (changes: object = {}, given: Record<string, string> = {}) =>
    deploy(
      {
        deployment: {
          topology: "two-vm",
          machine: { address: "192.168.10.18", ssh: { hostKey: "learn" } },
        },
        database: { machine: { address: "192.168.10.19" }, engine: "both" },
        staticKeys: { poc: {} },
        ...changes,
      },
      given,
    );

  test("gives the service its secrets by a file that its group alone may read, as secrets", async () => {
    const { inputs } = find(await twoVm(), "gateway-proxy-environment");
    expect(inputs).toMatchObject({ mode: "0640", group: "litellm" });
    const text = String(revealSecret(inputs["content"]));
    expect(text).toMatch(/^LITELLM_MASTER_KEY="sk-[0-9a-f]{64}"$/m);
    expect(text).toMatch(/^DATABASE_URL="postgresql:.+@192\.168\.10\.19:5432\/litellm_db\?/m);
    expect(text).toMatch(/^REQUEST_LOG_DATABASE_URL="postgresql\+psycopg:.+verify-full/m);
    expect(text).not.toContain(STATIC_KEY);
  });

  test("places digests of static keys, and their values nowhere", async () => {
    const registrations = await twoVm();
    const { inputs } = find(registrations, "gateway-proxy-static-keys");
    const digest = createHash("sha256").update(STATIC_KEY).digest("hex");
    expect(String(revealSecret(inputs["content"]))).toContain(digest);
    expect(JSON.stringify(registrations)).not.toContain(STATIC_KEY);
  });

  test("uses a learnt host key, and a sudo password as a secret", async () => {
    const registrations = await twoVm({}, { gatewaySudoPassword: "sudo-0123456789" });
    const { connection } = find(registrations, "gateway-proxy-user").inputs as {
      connection: unknown;
    };
    const reached = (isSecret(connection) ? revealSecret(connection) : connection) as Record<
      string,
      unknown
    >;
    expect(reached["hostKey"]).toBe("ssh-ed25519 AAAA");
    expect(isSecret(connection) || isSecret(reached["sudoPassword"])).toBe(true);
  });

  test("with the request log alone has neither Prisma nor LiteLLM's tables", async () => {
    const names = list(
      await twoVm({
        database: { machine: { address: "192.168.10.19" }, engine: "sqlalchemy" },
      }),
    );
    expect(names.filter((name) => /prisma|Job/i.test(name))).toEqual([
      "litellm:ssh:Job gateway-proxy-request-log-migration",
    ]);
  });
});
