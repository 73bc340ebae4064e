import { afterAll, beforeAll, expect, test } from "vitest";

import { GatewayProject } from "../support/gateway-project.ts";
import { type LitellmServer, startLitellm } from "../support/litellm-server.ts";
import { nameOf, type PulumiProject } from "../support/pulumi-project.ts";

const WRONG_KEY = "sk-no-key-of-this-gateway-0123456789";

let server: LitellmServer;
let gateway: GatewayProject;
let pulumi: PulumiProject;
/** Unlike those of others on the same gateway. */
let team: string;

const setMasterKey = (key: string) =>
  pulumi.setConfig("litellm-gateway:masterKey", key, { secret: true });

beforeAll(async () => {
  [server, gateway] = await Promise.all([startLitellm(), GatewayProject.create()]);
  pulumi = gateway.pulumi;
  team = `existing-${gateway.proxyPort}`;
});

afterAll(async () => {
  await gateway.remove();
  await server.remove();
});

test("access to a gateway that is run elsewhere is managed, and nothing else of it", async () => {
  gateway.configureExisting(server.url, {
    access: { teams: { [team]: { maxBudget: 20, budgetDuration: "30d" } } },
  });
  await setMasterKey(WRONG_KEY);
  const refused = await pulumi.run("up", "--yes", "--skip-preview");
  expect(refused.exitCode).not.toBe(0);
  expect(refused.output).toContain(
    `masterKey is no key of the gateway at ${server.url}; set its master key: pulumi config set --secret masterKey`,
  );
  expect(refused.output).not.toContain(WRONG_KEY);
  expect(await pulumi.exportState()).not.toContainEqual(
    expect.objectContaining({ type: "litellm:access:Team" }),
  );

  await setMasterKey(server.masterKey);
  const { output } = await pulumi.up();
  expect(output).toContain("✓ proxy is ready, database connected");
  expect(output).toContain("✓ master key is proxy admin");
  expect(output).not.toContain(server.masterKey);
  expect(await pulumi.readOutputs()).toEqual({
    topology: "existing",
    proxyUrl: server.url,
    uiUrl: `${server.url}/ui`,
    openaiBaseUrl: `${server.url}/v1`,
    masterKey: server.masterKey,
    clientEnvironment: {
      LITELLM_PROXY_URL: server.url,
      LITELLM_PROXY_API_KEY: server.masterKey,
    },
    virtualKeys: {},
    logs: {},
    versions: {},
    checks: expect.any(Array) as unknown,
    verified: "3 passed",
  });
  expect((await pulumi.preview()).map(nameOf)).toEqual([]);
  const path = `/team/info?team_id=${team}`;
  expect(await server.client.succeed(path)).toMatchObject({ team_info: { max_budget: 20 } });

  await pulumi.destroy();
  expect(await server.client.request(path)).toMatchObject({ status: 404 });
  expect(await server.client.succeed("/health/readiness")).toMatchObject({ db: "connected" });
});
