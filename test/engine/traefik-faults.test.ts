import { once } from "node:events";
import { createServer } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { inspectContainer, listObjects } from "../support/docker-objects.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { killUp } from "../support/kill-up.ts";
import { findFreePort } from "../support/ports.ts";
import { nameOf, type PulumiProject } from "../support/pulumi-project.ts";

/** For what only has to be there: any image of the lab. */
const SMALL_IMAGE = "node:24-slim";
const ROUTES = "/etc/traefik/dynamic/routes.yaml";
/** From a container's start until it is in the state, at the most. */
const RECORDED_MILLISECONDS = 2000;
/** What LiteLLM ends by, while it starts. */
const REFUSED = { custom_auth: "no_such_module.authenticate" };

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;

const container = (service: string): string => `${gateway.namePrefix}-${service}`;

/** What the gateway says; another text is another generation. */
let response = "Hello.";
const configure = (changes: Record<string, unknown> = {}): void => {
  gateway.configureTraefik({
    database: { kind: "none" },
    models: [{ name: "hello", provider: "mock", response }],
    ...changes,
  });
};

/** What a command prints that must fail. */
const fail = async (...arguments_: string[]): Promise<string> => {
  const { exitCode, output } = await pulumi.run(
    ...(arguments_.length > 0 ? arguments_ : ["up", "--yes", "--skip-preview"]),
  );
  expect(exitCode, output).not.toBe(0);
  return output;
};
const succeed = async (...arguments_: string[]): Promise<string> => {
  const { output } = await pulumi.up(...arguments_);
  expect(output).toContain("✓ proxy is ready");
  expect(output).not.toContain("✗");
  return output;
};
const changes = async (...arguments_: string[]): Promise<string[]> =>
  (await pulumi.preview(...arguments_)).map((step) => `${step.op} ${nameOf(step)}`).sort();

const proxies = async (): Promise<string[]> =>
  (await listObjects("container", gateway.namePrefix)).filter((name) =>
    name.startsWith(container("proxy-")),
  );
/** The one proxy that there is. */
const theProxy = async (): Promise<string> => {
  const [proxy = "", ...others] = await proxies();
  expect(others).toEqual([]);
  return proxy;
};
/** That one generation serves, that nothing is left of others, and that nothing is to be done. */
const expectRecovered = async (): Promise<void> => {
  const generation = (await theProxy()).slice(container("proxy-").length).replace(/-1$/, "");
  const volumes = await listObjects("volume", gateway.namePrefix);
  expect(volumes.filter((name) => name.startsWith(container("configuration")))).toEqual([
    container(`configuration-${generation}`),
  ]);
  const containers = await listObjects("container", gateway.namePrefix);
  expect(containers.filter((name) => name.startsWith(container("configuration")))).toEqual([
    container(`configuration-${generation}`),
  ]);
  expect(await changes()).toEqual([]);
  expect(await gateway.chat("hello")).toBe(response);
};

