import { once } from "node:events";
import { createServer } from "node:net";

import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { findEngineObstacles } from "../../components/preflight/docker-engine.ts";
import type { RecordedStack } from "../../components/preflight/recorded-stack.ts";
import { planDeployment, type SingleHostPlan } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine, labEnvironment } from "../lab/environment.ts";
import { findFreePort } from "../support/ports.ts";

/** A stack that was deployed before. */
const RECORDED: RecordedStack = {
  topology: "single-host",
  database: { majorVersion: "16", url: undefined },
  virtualKeys: [],
  migration: undefined,
  generations: { serving: undefined, containers: {} },
};

const engine = dockerEngine();

let prefix: string;
let plan: SingleHostPlan;
const started: string[] = [];

const planStack = async (deployment: object = {}): Promise<SingleHostPlan> =>
  planDeployment(
    parseSettings({
      plain: {
        deployment: {
          topology: "single-host",
          namePrefix: prefix,
          proxyPort: await findFreePort(),
          workers: 1,
          ...deployment,
        },
        database: { kind: "managed", port: await findFreePort() },
        models: [{ name: "hello", provider: "mock" }],
      },
      secret: {},
    }),
    imagineCircumstances(),
  ) as SingleHostPlan;

const start = async (name: string, ...options: string[]): Promise<void> => {
  started.push(name);
  await docker([
    ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", name, ...options],
    ...["node:24-slim", "sleep", "600"],
  ]);
};

/** Options that make a container one of the stack's. */
const ours = (): string[] =>
  Object.entries(plan.labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]);

const find = (): Promise<string[]> => findEngineObstacles(plan, RECORDED);

describe.skipIf(!engine.available)(`on the Docker host (${engine.reason})`, () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
  });

  beforeEach(async () => {
    prefix = `preflight-test-${await findFreePort()}`;
    plan = await planStack();
  });

  afterEach(async () => {
    if (started.length > 0) await docker(["rm", "--force", ...started.splice(0)]);
  });

  test("nothing is found where all is well", async () => {
    expect(await find()).toEqual([]);
  });

  test("a port that a process has", async () => {
    const port = plan.proxy.container.ports[0]?.port ?? 0;
    const holder = createServer().listen(port, "127.0.0.1");
    await once(holder, "listening");
    const [obstacle, ...others] = await find();
    holder.close();
    expect(others).toEqual([]);
    expect(obstacle).toContain(`port ${port} is taken by process ${process.pid} (`);
    expect(obstacle).toContain(
      `; stop it, or choose another: pulumi config set --path deployment.proxyPort ${port + 1}`,
    );
  });

  test("ports that another container has, also where Docker writes them as one", async () => {
    const port = plan.proxy.container.ports[0]?.port ?? 0;
    // The database's is the middle one of three.
    const first = port + 10;
    plan = await planStack({ proxyPort: port });
    await start(`${prefix}-other`, "--publish", `127.0.0.1:${port}:80`);
    await start(`${prefix}-range`, "--publish", `127.0.0.1:${first}-${first + 2}:80-82`);
    expect(await find()).toEqual([
      `port ${port} is taken by container ${prefix}-other; stop it, or choose another: pulumi config set --path deployment.proxyPort ${port + 1}`,
    ]);
    plan = await planStack({ proxyPort: first + 1 });
    expect(await find()).toEqual([
      `port ${first + 1} is taken by container ${prefix}-range; stop it, or choose another: pulumi config set --path deployment.proxyPort ${first + 2}`,
    ]);
  });

  test("names that another container has", async () => {
    await start(`${prefix}-proxy`);
    await start(`${prefix}-configuration`);
    const obstacle = (name: string): string =>
      `the Docker host has a container ${name} that is not of stack test; remove it (docker rm --force ${name}), or choose other names: pulumi config set --path deployment.namePrefix <prefix>`;
    expect(await find()).toEqual([
      obstacle(`${prefix}-proxy`),
      obstacle(`${prefix}-configuration`),
    ]);
  });

  test("more CPUs than there are", async () => {
    plan = await planStack({ workers: 64, cpusPerWorker: 16 });
    const [obstacle] = await find();
    expect(obstacle).toMatch(
      /^preflight-test-\d+-proxy may use 1024 CPUs, and the Docker host has \d+; use fewer workers: pulumi config set --path deployment\.workers \d+$/,
    );
  });

  test("a container of the stack that is paused, and one that is stopped only as a warning", async () => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    await start(`${prefix}-postgresql`, ...ours());
    await start(`${prefix}-proxy`, ...ours());
    expect(await find()).toEqual([]);
    await docker(["pause", `${prefix}-postgresql`]);
    await docker(["kill", `${prefix}-proxy`]);
    expect(await find()).toEqual([
      `${prefix}-postgresql is paused; let it go on: docker unpause ${prefix}-postgresql`,
    ]);
    expect(warn.mock.calls).toEqual([
      [`${prefix}-proxy does not run; start it: docker start ${prefix}-proxy`],
    ]);
    warn.mockRestore();
  });
});

describe("without a Docker engine", () => {
  beforeAll(async () => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
    prefix = "preflight-test";
    plan = await planStack();
  });

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.skipIf(!engine.available)("its silence is the obstacle", async () => {
    vi.stubEnv("DOCKER_HOST", "unix:///nonexistent.sock");
    const [obstacle, ...others] = await find();
    expect(others).toEqual([]);
    expect(obstacle).toMatch(
      /^this machine's Docker engine does not answer \(.*unix:\/\/\/nonexistent\.sock.*\); start it: sudo systemctl start docker$/,
    );
  });

  test("a machine without the docker command is told that nothing was checked", async () => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    vi.stubEnv("PATH", "/nonexistent");
    expect(await find()).toEqual([]);
    expect(warn.mock.calls).toEqual([
      [
        "the docker command is not installed here, so nothing was checked on the Docker host before the deployment: https://docs.docker.com/engine/install/",
      ],
    ]);
    warn.mockRestore();
  });
});
