import { readdirSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { planDeployment, type TwoVmPlan } from "../../../stacks/plan/plan.ts";
import { listRequestLogFiles } from "../../../stacks/plan/request-log-files.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../../support/circumstances.ts";

function plan(
  plain: {
    readonly database?: object;
    readonly deployment?: object;
    readonly [key: string]: unknown;
  } = {},
  secret: object = {},
): TwoVmPlan {
  const { database, deployment, ...others } = plain;
  const settings = parseSettings({
    plain: {
      models: [{ name: "hello", provider: "mock" }],
      ...others,
      deployment: { topology: "two-vm", machine: { address: "192.168.10.18" }, ...deployment },
      database: database ?? { machine: { address: "192.168.10.19" } },
    },
    secret: { ...secret },
  });
  return planDeployment(settings, imagineCircumstances({ stack: "prod" })) as TwoVmPlan;
}

const machine = { address: "192.168.10.19" };
const serverOf = ({ database }: TwoVmPlan) => {
  if (database.kind !== "machine") throw new Error("no database on a machine");
  return database.server;
};

describe("two machines", () => {
  test("are planned whole from the smallest settings", async () => {
    await expect(JSON.stringify(plan(), undefined, 2) + "\n").toMatchFileSnapshot(
      "snapshots/two-vm.json",
    );
  });

  test("the gateway alone comes to the database, by TLS", () => {
    const { hba, settings } = serverOf(plan());
    expect(hba).toMatchInlineSnapshot(`
      "# TYPE   DATABASE      USER           ADDRESS           METHOD
      host     all           "postgres"     127.0.0.1/32      scram-sha-256
      host     "litellm_db"  +litellm_user  127.0.0.1/32      scram-sha-256
      hostssl  "litellm_db"  +litellm_user  192.168.10.18/32  scram-sha-256
      "
    `);
    expect(settings["listen_addresses"]).toBe("127.0.0.1,192.168.10.19");
    expect(
      serverOf(plan({ database: { machine, listenEverywhere: true } })).settings[
        "listen_addresses"
      ],
    ).toBe("*");
  });

  test("the certificate is verified, in Prisma's words and in libpq's", () => {
    const { database, gateway } = plan({ database: { machine, engine: "both" } });
    expect(database).toMatchObject({
      proxy: { parameters: { sslmode: "require", sslaccept: "strict" } },
    });
    expect(gateway.requestLog?.parameters).toMatchObject({ sslmode: "verify-full" });
  });

  test("the request log alone has no Prisma", () => {
    const { gateway, checks } = plan({
      database: { machine, engine: "sqlalchemy" },
      staticKeys: { poc: { models: ["hello"] } },
      requestLog: { retentionDays: 30 },
    });
    expect(gateway.usesPrisma).toBe(false);
    expect(gateway.migrations.map(({ name }) => name)).toEqual(["request-log-migration"]);
    expect(gateway.furtherUnits.map(({ name }) => name)).toEqual([
      "litellm-request-log-retention.service",
      "litellm-request-log-retention.timer",
    ]);
    expect(gateway.staticKeys?.keys).toMatchObject([{ alias: "poc", models: ["hello"] }]);
    expect(checks).toContainEqual({ kind: "ready", database: "Not connected" });
  });

  test("both: Prisma's tables come first", () => {
    const { gateway } = plan({ database: { machine, engine: "both" } });
    expect(gateway.migrations.map(({ name }) => name)).toEqual([
      "migration",
      "request-log-migration",
    ]);
    const config = gateway.configuration.find(({ path }) => path.endsWith(".yaml"))?.content ?? "";
    expect(config).toContain("litellm_request_log.callback.request_log");
    expect(config).toContain("enable_post_custom_auth_checks: true");
  });

  test("a firewall only where it is wanted", () => {
    expect(serverOf(plan()).firewall).toBeUndefined();
    const { packages, firewall } = serverOf(plan({ database: { machine, firewall: "nftables" } }));
    expect(packages).toContain("nftables");
    expect(firewall?.rules.content).toContain("192.168.10.18");
  });

  test("another password is another role", () => {
    expect(plan().database).toMatchObject({ role: "litellm_user", login: "litellm_user_login" });
  });

  test("without a database there is one machine", () => {
    const { database, operations, gateway } = plan({ database: { kind: "none" } });
    expect(database).toEqual({ kind: "none" });
    expect(operations.database).toBeUndefined();
    expect(gateway.migrations).toEqual([]);
    expect(gateway.service.content).not.toContain("wait-for-database");
  });

  test("secrets stand in no planned text", () => {
    const text = JSON.stringify(
      plan(
        { models: [{ name: "gpt", provider: "openai", model: "gpt-5" }] },
        { openaiApiKey: "sk-proj-0123456789abcdef", gatewaySudoPassword: "sudo-0123456789" },
      ),
    );
    expect(text).not.toContain("0123456789");
    expect(text).toContain("OPENAI_API_KEY");
  });
});

test("every file of the request log's package is planned", () => {
  const root = "templates/request-log/";
  const found = readdirSync(`${root}litellm_request_log`, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(py|mako|ini)$/.test(name))
    .map((name) => `${root}litellm_request_log/${name}`);
  expect(listRequestLogFiles().sort()).toEqual(found.sort());
});
