/** The contract of the official images, which stand-ins keep as well. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { pebbleImage } from "../lab/pebble-image.ts";
import { redisImage } from "../lab/redis-image.ts";
import { traefikImage } from "../lab/traefik-image.ts";
import { AcmeServer } from "../support/acme-server.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { changeUnderLoad, describeLoad, UNHARMED } from "../support/change-under-load.ts";
import { askEdge, type EdgeRequest } from "../support/edge-client.ts";
import { TraefikServer } from "../support/traefik-server.ts";

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

/** The port of 127.0.0.1 that leads to a container's. */
async function portOf(container: string, port: number): Promise<number> {
  const address = (await docker(["port", container, String(port)])).trim().split("\n")[0] ?? "";
  return Number(address.split(":").at(-1));
}

/** Starts an upstream double with labels for a Traefik that looks at them. */
async function startUpstream(name: string, labels: Readonly<Record<string, string>> = {}) {
  const options = Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`);
  return start(name, options, "litellm-gateway/upstream:1");
}

/** What an upstream double in a container was asked, by model. */
async function countRequests(container: string): Promise<Record<string, number>> {
  const program =
    "fetch('http://127.0.0.1:8080/control/requests').then(async (answer) => console.log(await answer.text()))";
  const counts = JSON.parse(await execute(container, "node", "-e", program)) as {
    model: string;
    count: number;
  }[];
  return Object.fromEntries(counts.map(({ model, count }) => [model, count]));
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

  describe(redisImage.image, () => {
    const PASSWORD = "p@ss word'\"";
    let container: string;

    function command(...parts: string[]): Promise<string> {
      const client = ["redis-cli", "--no-auth-warning", ...parts];
      return docker(["exec", `--env=REDISCLI_AUTH=${PASSWORD}`, container, ...client]);
    }

    beforeAll(async () => {
      container = await start(
        "redis",
        ["CHOWN", "SETGID", "SETPCAP", "SETUID"].map((name) => `--cap-add=${name}`),
        redisImage.image,
        ["redis-server", "--requirepass", PASSWORD, "--maxmemory", "32mb", "--appendonly", "yes"],
      );
      await vi.waitFor(() => command("ping"), { timeout: MINUTE, interval: 200 });
    });

    it("passes arguments on, and answers with the password only", async () => {
      expect(await command("ping")).toBe("PONG\n");
      expect(await command("config", "get", "maxmemory")).toBe("maxmemory\n33554432\n");
      expect(await execute(container, "redis-cli", "ping")).toContain("NOAUTH");
      expect(await command("info", "server")).toMatch(/^redis_version:8\./m);
    });

    it("runs as user 999, keeps its data in /data, and ends in good order", async () => {
      expect(await execute(container, "stat", "--format=%u", "/proc/1", "/data")).toBe(
        "999\n999\n",
      );
      expect(await execute(container, "grep", "CapBnd", "/proc/1/status")).toMatch(/\t0+\n$/);
      await command("set", "kept", "value");
      expect(await stop(container)).toBe(0);
      await docker(["start", container]);
      const read = async () => {
        expect(await command("get", "kept")).toBe("value\n");
      };
      await vi.waitFor(read, { timeout: MINUTE, interval: 200 });
    });

    it("takes connections from elsewhere without a password, too", async () => {
      const options = ["--user=999:999", `--network-alias=${prefix}-open`];
      const open = await start("open-redis", options, redisImage.image);
      const ask = async () => {
        // It has no password to compare with, says so, and answers all the same.
        expect(await command("-h", `${prefix}-open`, "ping")).toContain("PONG\n");
      };
      await vi.waitFor(ask, { timeout: MINUTE, interval: 200 });
      expect(await execute(open, "redis-cli", "config", "get", "protected-mode")).toBe(
        "protected-mode\nno\n",
      );
    });
  });

  describe(traefikImage.image, () => {
    const HOST = "litellm.lab.test";
    const DYNAMIC = "/etc/traefik/dynamic";
    let authority: CertificateAuthority;
    let container: string;
    let volume: string;
    let ports: { readonly web: number; readonly websecure: number };

    /** The way of a deployment: the new file gets its name when it is whole. */
    async function write(name: string, content: object): Promise<void> {
      const file = join(folder, name);
      writeFileSync(file, JSON.stringify(content));
      await docker(["cp", file, `${container}:${DYNAMIC}/.${name}.new`]);
      await execute(container, "mv", `${DYNAMIC}/.${name}.new`, `${DYNAMIC}/${name}`);
    }

    async function routeTo(server: string): Promise<void> {
      const servers = [{ url: `http://${server}:8080` }];
      await write("routes.yaml", {
        http: {
          routers: {
            litellm: {
              rule: `Host(\`${HOST}\`)`,
              entryPoints: ["websecure"],
              service: "litellm",
              tls: {},
            },
          },
          services: { litellm: { loadBalancer: { servers, serversTransport: "quick" } } },
          // A server that has vanished costs a request 30 s otherwise.
          serversTransports: { quick: { forwardingTimeouts: { dialTimeout: "2s" } } },
        },
      });
      const look = async () => {
        expect(await askApi("/api/http/services/litellm@file")).toMatchObject({
          loadBalancer: { servers },
        });
      };
      await vi.waitFor(look, { timeout: MINUTE, interval: 100 });
    }

    async function askApi(path: string): Promise<unknown> {
      const url = `http://127.0.0.1:8080${path}`;
      return JSON.parse(await execute(container, "wget", "-q", "-O", "-", url));
    }

    function ask(request: Partial<EdgeRequest> = {}) {
      const { websecure: port } = ports;
      return askEdge({ address: "127.0.0.1", port, host: HOST, path: "/v1/models", ...request });
    }

    function load(websecure: number, certificateAuthority: string) {
      return {
        url: `https://${HOST}`,
        connectAddress: "127.0.0.1",
        port: websecure,
        certificateAuthority,
        key: "sk-load",
        model: "gpt-delay-10",
        streamModel: "gpt-pause-20",
        streamWords: 50,
        stagger: 0.3,
      };
    }

    beforeAll(async () => {
      authority = await CertificateAuthority.create(join(folder, "authority"));
      volume = `${prefix}-dynamic`;
      await docker(["volume", "create", `--label=${LAB_LABEL}`, volume]);
      container = await start(
        "traefik",
        [
          "--publish=127.0.0.1::80",
          "--publish=127.0.0.1::443",
          `--volume=${volume}:${DYNAMIC}`,
          "--cap-add=DAC_OVERRIDE",
        ],
        traefikImage.image,
        [
          ...["--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443"],
          "--entrypoints.web.http.redirections.entrypoint.to=:443",
          "--entrypoints.web.http.redirections.entrypoint.scheme=https",
          ...["--entrypoints.traefik.address=127.0.0.1:8080", "--api.insecure=true", "--ping=true"],
          ...[
            `--providers.file.directory=${DYNAMIC}`,
            "--providers.providersthrottleduration=0.3s",
          ],
          "--global.checknewversion=false",
        ],
      );
      const url = "http://127.0.0.1:8080/ping";
      const ping = () => execute(container, "wget", "-q", "-O", "-", url);
      await vi.waitFor(ping, { timeout: MINUTE, interval: 200 });
      ports = { web: await portOf(container, 80), websecure: await portOf(container, 443) };
    });

    afterAll(async () => {
      await docker(["rm", "--force", container]);
      await docker(["volume", "rm", volume]);
    });

    it("is laid out as the official one", async () => {
      expect(await inspect(traefikImage.image, ".Config")).toMatchObject({
        Entrypoint: ["/entrypoint.sh"],
        Cmd: ["traefik"],
        ExposedPorts: { "80/tcp": {} },
      });
      expect(await execute(container, "id", "-u")).toBe("0\n");
      expect(await execute(container, "cat", "/proc/1/comm")).toBe("traefik\n");
      expect(await docker(["run", "--rm", traefikImage.image, "version"])).toMatch(
        /^Version: +3\.6\.12$/m,
      );
      const files = ["/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo/Europe/Berlin"];
      expect(await execute(container, "sh", "-c", `cat ${files.join(" ")} | wc -c`)).toMatch(
        /^\d{5,}\n$/,
      );
    });

    it("routes by files of a folder, and serves the certificate of one", async () => {
      const upstream = await startUpstream("routed");
      const { certificateFile, keyFile } = await authority.issue("edge", [`DNS:${HOST}`]);
      const [certFile, keyText] = [certificateFile, keyFile].map((file) =>
        readFileSync(file, "utf8"),
      );
      await write("credentials.yaml", {
        tls: { certificates: [{ certFile, keyFile: keyText }] },
      });
      await routeTo(upstream);
      const trusted = readFileSync(authority.certificateFile, "utf8");
      const answer = async () => {
        expect(await ask({ certificateAuthority: trusted })).toMatchObject({
          status: 200,
          certificate: { subjectaltname: `DNS:${HOST}` },
        });
      };
      await vi.waitFor(answer, { timeout: MINUTE, interval: 100 });
      expect(await ask({ host: "elsewhere.lab.test" })).toMatchObject({ status: 404 });
      const redirected = await ask({ scheme: "http", port: ports.web });
      expect(redirected.status).toBeOneOf([301, 308]);
      expect(redirected.headers["location"]).toBe(`https://${HOST}/v1/models`);
    });

    it("changes its route under load without harm, and a killed server is noticed", async () => {
      const [old, new_] = [await startUpstream("old"), await startUpstream("new")];
      await routeTo(old);
      const options = load(ports.websecure, readFileSync(authority.certificateFile, "utf8"));
      const around = { before: 2, after: 2 };
      const unharmed = await changeUnderLoad(options, () => routeTo(new_), around);
      console.log(`route changed: ${describeLoad(unharmed)}`);
      expect(unharmed).toMatchObject(UNHARMED);
      const counts = [await countRequests(old), await countRequests(new_)];
      const sum = (model: string) => counts.reduce((total, of) => total + (of[model] ?? 0), 0);
      expect(sum(options.model)).toBe(unharmed.requests);
      expect(sum(options.streamModel)).toBe(unharmed.streams);
      expect(counts.map((of) => of[options.model])).not.toContain(undefined);

      const kill = async () => {
        await docker(["kill", new_]);
        await routeTo(old);
      };
      const harmed = await changeUnderLoad(options, kill, around);
      console.log(`server killed: ${describeLoad(harmed)}`);
      expect(harmed.failed.length).toBeGreaterThan(0);
      expect(harmed.cutStreams.length).toBeGreaterThan(0);
    });

    it("routes by labels, as a Traefik of somebody else's does", async () => {
      const traefik = await TraefikServer.start({
        name: `${prefix}-other-traefik`,
        network: prefix,
        names: [HOST],
      });
      try {
        const upstream = await startUpstream("labelled", {
          "traefik.enable": "true",
          "traefik.http.routers.lab.rule": `Host(\`${HOST}\`)`,
          "traefik.http.routers.lab.entrypoints": "websecure",
          "traefik.http.services.lab.loadbalancer.server.port": "8080",
        });
        const { websecure: port } = traefik.ports;
        const { certificateAuthority } = traefik;
        const answer = async () => {
          expect(await ask({ port, certificateAuthority })).toMatchObject({ status: 200 });
        };
        await vi.waitFor(answer, { timeout: MINUTE, interval: 100 });
        const service: unknown = JSON.parse(await traefik.ask("/api/http/services/lab@docker"));
        expect(service).toMatchObject({ status: "enabled", usedBy: ["lab@docker"] });
        expect(await countRequests(upstream)).toMatchObject({ "": expect.any(Number) as number });
      } finally {
        await traefik.remove();
      }
    });

    it(`gets a certificate from ${pebbleImage.image} by HTTP`, async () => {
      const acme = await AcmeServer.start({ name: `${prefix}-acme`, network: prefix });
      try {
        const authorityFile = acme.directoryAuthorityFile;
        const upstream = await startUpstream("certified");
        const file = join(folder, "acme.json");
        writeFileSync(
          file,
          JSON.stringify({
            http: {
              routers: {
                lab: {
                  rule: `Host(\`${HOST}\`)`,
                  service: "lab",
                  tls: { certResolver: "pebble" },
                },
              },
              services: {
                lab: { loadBalancer: { servers: [{ url: `http://${upstream}:8080` }] } },
              },
            },
          }),
        );
        const resolver = "--certificatesresolvers.pebble.acme";
        const edge = await start(
          "acme-traefik",
          [
            ...[`--network-alias=${HOST}`, "--publish=127.0.0.1::443"],
            `--volume=${file}:/dynamic/routes.yaml:ro`,
            `--volume=${authorityFile}:/authority.pem:ro`,
          ],
          traefikImage.image,
          [
            ...["--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443"],
            ...["--providers.file.directory=/dynamic", "--log.level=INFO"],
            ...[`${resolver}.caserver=${acme.directoryUrl}`, `${resolver}.email=lab@lab.test`],
            `${resolver}.cacertificates=/authority.pem`,
            ...[`${resolver}.storage=/tmp/acme.json`, `${resolver}.httpchallenge.entrypoint=web`],
          ],
        );
        const port = await portOf(edge, 443);
        const certificateAuthority = await acme.readIssuingAuthority();
        const answer = async () => {
          expect(await ask({ port, certificateAuthority })).toMatchObject({
            status: 200,
            certificate: { subjectaltname: `DNS:${HOST}` },
          });
        };
        await vi.waitFor(answer, { timeout: MINUTE, interval: 500 });
        expect(await acme.log()).toContain("set VALID by completed challenge");
      } finally {
        await acme.remove();
      }
    });
  });
});
