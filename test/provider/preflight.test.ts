import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { findObstacles } from "../../components/preflight/this-machine.ts";
import type { LocalDeploymentSettings } from "../../stacks/settings/deployment-settings.ts";
import { planLocal } from "../../stacks/plan/local-plan.ts";
import type {
  EmbeddedDatabasePlan,
  LocalPlan,
  PostgresProcessPlan,
} from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { findFreePort } from "../support/ports.ts";

const isRoot = process.getuid?.() === 0;

let folder: string;
let plan: LocalPlan;
const mounts: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "preflight "));
  const settings = parseSettings({
    plain: {
      deployment: { topology: "local", proxyPort: await findFreePort() },
      database: { kind: "embedded", port: await findFreePort() },
      models: [{ name: "hello", provider: "mock" }],
    },
    secret: {},
  });
  const whole = planLocal(
    settings,
    settings.deployment as LocalDeploymentSettings,
    imagineCircumstances({ platform: `${process.platform}-${process.arch}` }),
  );
  plan = { ...whole, folder: join(folder, "stack") };
});

afterEach(() => {
  for (const mount of mounts.splice(0)) {
    execFileSync("umount", [mount]);
  }
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

const mountSmallDisk = (options: string): string => {
  const place = join(folder, "disk");
  mkdirSync(place);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", place]);
  mounts.push(place);
  return place;
};

const withServer = (changes: Partial<PostgresProcessPlan>): LocalPlan => {
  const database = plan.database as EmbeddedDatabasePlan;
  return { ...plan, database: { ...database, server: { ...database.server, ...changes } } };
};

test("finds nothing where all is well", async () => {
  expect(await findObstacles(plan)).toEqual([]);
});

test("finds a port that is taken, by the name of its holder", async () => {
  const holder = createServer().listen(plan.proxy.port, "127.0.0.1");
  await once(holder, "listening");
  const [obstacle, ...others] = await findObstacles(plan);
  holder.close();
  expect(others).toEqual([]);
  expect(obstacle).toContain(`port ${plan.proxy.port} is taken by process ${process.pid} (`);
  expect(obstacle).toContain(
    `choose another: pulumi config set --path deployment.proxyPort ${plan.proxy.port + 1}`,
  );
});

test("finds data of another major version", async () => {
  const dataDirectory = join(folder, "data");
  mkdirSync(dataDirectory);
  writeFileSync(join(dataDirectory, "PG_VERSION"), "15\n");
  expect(await findObstacles(withServer({ dataDirectory }))).toEqual([
    `${dataDirectory} holds data of PostgreSQL 15, and this deployment runs PostgreSQL 17; dump it with PostgreSQL 15, or set it aside: mv '${dataDirectory}' '${dataDirectory}.15'`,
  ]);
});

test("finds that PostgreSQL is not installed for this platform", async () => {
  const [obstacle] = await findObstacles(withServer({ distribution: "node_modules/nowhere" }));
  expect(obstacle).toBe(
    `PostgreSQL for this platform is not installed (${resolve("node_modules/nowhere/bin/postgres")}); install it: npm ci, or do without: pulumi config set --path database.kind none`,
  );
});

test("finds a folder that cannot be written to", async () => {
  // Root writes everywhere but to a read-only file system.
  const place = isRoot ? mountSmallDisk("ro,size=4G") : folder;
  if (!isRoot) {
    chmodSync(place, 0o555);
  }
  expect(await findObstacles({ ...plan, folder: join(place, "stack") })).toEqual([
    `${place} cannot be written to; make it yours: sudo chown -R "$USER" '${place}'`,
  ]);
});

test.skipIf(!isRoot)(
  "finds a disk that is nearly full (needs root, for a small disk)",
  async () => {
    const place = mountSmallDisk("size=100M");
    const [obstacle, ...others] = await findObstacles({ ...plan, folder: join(place, "stack") });
    expect(others).toEqual([]);
    expect(obstacle).toBe(
      `the disk of ${join(place, "stack")} has 105 MB free and 1500 MB are needed; see what is large: du -xhd1 / | sort -h`,
    );
  },
);
