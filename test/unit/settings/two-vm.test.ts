import { describe, expect, test } from "vitest";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { mockModels as models, rawConfig, refusal } from "./raw-config.ts";

const deployment = { topology: "two-vm", machine: { address: "192.168.10.18" } };
const machine = { address: "192.168.10.19" };

describe("settings of two machines", () => {
  test("their addresses are enough: the database is on the other one", () => {
    const settings = parseSettings(rawConfig({ models, deployment, database: { machine } }));
    expect(settings.deployment).toMatchObject({ proxyPort: 4000, workers: 2, protect: true });
    expect(settings.database).toMatchObject({
      kind: "machine",
      version: 17,
      name: "litellm_db",
      role: "litellm_user",
      engine: "prisma",
      firewall: "none",
      keepData: true,
    });
  });

  test("a database on a machine needs the machine", () => {
    expect(refusal({ models, deployment })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      database.machine.address is required
        pulumi config set --path 'database.machine.address' 192.168.10.18"
    `);
  });

  test("addresses that nobody else reaches, and one machine for both", () => {
    expect(
      refusal({
        models,
        deployment: { ...deployment, proxyAddress: "127.0.0.1" },
        database: { machine: { address: "192.168.10.18" } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      deployment.proxyAddress is 127.0.0.1, which only the machine itself reaches; the checks ask the gateway from here
        pulumi config rm --path 'deployment.proxyAddress'

      database.machine.address is 192.168.10.18, the machine of the gateway (deployment.machine); PostgreSQL has one of its own
        pulumi config set --path 'database.machine.address' <value>"
    `);
    expect(
      refusal({
        models,
        deployment: { topology: "two-vm", machine: { address: "127.0.0.1" } },
        database: { machine },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      deployment.machine.address is 127.0.0.1, which the other machine and the users do not reach
        pulumi config set --path 'deployment.machine.address' <value>"
    `);
  });

  test("a host key that is none", () => {
    expect(
      refusal({
        models,
        deployment: { ...deployment, machine: { ...machine, ssh: { hostKey: "SHA256:abc" } } },
        database: { kind: "none" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      deployment.machine.ssh.hostKey must be a public key such as \`ssh-ed25519 AAAA…\`, or learn, not "SHA256:abc"
        pulumi config rm --path 'deployment.machine.ssh.hostKey'"
    `);
  });

  test("a request log and static keys without the engine that has them", () => {
    expect(
      refusal({
        models,
        deployment,
        database: { machine },
        requestLog: { retentionDays: 30 },
        staticKeys: { poc: {} },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      requestLog is not used with database.engine "prisma"
        pulumi config set --path 'database.engine' both, or: pulumi config rm requestLog

      staticKeys is not used with database.engine "prisma"
        pulumi config set --path 'database.engine' both, or: pulumi config rm staticKeys"
    `);
  });

  test("static keys for models that there are not, and of secrets that are not set", () => {
    expect(
      refusal({
        models,
        deployment,
        database: { machine, engine: "both" },
        staticKeys: {
          poc: { models: ["helo"], secret: "pocKey" },
          wrong: { secret: "masterKey" },
        },
        generalSettings: { custom_auth: "my.auth" },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 4 errors

      staticKeys.poc.models[0] is "helo", which is no model of the gateway, did you mean "hello"?
        pulumi config rm --path 'staticKeys.poc.models[0]'

      staticKeys.poc.secret needs the secret "pocKey", which is not set
        pulumi config set --secret --path 'secrets.pocKey'

      staticKeys.wrong.secret is "masterKey", a secret of the gateway itself
        pulumi config rm --path 'staticKeys.wrong.secret'

      generalSettings.custom_auth is given together with staticKeys; give one of them
        pulumi config rm --path 'generalSettings.custom_auth'"
    `);
  });

  test("a static key that ends at no time", () => {
    expect(
      refusal({
        models,
        deployment,
        database: { machine, engine: "both" },
        staticKeys: { late: { expires: "tomorrow" } },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      staticKeys.late.expires must be a date and a time such as 2027-01-01T00:00:00Z, not "tomorrow"
        pulumi config set --path 'staticKeys.late.expires' 2027-01-01T00:00:00Z"
    `);
  });

  test("containers have no database of this kind", () => {
    expect(
      refusal({
        models,
        deployment: { topology: "single-host" },
        database: { kind: "machine", machine },
      }),
    ).toContain('topology "single-host" does not have');
  });
});
