import { afterEach, expect, test, vi } from "vitest";

import { targetStack, targetUrl } from "../../../tools/access/gateway-target.ts";
import type { Pulumi } from "../../../tools/stack.ts";

const URL = "https://litellm.example.com";
const KEY = "sk-0123456789-of-the-admin";

/** Pulumi, as far as it is asked for outputs and settings. */
function fakePulumi(outputs: object, config: Record<string, unknown> = {}): Pulumi {
  const stored = Object.entries(config).map(([name, value]) => [
    `litellm-gateway:${name}`,
    { value, secret: name === "masterKey" },
  ]);
  return {
    run: () => Promise.resolve(0),
    read: (command) =>
      Promise.resolve(JSON.stringify(command === "config" ? Object.fromEntries(stored) : outputs)),
  };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a stack's gateway is reached as its last `up` left it", async () => {
  const outputs = {
    ...{ topology: "traefik", proxyUrl: URL, masterKey: KEY },
    ...{ connectAddress: "127.0.0.1", certificateAuthority: "PEM" },
  };
  expect(await targetStack(fakePulumi(outputs), "prod")).toEqual({
    ...{ name: "prod", url: URL, masterKey: KEY },
    ...{ connectAddress: "127.0.0.1", certificateAuthority: "PEM" },
  });
});

test("a machine's gateway is reached by SSH", async () => {
  const gateway = { host: "vm", options: [], hostKey: "ssh-ed25519 AAAA" };
  const outputs = { topology: "two-vm", proxyUrl: "http://vm:4000", masterKey: KEY };
  const target = await targetStack(fakePulumi({ ...outputs, machines: { gateway } }), "vms");
  expect(target.machine).toEqual(gateway);
});

test("a gateway that is run elsewhere is reached as the settings say, before any `up`", async () => {
  const machine = { address: "192.168.10.18", ssh: { user: "deploy", hostKey: "learn" } };
  const config = { deployment: { topology: "existing", url: URL, machine }, masterKey: KEY };
  expect(await targetStack(fakePulumi({}, config), "org/project/live")).toEqual({
    ...{ name: "org/project/live", url: URL, masterKey: KEY },
    machine: { host: "192.168.10.18", user: "deploy", options: [] },
  });
});

test("a stack that has no gateway yet says how to get one", async () => {
  const config = { deployment: { topology: "local" }, models: [{ name: "m", provider: "mock" }] };
  await expect(targetStack(fakePulumi({}, config), "dev")).rejects.toThrow(
    "stack dev is not deployed; deploy it: npm start dev",
  );
});

test("the admin key of a URL comes from the environment", async () => {
  vi.stubEnv("ADMIN", KEY);
  expect(await targetUrl(URL, { caFile: undefined, variable: "ADMIN" })).toMatchObject({
    ...{ name: URL, url: URL, masterKey: KEY },
  });
  await expect(targetUrl(URL, { caFile: "missing.pem", variable: "ADMIN" })).rejects.toThrow(
    /missing\.pem.*it goes: --ca FILE/,
  );
});
