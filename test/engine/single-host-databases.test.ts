import { copyFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { GatewayClient } from "../support/gateway-client.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { TlsPostgres } from "../support/tls-postgres.ts";

const ADMIN_PASSWORD = "p@ss of the test's deployer: 100%";
const ROLE_PASSWORD = "password-of-a-role-that-exists-0123";

const engine = dockerEngine();

let gateway: GatewayProject;

const connect = async (): Promise<GatewayClient> => {
  const outputs = (await gateway.pulumi.readOutputs()) as Record<string, string>;
  return new GatewayClient(outputs["proxyUrl"] ?? "", outputs["masterKey"] ?? "");
};

const setSecret = (name: string, value: string): Promise<void> =>
  gateway.pulumi.setConfig(`litellm-gateway:${name}`, value, { secret: true });

/** What `up` says while it fails. */
const fail = async (): Promise<string> => {
  const { exitCode, output } = await gateway.pulumi.run("up", "--yes", "--skip-preview");
  expect(exitCode).not.toBe(0);
  return output;
};

describe.skipIf(!engine.available)(`a gateway (${engine.reason})`, () => {
  beforeAll(async () => {
    gateway = await GatewayProject.create();
  });

  afterAll(async () => {
    await gateway.remove();
  });

  describe("with a PostgreSQL server that exists", () => {
    let server: TlsPostgres;
    /** Everything the CLI printed. */
    let printed = "";

    const LIST_ALL = `
    SELECT 'database ' || datname || ' ' || pg_get_userbyid(datdba) || ' ' || coalesce(datacl::text, '')
      FROM pg_database
    UNION SELECT 'role ' || rolname FROM pg_roles ORDER BY 1`;

    beforeAll(async () => {
      // One less than one worker needs.
      server = await TlsPostgres.start({ maxConnections: 24 });
      const password = ADMIN_PASSWORD.replaceAll("'", "''");
      await server.sql(`
        CREATE ROLE deployer LOGIN CREATEDB CREATEROLE PASSWORD '${password}';
        GRANT pg_signal_backend TO deployer;
        CREATE ROLE somebody;
        CREATE DATABASE somebody OWNER somebody;
      `);
    });

    afterAll(async () => {
      await server.remove();
    });

    describe("that the deployment may administer", () => {
      let before: string;

      const configure = (): void => {
        gateway.configureContainers({
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
        });
      };

      beforeAll(async () => {
        before = await server.sql(LIST_ALL);
        await setSecret("databaseAdminPassword", ADMIN_PASSWORD);
      });

      test("a server that another authority vouches for is refused", async () => {
        const authority = await CertificateAuthority.create(join(gateway.pulumi.folder, "another"));
        copyFileSync(authority.certificateFile, join(gateway.pulumi.folder, "ca.pem"));
        configure();
        const output = await fail();
        printed += output;
        expect(output).toMatch(
          /could not connect to PostgreSQL at 127\.0\.0\.1:\d+ as deployer: .*certificate signed by unknown authority/,
        );
        expect(await server.sql(LIST_ALL)).toBe(before);
      });

      test("a server that allows too few connections is reported, with what to do", async () => {
        copyFileSync(server.authority.certificateFile, join(gateway.pulumi.folder, "ca.pem"));
        const output = await fail();
        printed += output;
        expect(output).toMatch(/the gateway is deployed, but 1 of \d+ checks failed/);
        expect(output).toMatch(
          /✗ database allows enough connections .* the server allows 24, the proxy may open 25; .*pulumi config set --path database\.connectionLimit/,
        );
        await server.allowConnections(100);
        const result = await gateway.pulumi.up();
        printed += result.output;
        expect(result.output).toMatch(/✓ database allows enough connections .* 100, of which 25/);
        expect(result.output).not.toContain("✗");
      });

      test("it gets a role and a database of its own, by an administrator who is none of PostgreSQL", async () => {
        expect(await server.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'deployer'")).toBe(
          "f",
        );
        expect(
          await server.sql(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'gateway'",
          ),
        ).toBe("f|f|f");
        expect(
          await server.sql(
            `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate,
                  has_database_privilege('somebody', oid, 'CONNECT')
             FROM pg_database WHERE datname = 'gateway'`,
          ),
        ).toBe("deployer|UTF8|C|f");
        const client = await connect();
        const key = await client.generateKey("application");
        expect((await client.as(key).chat("hello", "Hi")).status).toBe(200);
        await gateway.pulumi.succeed("preview", "--expect-no-changes");
        await gateway.pulumi.refresh("--expect-no-changes");
      });

      test("nothing goes over the network in clear", async () => {
        expect(
          await server.sql(
            `SELECT ssl, count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE usename = 'gateway' GROUP BY ssl`,
          ),
        ).toBe("t|t");
      });

      test("the administrator's password is not the proxy's business, nor anybody's", async () => {
        const environment = await docker([
          ...["inspect", "--format", "{{.Config.Env}}"],
          `${gateway.namePrefix}-proxy`,
        ]);
        expect(environment).toContain("sslaccept=strict");
        const state = (await gateway.pulumi.succeed("stack", "export")).stdout;
        for (const secret of [ADMIN_PASSWORD, encodeURIComponent(ADMIN_PASSWORD)]) {
          for (const text of [environment, state, printed]) expect(text).not.toContain(secret);
        }
      });

      test("it goes with all that was made on the server, and nothing else", async () => {
        await gateway.pulumi.destroy();
        expect(await server.sql(LIST_ALL)).toBe(before);
      });
    });

    describe("that is known by a URL alone", () => {
      const urlOf = (parameters: string): string =>
        `postgresql://existing:${ROLE_PASSWORD}@host.docker.internal:${server.port}/existing?${parameters}`;

      beforeAll(async () => {
        await gateway.pulumi.run("config", "rm", "litellm-gateway:databaseAdminPassword");
        await server.sql(
          `CREATE ROLE existing LOGIN PASSWORD '${ROLE_PASSWORD}'; CREATE DATABASE existing OWNER existing;`,
        );
        await setSecret("databaseUrl", urlOf("sslmode=verify-full"));
        gateway.configureContainers({ database: { kind: "url" } });
      });

      test("its certificate is verified where the URL says so", async () => {
        const output = await fail();
        expect(output).toMatch(/the database migration ended with exit code [^0]/);
        expect(output).toMatch(/certificate/);
        expect(output).not.toContain(ROLE_PASSWORD);
        // Nothing was made in it.
        expect(
          await server.sql(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
            "existing",
          ),
        ).toBe("0");
      });

      test("a URL that cannot be meant is refused before anything changes", async () => {
        await setSecret("databaseUrl", `postgresql://existing:${ROLE_PASSWORD}@localhost/existing`);
        const { exitCode, output } = await gateway.pulumi.run("preview");
        expect(exitCode).not.toBe(0);
        expect(output).toContain(
          "databaseUrl names localhost, which inside a container is the container",
        );
        expect(output).not.toContain(ROLE_PASSWORD);
      });

      test("the proxy works with it, and keys can be made", async () => {
        await setSecret("databaseUrl", urlOf("sslmode=require"));
        const { output } = await gateway.pulumi.up();
        expect(output).toContain("✓ proxy is ready, database connected");
        expect(output).not.toContain("✗");
        const client = await connect();
        const key = await client.generateKey("application");
        expect((await client.as(key).chat("hello", "Hi")).status).toBe(200);
        expect(
          await server.sql('SELECT key_alias FROM "LiteLLM_VerificationToken"', "existing"),
        ).toBe("application");
        const state = (await gateway.pulumi.succeed("stack", "export")).stdout;
        expect(output + state).not.toContain(ROLE_PASSWORD);
      });

      test("it stays when the stack goes", async () => {
        await gateway.pulumi.destroy();
        expect(
          await server.sql('SELECT key_alias FROM "LiteLLM_VerificationToken"', "existing"),
        ).toBe("application");
        await gateway.pulumi.run("config", "rm", "litellm-gateway:databaseUrl");
      });
    });
  });

  describe("with a database whose data is kept", () => {
    const volume = () => `${gateway.namePrefix}-postgresql`;
    const kept = () => `${gateway.namePrefix}-kept`;

    /** As SQL, from a server of its own: what the README tells to do. */
    const dumpKeptData = async (superuserPassword: string): Promise<string> => {
      const mount = `${volume()}:/var/lib/postgresql/data`;
      await docker(["run", "--detach", "--name", kept(), "--volume", mount, "postgres:16"]);
      await expect
        .poll(() => docker(["exec", kept(), "pg_isready", "--host=127.0.0.1"]), { timeout: 30_000 })
        .toContain("accepting connections");
      const dump = await docker(
        [
          ...["exec", "--interactive", kept(), "sh", "-c"],
          "read -r PGPASSWORD && export PGPASSWORD && exec pg_dump --host=127.0.0.1" +
            " --username=postgres --no-owner --no-privileges --clean --if-exists litellm",
        ],
        `${superuserPassword}\n`,
      );
      await docker(["stop", kept()]);
      await docker(["rm", kept()]);
      // The lab's pg_dump is newer than its server, unlike the official image's, and sets what that does not know.
      return dump.replace("SET transaction_timeout = 0;\n", "");
    };

    const restore = async (dump: string): Promise<void> => {
      const psql =
        "PGPASSWORD=$POSTGRES_PASSWORD psql --host=127.0.0.1 --username=postgres --quiet" +
        ' --single-transaction --set=ON_ERROR_STOP=1 --command="SET ROLE litellm" --file=- litellm';
      await docker(["exec", "--interactive", volume(), "sh", "-c", psql], dump);
    };

    afterAll(async () => {
      await gateway.pulumi.run("destroy", "--yes", "--skip-preview");
      await docker(["rm", "--force", kept()]);
      await docker(["volume", "rm", "--force", volume()]);
    });

    test("what its volume holds serves the next stack", async () => {
      gateway.configureContainers({ database: { keepVolume: true } });
      await gateway.pulumi.up();
      const key = await (await connect()).generateKey("application");
      const { recovery } = (await gateway.pulumi.readOutputs()) as {
        recovery: { saltKey: string; superuserPassword: string };
      };
      await gateway.pulumi.destroy();
      expect(await docker(["volume", "ls", "--quiet", "--filter", `name=${volume()}`])).toContain(
        volume(),
      );

      const output = await fail();
      expect(output).toContain(
        `the Docker host has the volume ${volume()} with the data of an earlier deployment`,
      );
      expect(output).toContain(`docker volume rm ${volume()}`);

      const dump = await dumpKeptData(recovery.superuserPassword);
      await docker(["volume", "rm", volume()]);
      await setSecret("saltKey", recovery.saltKey);
      await gateway.pulumi.up();
      await restore(dump);
      const client = await connect();
      expect((await client.as(key).chat("hello", "Hi")).status).toBe(200);
    });
  });
});
