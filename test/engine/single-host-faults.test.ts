import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CommandError } from "../../components/provider/host/command.ts";
import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { GatewayClient } from "../support/gateway-client.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { killUp } from "../support/kill-up.ts";
import { findFreePort } from "../support/ports.ts";
import { nameOf, type PulumiProject } from "../support/pulumi-project.ts";

const SECOND = 1000;
/** For what needs no database, no registry and no model: any image of the lab. */
const SMALL_IMAGE = "node:24-slim";
/** A migration that changes tables, so that LiteLLM takes it for unfinished without a record of its end. */
const FIRST_MIGRATION = 'migration_name = (SELECT min(migration_name) FROM "_prisma_migrations")';

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
/** With the master key. */
let admin: GatewayClient;
/** Two keys of the team, each used before, so that LiteLLM has them in its cache. */
let keys: { readonly counted: string; readonly other: string };
/** Keys, teams and spend before the first fault. */
let recorded: string;
let databaseUrl: string;

const container = (service: string): string => `${gateway.namePrefix}-${service}`;

/** Another value makes another container for the migration, and one for the proxy after it. */
let cpusPerWorker = 1;

const configure = (changes: Record<string, unknown> = {}): void => {
  const { deployment = {}, ...others } = changes as Record<string, object>;
  gateway.configureContainers({
    deployment: { cpusPerWorker, ...deployment },
    models: [
      { name: "hello", provider: "mock", response: "Hello." },
      {
        name: "slow",
        provider: "openai-compatible",
        model: "slow-delay-15000",
        baseUrl: `http://host.docker.internal:${new URL(upstream.url).port}/v1`,
      },
    ],
    ...others,
  });
};

/** What an `up` prints that must fail. */
const fail = async (...arguments_: string[]): Promise<string> => {
  const { exitCode, output } = await pulumi.run(
    ...(arguments_.length > 0 ? arguments_ : ["up", "--yes", "--skip-preview"]),
  );
  expect(exitCode).not.toBe(0);
  return output;
};

const succeed = async (...arguments_: string[]): Promise<string> => {
  const { output } = await pulumi.up(...arguments_);
  expect(output).toContain("✓ proxy is ready, database connected");
  expect(output).not.toContain("✗");
  return output;
};

const expectNoChange = async (): Promise<void> => {
  expect((await pulumi.preview()).map((step) => `${step.op} ${nameOf(step)}`)).toEqual([]);
};

interface Inspected {
  readonly Id: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Pid: number;
    readonly Running: boolean;
    readonly StartedAt: string;
  };
}

const inspect = async (service: string): Promise<Inspected> => {
  const [inspected] = JSON.parse(await docker(["inspect", container(service)])) as Inspected[];
  if (inspected === undefined) throw new Error(`${service} is not there`);
  return inspected;
};

/** SQL as the superuser, in the container. */
const sql = async (statement: string): Promise<string> =>
  (
    await docker([
      ...["exec", container("postgresql"), "sh", "-c"],
      `PGPASSWORD="$POSTGRES_PASSWORD" psql -h 127.0.0.1 -U postgres -d litellm -tAc "$0"`,
      statement,
    ])
  ).trim();

/** Keys, teams, and requests with the first key, as they are in the database. */
const countRows = (): Promise<string> =>
  sql(
    `SELECT (SELECT count(*) FROM "LiteLLM_VerificationToken" WHERE key_alias IS NOT NULL) || ' keys, ' ||
            (SELECT count(*) FROM "LiteLLM_TeamTable") || ' teams, ' ||
            (SELECT count(*) FROM "LiteLLM_SpendLogs" JOIN "LiteLLM_VerificationToken" ON api_key = token
             WHERE key_alias = 'counted') || ' requests'`,
  );

const answers = async (key = keys.other): Promise<number> => {
  const { status } = await admin
    .as(key)
    .chat("hello", "Hi")
    .catch(() => ({ status: 0 }));
  return status;
};

/** Whether the gateway serves again, with and without a look into the database, and has all that it had. */
const expectRecovered = async (): Promise<void> => {
  const asksDatabase = () =>
    admin.request("/key/list?size=1").then(
      ({ status }) => status,
      () => 0,
    );
  await expect.poll(asksDatabase, { timeout: 120 * SECOND, interval: SECOND }).toBe(200);
  expect(await answers()).toBe(200);
  expect(await countRows()).toBe(recorded);
};

