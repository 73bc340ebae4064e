import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";

import { createGateway, type Gateway } from "../../components/gateway.ts";
import { planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { record } from "../support/mock-engine.ts";

const MASTER_KEY = "sk-the-key-of-its-admin";
const HOST_KEY = "ssh-ed25519 AAAA";

async function deploy(deployment: object = {}): Promise<{ gateway: Gateway; names: string[] }> {
  const settings = parseSettings({
    plain: {
      deployment: { topology: "existing", url: "https://litellm.example.com", ...deployment },
    },
    secret: { masterKey: MASTER_KEY },
  });
  const plan = planDeployment(settings, imagineCircumstances({ files: { "ca.pem": "PEM" } }));
  const secrets = { masterKey: pulumi.secret(MASTER_KEY) };
  const gateways: Gateway[] = [];
  const registrations = await record(
    async () => {
      gateways.push(await createGateway("gateway", { plan, secrets, migrationAttempt: 1 }));
    },
    () => ({ hostKey: HOST_KEY }),
  );
  const [gateway] = gateways;
  if (gateway === undefined) throw new Error("no gateway was made");
  return { gateway, names: registrations.map(({ type, name }) => `${type} ${name}`) };
}

const reveal = <Value>(value: pulumi.Input<Value>): Promise<unknown> =>
  new Promise((resolve) => {
    pulumi.output(value).apply(resolve);
  });

test("a gateway that is run elsewhere is one component, with its master key as a secret", async () => {
  const { gateway, names } = await deploy({ certificateAuthorityFile: "ca.pem" });
  expect(names).toEqual(["litellm:index:Gateway gateway"]);
  expect(await reveal(gateway.url)).toBe("https://litellm.example.com");
  expect(await reveal(gateway.masterKey)).toBe(MASTER_KEY);
  expect(await pulumi.isSecret(gateway.masterKey)).toBe(true);
  expect(await reveal(gateway.certificateAuthority)).toBe("PEM");
  expect([gateway.uiPassword, gateway.recovery, gateway.databaseUrl, gateway.machine]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a machine that it is reached through tells its host key first", async () => {
  const machine = { address: "192.168.10.18", ssh: { user: "deploy", hostKey: "learn" } };
  const { gateway, names } = await deploy({ machine });
  expect(names).toEqual([
    "litellm:index:Gateway gateway",
    "litellm:ssh:HostKey gateway-machine-host-key",
  ]);
  expect(await reveal(gateway.machine)).toEqual({
    host: "192.168.10.18",
    user: "deploy",
    options: [],
    hostKey: HOST_KEY,
  });
});
