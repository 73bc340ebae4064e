/** The contract of the official images, which stand-ins keep as well. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import litellmKeys from "../../stacks/litellm-keys.json" with { type: "json" };
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";

const MINUTE = 60_000;
const LITELLM = `ghcr.io/berriai/litellm:v${litellmKeys.version}`;
const MASTER_KEY = "sk-lab-images-0123456789";

const engine = dockerEngine();
const prefix = `lab-images-${process.pid}`;
const containers: string[] = [];
let folder: string;

/** Starts a container of ours, in our network, that nothing but its options gives anything to. */
async function start(name: string, options: string[], image: string, command: string[] = []) {
  const container = `${prefix}-${name}`;
  containers.push(container);
  await docker([
    ...["run", "--detach", `--name=${container}`, `--label=${LAB_LABEL}`, `--network=${prefix}`],
    ...["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"],
    ...[...options, image, ...command],
  ]);
  return container;
}

function execute(container: string, ...command: string[]): Promise<string> {
  return docker(["exec", container, ...command]);
}

async function inspect<Value>(object: string, format: string): Promise<Value> {
  return JSON.parse(await docker(["inspect", `--format={{json ${format}}}`, object])) as Value;
}

/** Ends a container in its own way and returns its exit code. */
async function stop(container: string): Promise<number> {
  await docker(["stop", "--time=60", container]);
  return inspect(container, ".State.ExitCode");
}