/** As a crash does: Docker takes `docker kill` for a wish of the administrator. */
const crash = async (service: string): Promise<void> => {
  const { State } = await inspect(service);
  await docker([
    ...["run", "--rm", "--label", LAB_LABEL, "--pid=host", "--entrypoint=sh", SMALL_IMAGE],
    ...["-c", `kill -9 ${State.Pid}`],
  ]);
};

describe.skipIf(!engine.available)(`faults on one Docker host (${engine.reason})`, () => {
  beforeAll(async () => {
    upstream = await startUpstream({ host: "0.0.0.0" });
    gateway = await GatewayProject.create();
    pulumi = gateway.pulumi;
    // A small disk, which stays as long as somebody uses it.
    await docker([
      ...["volume", "create", "--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs"],
      ...["--opt=o=size=500m", "--label", LAB_LABEL, container("postgresql")],
    ]);
    await docker([
      ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", container("disk-keeper")],
      ...["--volume", `${container("postgresql")}:/disk`, SMALL_IMAGE, "sleep", "3600"],
    ]);
    configure();
    await succeed();
    const outputs = (await pulumi.readOutputs()) as Record<string, string>;
    databaseUrl = outputs["databaseUrl"] ?? "";
    admin = new GatewayClient(outputs["proxyUrl"] ?? "", outputs["masterKey"] ?? "");
  });

  afterAll(async () => {
    await docker(["rm", "--force", container("disk-keeper")]);
    const { exitCode, output } = await gateway.remove();
    await upstream.close();
    expect(exitCode, output).toBe(0);
  });

  test("has keys, a team and spend to lose", async () => {
    const { team_id } = (await admin.succeed("/team/new", { team_alias: "faults" })) as {
      team_id: string;
    };
    const createKey = async (key_alias: string): Promise<string> => {
      const { key } = (await admin.succeed("/key/generate", { key_alias, team_id })) as {
        key: string;
      };
      return key;
    };
    keys = { counted: await createKey("counted"), other: await createKey("other") };
    expect(await answers()).toBe(200);
    for (const message of ["one", "two", "three", "four", "five"]) {
      await admin.as(keys.counted).converse("hello", message);
    }
    await expect
      .poll(countRows, { timeout: 60 * SECOND, interval: SECOND })
      .toBe("2 keys, 1 teams, 5 requests");
    recorded = await countRows();
  });

  test("a setting that LiteLLM refuses ends `up` in LiteLLM's words, and the next one mends it", async () => {
    configure({ generalSettings: { custom_auth: "no_such_module.authenticate" } });
    const output = await fail();
    expect(output).toContain(
      `${container("proxy")} has ended by itself while it started; see docker logs ${container("proxy")}`,
    );
    expect(output).toContain("ImportError: Could not import authenticate from no_such_module");
    configure();
    await succeed();
    await expectNoChange();
    await expectRecovered();
  });

  test("a migration that fails stops `up` before the proxy, and the next `up` runs it again", async () => {
    const { Id } = await inspect("proxy");
    await sql(
      `UPDATE "_prisma_migrations" SET finished_at = NULL, applied_steps_count = 0 WHERE ${FIRST_MIGRATION}`,
    );
    cpusPerWorker = 0.9;
    configure();
    const output = await fail();
    expect(output).toContain(
      "the database migration ended with exit code 2; the proxy was not touched",
    );
    expect(output).toContain("prisma migrate resolve --applied <migration_name>");
    expect(output).toContain("mend the cause and run `pulumi up`, which runs it again");
    expect(output).not.toContain(decodeURIComponent(new URL(databaseUrl).password));
    expect((await inspect("proxy")).Id).toBe(Id);
    expect(await answers()).toBe(200);

    await sql(
      `UPDATE "_prisma_migrations" SET finished_at = now(), applied_steps_count = 1 WHERE ${FIRST_MIGRATION}`,
    );
    await succeed();
    expect((await inspect("proxy")).Id).not.toBe(Id);
    await expectNoChange();
    await expectRecovered();
  });

  test("a migration that waits for another one's lock ends at its deadline", async () => {
    const holder = new pg.Client({ connectionString: databaseUrl });
    holder.on("error", () => undefined);
    await holder.connect();
    try {
      await holder.query("SELECT pg_advisory_lock(72707369)");
      const url = new URL(databaseUrl);
      url.host = `${container("postgresql")}:5432`;
      const variables = join(pulumi.folder, "migration.env");
      writeFileSync(
        variables,
        `DATABASE_URL=${url.href}\nLITELLM_LOCAL_MODEL_COST_MAP=True\nLITELLM_MIGRATION_DIR=/tmp/migrations\nMIGRATION_DEADLINE_SECONDS=40\n`,
        { mode: 0o600 },
      );
      const ended = docker([
        ...["run", "--rm", "--init", "--read-only", "--tmpfs=/tmp", "--label", LAB_LABEL],
        ...["--network", gateway.namePrefix, "--env-file", variables],
        ...["--volume", `${container("configuration")}:/etc/litellm:ro`, "--entrypoint=python3"],
        ...[`ghcr.io/berriai/litellm:v${litellmKeys.version}`, "/etc/litellm/migrate-database.py"],
      ]).then(
        () => "it ended with success",
        (error: unknown) =>
          error instanceof CommandError ? `${error.message}\n${error.output}` : String(error),
      );
      // It is Prisma that waits, as a process of LiteLLM's.
      await expect
        .poll(
          () => sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
          {
            timeout: 39 * SECOND,
          },
        )
        .toBe("1");
      const message = await ended;
      expect(message).toContain("ended with status 124");
      expect(message).toContain("the migrations did not end within 40 seconds");
    } finally {
      await holder.end();
    }
    await expectRecovered();
  });

  test("PostgreSQL paused for 30 seconds: known keys are served, others are told, and `up` names the cause", async () => {
    const before = await inspect("proxy");
    const paused = Date.now();
    await docker(["pause", container("postgresql")]);
    try {
      const output = await fail();
      expect(Date.now() - paused).toBeLessThan(30 * SECOND);
      expect(output).toContain(
        `${container("postgresql")} is paused; let it go on: docker unpause ${container("postgresql")}`,
      );
      const unknown = admin.as("sk-never-made-0123456789").chat("hello", "Hi");
      expect(await answers()).toBe(200);
      expect((await unknown).status).toBe(503);
      expect((await unknown).text).toContain(
        "the authentication database is temporarily unreachable",
      );
      // 503: a balancer in front takes the proxy out.
      expect((await admin.request("/health/readiness")).status).toBe(503);
      await sleep(Math.max(0, paused + 30 * SECOND - Date.now()));
    } finally {
      await docker(["unpause", container("postgresql")]);
    }
    await expect
      .poll(async () => (await admin.request("/health/readiness")).status, { timeout: 30 * SECOND })
      .toBe(200);
    expect((await admin.as("sk-never-made-0123456789").chat("hello", "Hi")).status).toBe(401);
    const after = await inspect("proxy");
    expect(after.State.StartedAt).toBe(before.State.StartedAt);
    await expectRecovered();
  });

  test("whatever else stands in the way is named, all at once and before any change", async () => {
    const [proxyPort, databasePort] = [await findFreePort(), await findFreePort()];
    const holder = createServer().listen(proxyPort, "127.0.0.1");
    await once(holder, "listening");
    const stranger = `${gateway.namePrefix}-stranger`;
    await docker([
      ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", stranger],
      ...["--publish", `127.0.0.1:${databasePort}:80`, SMALL_IMAGE, "sleep", "600"],
    ]);
    const names = ["proxy", "migration", "configuration", "postgresql"];
    // Without what Docker's own checks write every few seconds.
    const observe = () =>
      Promise.all(
        names.map(async (name) => {
          const { State, ...others } = await inspect(name);
          return { ...others, StartedAt: State.StartedAt, Running: State.Running };
        }),
      );
    const before = await observe();
    try {
      configure({
        deployment: { proxyPort, workers: 64, cpusPerWorker: 1 },
        database: { port: databasePort },
      });
      const output = await fail();
      expect(output).toContain(`port ${proxyPort} is taken by process ${process.pid} (`);
      expect(output).toContain(`port ${databasePort} is taken by container ${stranger}; stop it`);
      expect(output).toContain(`${container("proxy")} may use 64 CPUs, and the Docker host has `);
      expect(await observe()).toEqual(before);

      await docker(["rename", stranger, `${stranger}-proxy`]);
      configure({ deployment: { namePrefix: stranger } });
      expect(await fail()).toContain(
        `the Docker host has a container ${stranger}-proxy that is not of stack test; remove it`,
      );
    } finally {
      holder.close();
      await docker(["rm", "--force", stranger, `${stranger}-proxy`]).catch(() => undefined);
    }
  });

  test("no Docker engine, no deployment: a preview says so as well", async () => {
    configure({ deployment: { docker: { host: "unix:///nonexistent.sock" } } });
    for (const output of [await fail("preview"), await fail()]) {
      expect(output).toMatch(
        /unix:\/\/\/nonexistent\.sock does not answer \(.+\); start it: sudo systemctl start docker/,
      );
    }
    configure();
    await expectNoChange();
  });

  test("an image that cannot be pulled leaves the proxy as it is", async () => {
    const { Id } = await inspect("proxy");
    const image = `127.0.0.1:9/litellm:v${litellmKeys.version}`;
    configure({ deployment: { image } });
    const output = await fail();
    expect(output).toContain("gateway-docker-image-litellm");
    expect(output).toContain(image);
    expect((await inspect("proxy")).Id).toBe(Id);
    expect(await answers()).toBe(200);
    configure();
    await succeed();
    await expectNoChange();
  });

  test("`up` killed while the proxy is replaced, and while the migration runs, is resumed by the next", async () => {
    const { Id } = await inspect("proxy");
    const migration = await inspect("migration");
    cpusPerWorker = 0.8;
    configure();
    await killUp(pulumi, async () => {
      const now = await inspect("migration").catch(() => migration);
      return now.Id !== migration.Id && now.State.Running;
    });
    expect((await inspect("proxy")).Id).toBe(Id);
    expect(await answers()).toBe(200);

    // Before the proxy ends it finishes what it has begun; it takes nothing new.
    const requests = keepAsking("slow");
    await killUp(pulumi, async () => (await answers()) === 0);
    expect((await inspect("proxy")).Id).toBe(Id);
    await requests;
    await succeed();
    await expectNoChange();
    await expectRecovered();
  });

  test("a crash of either container is mended by Docker, a stop by whoever made it", async () => {
    for (const service of ["proxy", "postgresql"]) {
      const { RestartCount } = await inspect(service);
      await crash(service);
      await expect
        .poll(async () => (await inspect(service)).RestartCount, { timeout: 30 * SECOND })
        .toBe(RestartCount + 1);
      await expectRecovered();

      const name = container(service);
      await docker(["kill", name]);
      const output = await fail();
      expect(output).toContain(`warning: ${name} does not run; start it: docker start ${name}`);
      expect(output).toContain(`${name} does not run (exit code 137); start it: docker start`);
      await docker(["start", name]);
      await expectRecovered();
      await succeed();
    }
  });

  test("a full disk refuses new rows and keeps the old; with space again all goes on", async () => {
    await sql("CREATE UNLOGGED TABLE ballast (filler text)");
    // In ever smaller pieces, down to the last block.
    for (const rows of [20_000, 1000, 10]) {
      expect(await fill(rows)).toContain("No space left on device");
    }
    await expect
      .poll(async () => (await admin.request("/team/new", { team_alias: "late" })).status, {
        timeout: 60 * SECOND,
        interval: 10,
      })
      .toBe(500);
    expect(await answers()).toBe(200);
    await sql("DROP TABLE ballast");
    await sql(`DELETE FROM "LiteLLM_TeamTable" WHERE team_alias = 'late'`);
    await succeed();
    await expectNoChange();
    await expectRecovered();
  });
});

/** Adds rows until there is no space for more, and returns what PostgreSQL says then. */
async function fill(rows: number): Promise<string> {
  const statement = `INSERT INTO ballast SELECT repeat(md5(i::text), 30) FROM generate_series(1, ${rows}) i`;
  try {
    for (;;) await sql(statement);
  } catch (error) {
    if (error instanceof CommandError) return error.output;
    throw error;
  }
}

/** Has a request under way until the proxy takes none any more. */
async function keepAsking(model: string): Promise<void> {
  const another = await admin
    .as(keys.other)
    .chat(model, "Hi")
    .then(
      ({ status }) => status === 200,
      () => false,
    );
  if (another) await keepAsking(model);
}
