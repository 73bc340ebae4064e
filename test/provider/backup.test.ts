import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";

import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { closeSessions } from "../../components/provider/ssh/session.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import {
  checkBackup,
  type CheckedBackup,
  readDump,
} from "../../tools/operations/backup-content.ts";
import { restoreDump } from "../../tools/operations/database-restore.ts";
import { decrypt, type Key, type Lock } from "../../tools/operations/encryption.ts";
import { listLogSources } from "../../tools/operations/log-sources.ts";
import type { MachinesStack } from "../../tools/operations/machines-stack.ts";
import { makeBackup } from "../../tools/operations/make-backup.ts";
import { maintain } from "../../tools/operations/maintain.ts";
import { readLogs } from "../../tools/operations/read-logs.ts";
import { readStatus } from "../../tools/operations/read-status.ts";
import { restoreBackup } from "../../tools/operations/restore-backup.ts";
import { formatStatus, isWell } from "../../tools/operations/status-page.ts";
import {
  createNetwork,
  labMachines,
  type LabNetwork,
  type Machine,
  startMachine,
} from "../lab/machine.ts";

const SUDO_PASSWORD = "sudo p@ss'word";
const PASSPHRASE = { passphrase: "correct horse battery" };
/** Making a key of a passphrase takes a second. */
const identity = await generateIdentity();
const RECIPIENT = { recipients: [await identityToRecipient(identity)] };
const KEY = { identities: [identity] };
const SALT_KEY = "salt-key-of-the-test";
const MASTER_KEY = "sk-master-key-of-the-test";
const PROVIDER_KEY = "sk-provider-key-in-the-environment-file";
const engine = labMachines();