describe.skipIf(!engine.available)(`images ${engine.reason}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lab-images-"));
    // Read by users of the containers.
    chmodSync(folder, 0o755);
    await docker(["network", "create", `--label=${LAB_LABEL}`, prefix]);
  });

  afterAll(async () => {
    await docker(["rm", "--force", "--volumes", ...containers]);
    await docker(["network", "rm", prefix]);
    rmSync(folder, { recursive: true });
  });

  it("has every image, and leaves alone an engine whose host the user has named", async () => {
    const run = (environment: NodeJS.ProcessEnv) =>
      runCommand(process.execPath, ["tools/lab.ts"], { environment });
    expect(await run(engine.environment)).toBe("");
    const elsewhere = { ...engine.environment, DOCKER_HOST: "unix:///nowhere/docker.sock" };
    await expect(run(elsewhere)).rejects.toMatchObject({
      output: expect.stringContaining(
        "no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker.sock; start it",
      ) as string,
    });
  });

  describe("postgres:16", () => {
    const PASSWORD = "p@ss word'\"";
    const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];
    let container: string;

    function query(sql: string, password = PASSWORD): Promise<string> {
      return docker([
        ...["exec", `--env=PGPASSWORD=${password}`, container, "psql", "--host=127.0.0.1"],
        ...["--username=owner", "--dbname=app", "--no-psqlrc", "-At", `--command=${sql}`],
      ]);
    }

    async function waitUntilReady(): Promise<void> {
      // The server that runs while the database is set up has no network.
      await vi.waitFor(() => execute(container, "pg_isready", "--host=127.0.0.1"), {
        timeout: MINUTE,
        interval: 250,
      });
    }

    beforeAll(async () => {
      const scripts = join(folder, "initdb");
      mkdirSync(scripts);
      writeFileSync(join(folder, "password"), `${PASSWORD}\n`);
      writeFileSync(join(scripts, "1.sql"), "CREATE TABLE made (by text);");
      writeFileSync(
        join(scripts, "2.sh"),
        `psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO made VALUES ('script')"`,
      );
      container = await start(
        "postgres",
        [
          ...capabilities.map((name) => `--cap-add=${name}`),
          "--tmpfs=/var/run/postgresql",
          `--volume=${folder}/password:/run/secrets/password:ro`,
          `--volume=${scripts}:/docker-entrypoint-initdb.d:ro`,
          "--env=POSTGRES_USER=owner",
          "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password",
          "--env=POSTGRES_DB=app",
          "--env=POSTGRES_INITDB_ARGS=--auth-host=scram-sha-256 --auth-local=scram-sha-256 --locale=C",
        ],
        "postgres:16",
        ["postgres", "-c", "max_connections=42"],
      );
      await waitUntilReady();
    });

    it("makes role and database by its variables, and passes arguments on", async () => {
      expect(await query("SHOW max_connections")).toBe("42\n");
      expect(await query("SELECT current_setting('server_version_num')::int / 10000")).toBe("16\n");
      expect(await query("SELECT datcollate FROM pg_database WHERE datname = 'app'")).toBe("C\n");
    });

    it("lets nobody in without the password, which it stores by SCRAM", async () => {
      expect(
        await query("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'owner'"),
      ).toBe("SCRAM-SHA-256\n");
      await expect(query("SELECT 1", "wrong")).rejects.toThrow(CommandError);
      const rules = await query(
        "SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE error IS NULL",
      );
      expect(rules).toBe("scram-sha-256\n");
    });

    it("runs as user 999 in the first process, which ends in good order", async () => {
      expect(await execute(container, "cat", "/proc/1/comm")).toBe("postgres\n");
      expect(await execute(container, "stat", "--format=%u", "/proc/1")).toBe("999\n");
      expect(await stop(container)).toBe(0);
      expect(await inspect<string>("postgres:16", ".Config.StopSignal")).toBe("SIGINT");
    });

    it("keeps its data over a restart, and runs its scripts once", async () => {
      await docker(["start", container]);
      await waitUntilReady();
      expect(await query("SELECT by FROM made")).toBe("script\n");
      expect(await docker(["logs", container])).toContain("Skipping initialization");
    });

    it("refuses to start without a password", async () => {
      const bare = await start("bare", ["--tmpfs=/var/run/postgresql"], "postgres:16");
      expect(await docker(["wait", bare])).toBe("1\n");
    });
  });

  describe(LITELLM, () => {
    const DATABASE_URL = `postgresql://postgres:secret@${prefix}-database:5432/postgres`;
    let container: string;

    beforeAll(async () => {
      await start("upstream", [], "litellm-gateway/upstream:1");
      const database = `${prefix}-database`;
      containers.push(database);
      await docker([
        ...["run", "--detach", `--name=${database}`, `--label=${LAB_LABEL}`],
        ...[`--network=${prefix}`, "--env=POSTGRES_PASSWORD=secret", "postgres:17"],
      ]);
      await vi.waitFor(() => execute(database, "pg_isready", "--host=127.0.0.1"), {
        timeout: MINUTE,
        interval: 250,
      });
      writeFileSync(
        join(folder, "config.yaml"),
        JSON.stringify({
          model_list: [
            {
              model_name: "slow",
              litellm_params: {
                model: "openai/gpt-delay-3000",
                api_base: `http://${prefix}-upstream:8080/v1`,
                api_key: "none",
              },
            },
          ],
        }),
      );
      container = await start(
        "litellm",
        [
          "--init",
          "--publish=127.0.0.1::4000",
          `--volume=${folder}/config.yaml:/app/config.yaml:ro`,
          `--env=DATABASE_URL=${DATABASE_URL}`,
          `--env=LITELLM_MASTER_KEY=${MASTER_KEY}`,
          "--env=LITELLM_LOCAL_MODEL_COST_MAP=True",
        ],
        LITELLM,
        ["--config", "/app/config.yaml"],
      );
      const probe =
        "import urllib.request as r; r.urlopen('http://127.0.0.1:4000/health/readiness')";
      await vi.waitFor(() => execute(container, "python3", "-c", probe), {
        timeout: 4 * MINUTE,
        interval: 2000,
      });
    }, 5 * MINUTE);

    it("is laid out as the official one", async () => {
      expect(await inspect(LITELLM, ".Config")).toMatchObject({
        Entrypoint: ["docker/prod_entrypoint.sh"],
        Cmd: ["--port", "4000"],
        WorkingDir: "/app",
        ExposedPorts: { "4000/tcp": {} },
      });
      expect(await execute(container, "id", "-u")).toBe("0\n");
      expect(await execute(container, "which", "python3", "litellm", "prisma")).toBe(
        ["python3", "litellm", "prisma"].map((name) => `/app/.venv/bin/${name}\n`).join(""),
      );
    });

    it.each(["curl", "wget"])("has no %s", async (program) => {
      await expect(execute(container, program, "--version")).rejects.toMatchObject({
        output: expect.stringContaining("executable file not found") as string,
      });
    });

    it("has migrated an empty database, as Prisma's own program finds", async () => {
      const extras = "/app/.venv/lib/python3.13/site-packages/litellm_proxy_extras";
      const status = await docker([
        ...["exec", `--workdir=${extras}`, container, "prisma", "migrate", "status"],
      ]);
      expect(status).toContain("Database schema is up to date!");
    });

    it("answers a request that is under way before it ends", async () => {
      const address = (await docker(["port", container, "4000/tcp"])).trim();
      const asked = fetch(`http://${address}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${MASTER_KEY}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "slow", messages: [{ role: "user", content: "hello" }] }),
      });
      await vi.waitFor(
        async () => {
          const counts =
            "fetch('http://127.0.0.1:8080/control/requests').then(async (answer) => console.log(await answer.text()))";
          expect(await execute(`${prefix}-upstream`, "node", "-e", counts)).toContain("delay-3000");
        },
        { timeout: 20_000, interval: 200 },
      );
      const [answer, exitCode] = await Promise.all([asked, stop(container)]);
      expect(await answer.json()).toMatchObject({
        choices: [{ message: { content: "echo: hello" } }],
      });
      // Uvicorn, once it has ended in good order, lets the signal have its way.
      expect(exitCode).toBe(128 + constants.signals.SIGTERM);
    });
  });
});
