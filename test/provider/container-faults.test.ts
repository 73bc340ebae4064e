import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { removeLeftover } from "../../components/leftover-container.ts";
import {
  findFaults,
  formatFaults,
  observeContainers,
} from "../../components/verification/container-faults.ts";
import { planDeployment, type SingleHostPlan } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine, labEnvironment } from "../lab/environment.ts";
import { findFreePort } from "../support/ports.ts";

const engine = dockerEngine();

let plan: SingleHostPlan;
let proxy: string;
let database: string;

/** Starts a container in the place of one of the stack's. */
const start = async (name: string, script = "sleep 600", ...options: string[]): Promise<void> => {
  await docker([
    ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", name],
    ...["--network", plan.network, ...options],
    ...["node:24-slim", "sh", "-c", script],
  ]);
};

const ours = (): string[] =>
  Object.entries(plan.labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]);

/** Everything that is wrong, as users read it. */
const describeAll = async (): Promise<string> =>
  formatFaults(findFaults(await observeContainers(plan)), plan);

const exists = async (name: string): Promise<boolean> =>
  (await docker(["ps", "--all", "--format", "{{.Names}}"])).split("\n").includes(name);

describe.skipIf(!engine.available)(`containers on the Docker host (${engine.reason})`, () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
  });

  beforeEach(async () => {
    const prefix = `faults-test-${await findFreePort()}`;
    plan = planDeployment(
      parseSettings({
        plain: {
          deployment: { topology: "single-host", namePrefix: prefix },
          models: [{ name: "hello", provider: "mock" }],
        },
        secret: {},
      }),
      imagineCircumstances(),
    ) as SingleHostPlan;
    proxy = `${prefix}-proxy`;
    database = `${prefix}-postgresql`;
    await docker(["network", "create", "--label", LAB_LABEL, plan.network]);
  });

  afterEach(async () => {
    await docker(["rm", "--force", proxy, database]);
    await docker(["network", "rm", plan.network]);
  });

  test("are without fault while they run", async () => {
    await start(database);
    await start(proxy);
    expect(await describeAll()).toBe("");
  });

  test("are paused, or not there", async () => {
    await start(database);
    await docker(["pause", database]);
    expect(await describeAll()).toBe(
      `  - ${database} is paused; let it go on: docker unpause ${database}\n` +
        `  - ${proxy} is not there; let Pulumi see that (pulumi refresh, whatever it says of the database), then make it again: pulumi up`,
    );
  });

  test("are cut off from their network, or unhealthy", async () => {
    await start(database);
    await docker(["network", "disconnect", plan.network, database]);
    await start(
      proxy,
      "echo why >&2; sleep 600",
      ...["--health-cmd=false", "--health-interval=1s", "--health-retries=1"],
    );
    await expect
      .poll(describeAll, { timeout: 20_000 })
      .toBe(
        `  - ${database} is not on network ${plan.network}; connect it: docker network connect --alias postgresql ${plan.network} ${database}\n` +
          `  - ${proxy} is unhealthy; see docker logs ${proxy}\n    why`,
      );
  });

  test("have ended: their last errors are shown, without secrets and without colours", async () => {
    await start(database);
    await start(
      proxy,
      [
        "echo no error",
        'printf "\\033[31mred $LITELLM_MASTER_KEY\\033[0m\\n\\n" >&2',
        `printf '%s\\n' '{"message": "of a virtual key sk-0123456789\\nand '"$DATABASE_URL"'"}' >&2`,
        'echo "its password: p@ss" >&2',
        "exit 3",
      ].join("; "),
      ...["--env", "LITELLM_MASTER_KEY=master-key-0123456789"],
      ...["--env", "DATABASE_URL=postgresql://litellm:p%40ss@database:5432/litellm"],
    );
    await docker(["wait", proxy]);
    expect(await describeAll()).toBe(
      `  - ${proxy} does not run (exit code 3); start it: docker start ${proxy}\n` +
        "    red [secret]\n    of a virtual key [secret]\n    and [secret]\n    its password: [secret]",
    );
  });

  test("that end by themselves while they start are told from those that ended before", async () => {
    await start(database);
    await start(proxy, "sleep 1; exit 3", "--restart=unless-stopped");
    const before = await observeContainers(plan);
    const find = async () => findFaults(await observeContainers(plan), before);
    await expect.poll(find, { timeout: 20_000 }).toMatchObject([
      {
        description: `${proxy} has ended by itself while it started; see docker logs ${proxy}`,
        isLasting: true,
      },
    ]);
  });

  test("that an interrupted deployment left are removed when they have ended, others never", async () => {
    vi.spyOn(pulumi.log, "info").mockResolvedValue();
    await start(proxy, "sleep 2", ...ours());
    await removeLeftover(proxy, plan);
    expect(await exists(proxy)).toBe(false);
    await start(proxy, "exec sleep 600", ...ours(), "--restart=unless-stopped");
    await removeLeftover(proxy, plan);
    expect(await exists(proxy)).toBe(false);
    await docker(["create", "--label", LAB_LABEL, "--name", proxy, ...ours(), "node:24-slim"]);
    await removeLeftover(proxy, plan);
    expect(await exists(proxy)).toBe(false);
    await start(proxy);
    await removeLeftover(proxy, plan);
    expect(await exists(proxy)).toBe(true);
    await removeLeftover("no-container-of-that-name", plan);
  });
});