/** What Prisma, Alembic and use would have made, in all kinds of objects. */
const SCHEMA = `
SET ROLE litellm_user;
CREATE TYPE "JobStatus" AS ENUM ('ACTIVE', 'INACTIVE');
CREATE TABLE "LiteLLM_VerificationToken" (token text PRIMARY KEY, spend float8 NOT NULL DEFAULT 0,
  status "JobStatus" NOT NULL DEFAULT 'ACTIVE', metadata jsonb NOT NULL DEFAULT '{}');
CREATE TABLE "LiteLLM_TeamTable" (team_id text PRIMARY KEY, number serial);
CREATE TABLE requests (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now(), model text);
CREATE TABLE responses (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id_fk uuid NOT NULL REFERENCES requests ON DELETE CASCADE, total_tokens int);
CREATE INDEX requests_model ON requests (model);
CREATE VIEW spend AS SELECT sum(spend) AS total FROM "LiteLLM_VerificationToken";
CREATE FUNCTION total() RETURNS float8 LANGUAGE sql AS 'SELECT total FROM public.spend';
`;
const ROWS = `
SET ROLE litellm_user;
INSERT INTO "LiteLLM_VerificationToken" (token, metadata)
  SELECT encode(sha256(n::text::bytea), 'hex'), '{"note": "tab\\tand: :restore_role ü \\\\."}'
    FROM generate_series(1, 40) AS n;
INSERT INTO "LiteLLM_TeamTable" VALUES ('team-ä'), ('team-b');
INSERT INTO requests (model) SELECT 'chat-' || n % 3 FROM generate_series(1, 3000) AS n;
INSERT INTO responses (request_id_fk, total_tokens) SELECT id, 7 FROM requests;
`;
/** Answers as a gateway that is ready. */
const GATEWAY = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"healthy","db":"connected"}')
http.server.HTTPServer(("127.0.0.1", 4000), Handler).serve_forever()
`;

describe.skipIf(!engine.available)(`backup and restore ${engine.reason}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "backup-test-"));
  const signal = new AbortController().signal;
  let network: LabNetwork;
  let machine: Machine;
  let backup: { readonly file: string; readonly content: CheckedBackup };

  beforeAll(async () => {
    network = await createNetwork(`backup-${process.pid}`);
    machine = await startMachine(`backup-${process.pid}`, {
      network,
      address: network.address(18),
      user: { name: "ops", sudo: "password", password: SUDO_PASSWORD },
    });
    await machine.script(`
      export DEBIAN_FRONTEND=noninteractive
      apt-get -qq update
      apt-get -qq install -o Dpkg::Options::=--force-unsafe-io --no-install-recommends postgresql-17 age >/dev/null 2>&1
      mkdir -p /etc/litellm /opt/litellm /var/lib/litellm
      echo 'OPENAI_API_KEY=${PROVIDER_KEY}' > /etc/litellm/litellm.env
      chmod 640 /etc/litellm/litellm.env
      cat > /opt/litellm/gateway.py <<'PYTHON'
${GATEWAY}
PYTHON
      printf '%s\\n' '[Service]' 'ExecStart=/usr/bin/python3 /opt/litellm/gateway.py' '[Install]' 'WantedBy=multi-user.target' \\
        > /etc/systemd/system/litellm-gateway.service
      printf '%s\\n' '[Socket]' 'ListenStream=127.0.0.1:4999' '[Install]' 'WantedBy=sockets.target' \\
        > /etc/systemd/system/litellm-gateway.socket
      systemctl daemon-reload
      systemctl enable --now --quiet litellm-gateway.service
    `);
    await sql("postgres", "CREATE ROLE litellm_user LOGIN");
    for (const database of ["litellm_db", "empty"]) {
      await sql(
        "postgres",
        `CREATE DATABASE ${database} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      );
      await sql(database, "GRANT CREATE, USAGE ON SCHEMA public TO litellm_user");
      await sql(database, SCHEMA);
    }
    await sql("litellm_db", ROWS);
    const { file } = await back("first");
    backup = { file, content: await checkBackup(await decrypt(file, KEY)) };
  });

  afterAll(async () => {
    await closeSessions();
    await machine.remove();
    await network.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function sql(database: string, text: string): Promise<string> {
    const { code, stdout, stderr } = await machine.execute(
      [
        ...["runuser", "-u", "postgres", "--", "psql"],
        ...["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
      ],
      text,
    );
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  /** All that a database holds, as text. */
  async function dumpText(database: string): Promise<string> {
    const command = ["pg_dump", "--no-privileges", database];
    const { stdout } = await machine.execute(["runuser", "-u", "postgres", "--", ...command]);
    expect(stdout).toContain("LiteLLM_VerificationToken");
    // A new word each time.
    return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "");
  }

  function stackOn(database: string, change: Partial<OperationsPlan> = {}): MachinesStack {
    const connection = { ...machine.connection("ops"), sudoPassword: SUDO_PASSWORD };
    return {
      name: "prod",
      operations: {
        gateway: {
          unit: "litellm-gateway.service",
          socket: "litellm-gateway.socket",
          timers: [],
          user: "litellm",
          program: "/opt/litellm",
          configuration: "/etc/litellm",
          logs: "/var/log/litellm",
          state: "/var/lib/litellm",
          address: "127.0.0.1",
          port: 4000,
        },
        database: {
          unit: "postgresql@17-main.service",
          version: 17,
          cluster: "main",
          port: 5432,
          name: database,
          role: "litellm_user",
          hbaFile: "",
          configurationFile: "",
          address: machine.address,
        },
        engine: "both",
        hasRequestLog: true,
        staticKeys: [],
        ...change,
      },
      machines: { gateway: connection, database: connection },
      versions: { litellm: "1.106.2" },
      secrets: {
        masterKey: MASTER_KEY,
        uiPassword: "ui-password",
        recovery: { saltKey: SALT_KEY, databasePassword: "d", superuserPassword: "s" },
        staticKeys: { alice: "sk-static-key-of-alice" },
      },
    };
  }

  function back(to: string, lock: Lock = RECIPIENT, key: Key = KEY, keep = 7) {
    return makeBackup({
      stack: stackOn("litellm_db"),
      folder: join(folder, to),
      keep,
      lock,
      key,
      files: [{ name: "Pulumi.prod.yaml", content: Buffer.from("config: {}\n") }],
      signal,
    });
  }

  async function restore(file: string, backup: CheckedBackup, replace: boolean): Promise<string[]> {
    const steps: string[] = [];
    await restoreBackup({
      stack: stackOn("empty"),
      ...{ file, key: KEY, backup, replace, signal },
      report: (step) => steps.push(step),
    });
    return steps;
  }

  test("a backup is one encrypted file that only we can read", async () => {
    const { file, manifest } = await back("passphrase", PASSPHRASE, PASSPHRASE);
    expect(file).toMatch(/litellm-prod-\d{8}T\d{6}Z\.tar\.age$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "passphrase")).mode & 0o777).toBe(0o700);
    expect(manifest?.database.tables).toEqual({
      "public.LiteLLM_TeamTable": 2,
      "public.LiteLLM_VerificationToken": 40,
      "public.requests": 3000,
      "public.responses": 3000,
    });
    expect(manifest?.database.server).toMatch(/^17\./);
    const bytes = readFileSync(file);
    for (const secret of [MASTER_KEY, SALT_KEY, PROVIDER_KEY, "PGDMP"]) {
      expect(bytes.includes(secret)).toBe(false);
    }
    await expect(decrypt(file, { passphrase: "some other passphrase" })).rejects.toThrow(
      /the passphrase does not open/,
    );
    const { stdout } = await machine.execute(["cat", "/var/lib/litellm/last-backup.json"]);
    expect(JSON.parse(stdout)).toEqual({ created: manifest?.created });
  });

  test("Debian's own programs open it, and restore from it", async () => {
    const { file } = backup;
    const place = (name: string, text: string) =>
      machine.execute(["sh", "-c", 'umask 077; base64 -d > "$0"', name], text);
    await place("/root/key", Buffer.from(`${identity}\n`).toString("base64"));
    await place("/root/backup", readFileSync(file).toString("base64"));
    const listing = await machine.script(`
      mkdir /root/opened
      cd /root/opened
      age --decrypt --identity /root/key /root/backup | tar --extract
      cat database.dump.* > database.dump
      sha256sum README.txt secrets.json *.tar.gz database.dump Pulumi.prod.yaml
      tar --extract --gzip --file=gateway.tar.gz
      cat etc/litellm/litellm.env
      tar --list --gzip --file=database.tar.gz
      pg_restore --list database.dump
      stat --format=%a%U secrets.json
    `);
    const { stdout } = await machine.execute(["cat", "/root/opened/manifest.json"]);
    const { files } = JSON.parse(stdout) as CheckedBackup["manifest"];
    for (const [name, { sha256 }] of Object.entries(files)) {
      if (name.startsWith("database.dump.")) continue;
      expect(listing).toContain(`${sha256}  ${name}`);
    }
    expect(listing).toContain(PROVIDER_KEY);
    expect(listing).toContain("etc/postgresql/17/main/pg_hba.conf");
    expect(listing).toContain("TABLE DATA public LiteLLM_VerificationToken litellm_user");
    expect(listing).toContain("600root");
    const secrets = await machine.execute(["cat", "/root/opened/secrets.json"]);
    expect(JSON.parse(secrets.stdout)).toMatchObject({
      settings: { saltKey: SALT_KEY, masterKey: MASTER_KEY, superuserPassword: "s" },
      staticKeys: { alice: "sk-static-key-of-alice" },
    });
  });

  test("only the newest backups of the stack stay, and what is not ours", async () => {
    const place = join(folder, "many");
    mkdirSync(place);
    for (const day of ["01", "02", "03"]) {
      writeFileSync(join(place, `litellm-prod-202601${day}T000000Z.tar.age`), "old");
    }
    const others = ["litellm-production-20260101T000000Z.tar.age", "notes.txt"];
    for (const name of others) writeFileSync(join(place, name), "mine");
    mkdirSync(join(place, "litellm-prod-20250101T000000Z.tar.age"));
    const { file, removed } = await back("many", RECIPIENT, KEY, 2);
    expect(removed).toEqual([
      "litellm-prod-20260101T000000Z.tar.age",
      "litellm-prod-20260102T000000Z.tar.age",
    ]);
    expect(readdirSync(place).sort()).toEqual(
      [
        ...["litellm-prod-20250101T000000Z.tar.age", "litellm-prod-20260103T000000Z.tar.age"],
        ...[file.split("/").at(-1) ?? "", ...others],
      ].sort(),
    );
  });

  test("what cannot be dumped leaves no file, and says why", async () => {
    const stack = stackOn("litellm_db");
    const { database } = stack.operations;
    if (database === undefined) throw new Error("there is no database");
    const place = join(folder, "failed");
    const broken = {
      ...stack,
      operations: { ...stack.operations, database: { ...database, name: "nobodys" } },
    };
    await expect(
      makeBackup({ stack: broken, folder: place, keep: 7, lock: RECIPIENT, signal }),
    ).rejects.toThrow(/database "nobodys" does not exist/);
    await sql("litellm_db", "CREATE TABLE held (id int)");
    const holder = sql(
      "litellm_db",
      "BEGIN; LOCK TABLE held; SELECT pg_sleep(3); DROP TABLE held; COMMIT",
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { stdout: dumping } = await machine.execute(["pgrep", "-c", "pg_dump"]);
    expect(dumping.trim()).toBe("0");
    const controller = new AbortController();
    const interrupted = makeBackup({
      stack,
      folder: place,
      ...{ keep: 7, lock: RECIPIENT, signal: controller.signal },
    });
    setTimeout(() => {
      controller.abort(new Error("interrupted"));
    }, 1200);
    await expect(interrupted).rejects.toThrow("interrupted");
    await holder;
    expect(existsSync(place) ? readdirSync(place) : []).toEqual([]);
  });

  test("a damaged backup is told", async () => {
    const bytes = readFileSync(backup.file);
    const file = join(folder, "damaged.age");
    bytes[bytes.length - 5000] = (bytes[bytes.length - 5000] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await expect(decrypt(file, KEY).then(checkBackup)).rejects.toThrow();
    writeFileSync(file, bytes.subarray(0, 70_000));
    await expect(decrypt(file, KEY).then(checkBackup)).rejects.toThrow();
  });

  test("restores into an empty database: all is equal, the gateway was stopped", async () => {
    const { file, content } = backup;
    const before = await machine.execute(["systemctl", "show", "-P", "MainPID", "litellm-gateway"]);
    const steps = await restore(file, content, false);
    expect(steps).toEqual([
      "stopping the gateway",
      "restoring 4 tables into database empty",
      "starting the gateway",
    ]);
    expect(await dumpText("empty")).toBe(await dumpText("litellm_db"));
    const owners = `SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace`;
    expect(await sql("empty", owners)).toBe("litellm_user");
    expect(
      await sql("empty", "SELECT has_schema_privilege('litellm_user', 'public', 'CREATE')"),
    ).toBe("t");
    const after = await machine.execute(["systemctl", "show", "-P", "MainPID", "litellm-gateway"]);
    expect(Number(after.stdout)).toBeGreaterThan(0);
    expect(after.stdout).not.toBe(before.stdout);

    // A second time, over what is there now.
    await expect(restore(file, content, false)).rejects.toThrow(
      /in use: it has rows \(.*40 in LiteLLM_VerificationToken.*--replace/,
    );
    await sql("empty", `CREATE TABLE newer (id int); DELETE FROM requests`);
    await restore(file, content, true);
    expect(await dumpText("empty")).toBe(await dumpText("litellm_db"));
  });

  test("a restore that goes wrong changes nothing", async () => {
    const { file } = backup;
    const { manifest, secrets } = backup.content;
    const { database } = stackOn("empty").operations;
    const connection = stackOn("empty").machines.gateway;
    if (database === undefined) throw new Error("there is no database");
    const before = await dumpText("empty");
    const read = async () => readDump(await decrypt(file, KEY), manifest);
    const tables = { ...manifest.database.tables, "public.requests": 2999 };
    await expect(
      restoreDump(connection, database, { tables, content: await read() }, signal),
    ).rejects.toThrow(/public\.requests has 3000 rows instead of 2999/);
    const whole: Buffer[] = [];
    for await (const chunk of await read()) whole.push(chunk);
    const cut = Buffer.concat(whole).subarray(0, -2000);
    await expect(
      restoreDump(
        connection,
        database,
        { tables: manifest.database.tables, content: Readable.from([cut]) },
        signal,
      ),
    ).rejects.toThrow(/is as it was:[\s\S]*end of file/);
    const broken = function* () {
      yield cut;
      throw new Error("the disk here is gone");
    };
    await expect(
      restoreDump(
        connection,
        database,
        { tables: manifest.database.tables, content: Readable.from(broken()) },
        signal,
      ),
    ).rejects.toThrow("the disk here is gone");
    expect(await dumpText("empty")).toBe(before);
    const other = { ...secrets, settings: { ...secrets.settings, saltKey: "another" } };
    await expect(restore(file, { manifest, secrets: other }, true)).rejects.toThrow(
      /another salt key .*--secrets/,
    );
  });

  test("status tells of both machines, and of what is not well", async () => {
    await machine.script(
      "systemctl stop litellm-gateway; systemctl start litellm-gateway.socket litellm-gateway; systemctl enable --quiet litellm-gateway.socket",
    );
    const well = await readStatus(stackOn("litellm_db"), signal);
    const page = formatStatus("stack prod", well);
    expect(page).toContain("✓ litellm-gateway.service");
    expect(page).toMatch(/✓ PostgreSQL 17\.\d+ .* database \d/);
    expect(page).toContain("ready, database connected");
    expect(page).toMatch(/✓ request log +3,000 rows/);
    expect(page).toMatch(/✓ last backup +\d{4}-/);
    expect(page).toContain("all is well");
    expect(isWell(well)).toBe(true);
    expect(Math.max(...page.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    await machine.script(
      "systemctl stop litellm-gateway litellm-gateway.socket; pg_ctlcluster 17 main stop",
    );
    const ill = formatStatus("stack prod", await readStatus(stackOn("litellm_db"), signal));
    await machine.script("systemctl start litellm-gateway; systemctl start postgresql@17-main");
    expect(ill).toMatch(/✗ litellm-gateway\.service +inactive/);
    expect(ill).toMatch(/✗ PostgreSQL/);
    expect(ill).toMatch(/not well: gateway: litellm-gateway\.service/);
  });

  test("logs of both machines come in the order of time, and can be followed", async () => {
    const stack = stackOn("litellm_db");
    const select = { only: undefined, seconds: 3600 };
    const once = await readLogs(listLogSources(stack, { ...select, follow: false }), signal);
    expect(once.map(({ time }) => time)).toEqual(
      once.map(({ time }) => time).sort((a, b) => a - b),
    );
    expect(Math.abs((once.at(-1)?.time ?? 0) - Date.now())).toBeLessThan(600_000);
    const sourcesOf = (pattern: RegExp) =>
      once.filter(({ text }) => pattern.test(text)).map(({ source }) => source);
    expect(sourcesOf(/Started litellm-gateway\.service/)).toContain("gateway");
    expect(sourcesOf(/database system is ready to accept/)).toContain("database");

    const controller = new AbortController();
    const seen: string[] = [];
    const followed = readLogs(
      listLogSources(stack, { ...select, follow: true, seconds: 1 }),
      controller.signal,
      ({ source, text }) => seen.push(`${source}: ${text}`),
    );
    const ended = expect(followed).rejects.toThrow("enough");
    await vi.waitFor(
      async () => {
        await sql("postgres", "SELECT no_such_column").catch(() => undefined);
        await machine.script("systemctl restart litellm-gateway");
        expect(seen.some((line) => line.includes("no_such_column"))).toBe(true);
        expect(seen.some((line) => line.startsWith("gateway: systemd"))).toBe(true);
      },
      { timeout: 30_000, interval: 500 },
    );
    controller.abort(new Error("enough"));
    await ended;
    await vi.waitFor(
      async () => {
        const { stdout } = await machine.execute(["pgrep", "-a", "journalctl|tail"]);
        expect(stdout).toBe("");
      },
      { timeout: 15_000 },
    );
  });

  test("maintenance vacuums, and shows sizes, long queries and unused indexes", async () => {
    const page = await maintain(stackOn("litellm_db"), signal);
    expect(page).toMatch(/requests +3,000/);
    expect(page).toContain("requests_model");
    expect(page).not.toContain("undefined");
    const vacuumed =
      "SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL AND last_analyze IS NOT NULL";
    expect(await sql("litellm_db", vacuumed)).toBe("4");
    expect(Math.max(...page.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});