describe.skipIf(!engine.available)(`faults behind Traefik (${engine.reason})`, () => {
  beforeAll(async () => {
    gateway = await GatewayProject.create();
    pulumi = gateway.pulumi;
  });

  afterAll(async () => {
    const { exitCode, output } = await gateway.remove();
    expect(exitCode, output).toBe(0);
  });

  test("whatever stands in the way is named, all at once and before anything is made", async () => {
    const [httpPort, httpsPort] = [await findFreePort(), await findFreePort()];
    const holder = createServer().listen(httpPort, "127.0.0.1");
    await once(holder, "listening");
    await docker(["network", "create", "--label", LAB_LABEL, container("web")]);
    await docker([
      ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", container("traefik")],
      ...["--publish", `127.0.0.1:${httpsPort}:80`, SMALL_IMAGE, "sleep", "600"],
    ]);
    try {
      configure({
        deployment: {
          traefik: { httpPort, httpsPort },
          networks: {
            web: { name: container("web") },
            internal: { name: container("absent"), existing: true },
          },
        },
      });
      const output = await fail();
      expect(output).toContain(`port ${httpPort} is taken by process ${process.pid} (`);
      expect(output).toContain(
        `pulumi config set --path deployment.traefik.httpPort ${httpPort + 1}`,
      );
      expect(output).toContain(
        `port ${httpsPort} is taken by container ${container("traefik")}; stop it, or choose another: pulumi config set --path deployment.traefik.httpsPort ${httpsPort + 1}`,
      );
      expect(output).toContain(
        `the Docker host has a network ${container("web")} that is not of stack test; use it (pulumi config set --path deployment.networks.web.existing true), or choose another name: pulumi config set --path deployment.networks.web.name <name>`,
      );
      expect(output).toContain(
        `the Docker host has no network ${container("absent")}; make it (docker network create ${container("absent")}), or let the stack make it: pulumi config set --path deployment.networks.internal.existing false`,
      );
      expect(output).toContain(
        `the Docker host has a container ${container("traefik")} that is not of stack test; remove it (docker rm --force ${container("traefik")})`,
      );
    } finally {
      holder.close();
      await docker(["rm", "--force", container("traefik")]);
      await docker(["network", "rm", container("web")]);
    }
    configure({
      deployment: {
        certificates: { kind: "files", certificateFile: "Pulumi.yaml" },
        admin: { access: "restricted" },
      },
    });
    const output = await fail("preview");
    expect(output).toMatch(
      /tlsPrivateKey.* is required with deployment\.certificates\.kind "files"/,
    );
    expect(output).toMatch(/deployment\.admin\.access.* is "restricted", but nobody is let in/);
    const made = (await pulumi.exportState()).map(({ type }) => type);
    expect(made.filter((type) => !type.startsWith("pulumi:"))).toEqual([]);
    expect(await listObjects("container", gateway.namePrefix)).toEqual([]);
    expect(await listObjects("volume", gateway.namePrefix)).toEqual([]);
  });

  test("a first gateway that LiteLLM refuses ends `up` in LiteLLM's words, and the next one mends it", async () => {
    configure({ generalSettings: REFUSED });
    const output = await fail();
    expect(output).toContain("ImportError: Could not import authenticate from no_such_module");
    expect(output).toContain(
      "were removed. No other proxies serve. Mend the cause, then run: pulumi up",
    );
    expect(await proxies()).toEqual([]);
    configure();
    await succeed();
    await expectRecovered();
  });

  test("routes that are edited by hand are shown, and set right", async () => {
    const proxy = await theProxy();
    await docker([
      "exec",
      container("traefik"),
      "sed",
      "-i",
      "s/litellm[.]gateway/other.gateway/",
      ROUTES,
    ]);
    const steps = await pulumi.preview();
    expect(steps.map((step) => `${step.op} ${nameOf(step)}`)).toEqual(["update gateway-rollout"]);
    expect(Object.keys(steps[0]?.detailedDiff ?? {})).toContain("edge.content");
    await succeed();
    expect(await theProxy()).toBe(proxy);
    await expectRecovered();
  });

  test("a proxy that is removed by hand is replaced", async () => {
    const proxy = await theProxy();
    await docker(["rm", "--force", proxy]);
    await succeed();
    expect(await theProxy()).toBe(proxy.replace(/-1$/, "-2-1"));
    await expectRecovered();
  });

  test("a refused change that is taken back leaves the proxies as they are", async () => {
    const proxy = await theProxy();
    configure({ generalSettings: REFUSED });
    expect(await fail()).toContain("keep serving. Mend the cause, then run: pulumi up");
    expect(await theProxy()).toBe(proxy);
    configure();
    await succeed();
    expect(await theProxy()).toBe(proxy);
    await expectRecovered();
  });

  test("Traefik that is removed by hand is made again, and the proxies stay", async () => {
    const proxy = await inspectContainer(await theProxy());
    await docker(["rm", "--force", container("traefik")]);
    expect(await fail()).toContain("pulumi up --refresh");
    await succeed("--refresh");
    const { State, Id } = await inspectContainer(await theProxy());
    expect([Id, State.StartedAt]).toEqual([proxy.Id, proxy.State.StartedAt]);
    await expectRecovered();
  });

  test("another request timeout leaves Traefik running", async () => {
    const { Id, State } = await inspectContainer(container("traefik"));
    const proxy = await theProxy();
    configure({ requestTimeoutSeconds: 300 });
    await succeed();
    const after = await inspectContainer(container("traefik"));
    expect([after.Id, after.State.StartedAt]).toEqual([Id, State.StartedAt]);
    expect(await theProxy()).not.toBe(proxy);
    await expectRecovered();
  });

  test("`up` killed twice while new proxies start is resumed by the next", async () => {
    for (const [count, text] of ["First.", "Second."].entries()) {
      response = text;
      configure();
      await killUp(pulumi, async () => {
        const names = await proxies();
        if (names.length < count + 2) return false;
        const found = await Promise.all(names.map(inspectContainer));
        return found.some(
          ({ State }) =>
            State.Health?.Status === "starting" &&
            // By then Pulumi has recorded it.
            Date.now() - Date.parse(State.StartedAt) > RECORDED_MILLISECONDS,
        );
      });
      expect(await gateway.chat("hello")).toBe("Hello.");
    }
    await succeed();
    await expectRecovered();
  });

  test("a database is added later, and not lost by accident", async () => {
    const before = await pulumi.readOutputs();
    configure({ database: { kind: "managed" } });
    const output = await succeed();
    expect(output).toContain("✓ proxy is ready, database connected");
    expect((await pulumi.readOutputs())["masterKey"]).toBe(before["masterKey"]);
    const { status } = await gateway.request("/key/generate", { key_alias: "first" });
    expect(status).toBe(200);
    await expectRecovered();
    configure();
    expect(await fail("preview")).toMatch(
      /its database holds 1 key and 0 teams.*database\.discardExisting true/s,
    );
    expect(await gateway.chat("hello")).toBe(response);
  });
});
