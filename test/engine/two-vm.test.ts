import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  createNetwork,
  labMachines,
  type LabNetwork,
  type Machine,
  startMachine,
} from "../lab/machine.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { nameOf, type CommandResult, type PulumiProject } from "../support/pulumi-project.ts";
import { startRetryingLoad } from "../support/retrying-load.ts";

const ROTATED_PASSWORD = "another-password-0123456789";
const MINUTE = 60_000;

const available = labMachines();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
let network: LabNetwork;
/** The machine of the gateway; another one after it was made anew. */
let front: Machine;
let back: Machine;
/** Everything the CLI printed. */
const printed: string[] = [];

const place = (machine: Machine, user: string | undefined, hostKey?: string) => {
  const { options, ...found } = machine.connection(user);
  return {
    address: machine.address,
    ssh: { user: found.user, options, hostKey: hostKey ?? found.hostKey },
  };
};

const model = (name: string) => ({
  name,
  provider: "openai-compatible",
  model: name,
  baseUrl: `http://${network.address(1)}:${new URL(upstream.url).port}/v1`,
});

const configure = (changes: Record<string, unknown> = {}): void => {
  const { database = {}, ...others } = changes as Record<string, object>;
  gateway.configure({
    deployment: {
      topology: "two-vm",
      machine: place(front, "deploy"),
      workers: 1,
      protect: false,
    },
    database: {
      kind: "machine",
      machine: place(back, undefined, "learn"),
      engine: "both",
      keepData: false,
      firewall: "nftables",
      // Of what the machine says it has, other containers have their share.
      memoryMegabytes: 1024,
      tunnelPort: gateway.databasePort,
      ...database,
    },
    requestLog: { retentionDays: 90 },
    staticKeys: { poc: {}, restricted: { models: ["hello"] } },
    access: {
      teams: { search: {} },
      keys: { bot: { team: "search", delivery: { systemdCredential: "litellm-api-key" } } },
    },
    callbacks: [{ kind: "prometheus" }],
    generalSettings: { proxy_batch_write_at: 2 },
    models: [
      { name: "hello", provider: "mock", response: "Hello." },
      model("chat-delay-300"),
      model("stream-pause-50"),
    ],
    ...others,
  });
};

const keep = async (running: Promise<CommandResult>): Promise<CommandResult> => {
  const result = await running;
  printed.push(result.output);
  return result;
};
const up = (...arguments_: string[]) => keep(pulumi.up(...arguments_));
const changes = async (): Promise<string[]> =>
  (await pulumi.preview()).map((step) => `${step.op} ${nameOf(step)}`).sort();
const virtualKeys = async () =>
  (await pulumi.readOutputs())["virtualKeys"] as Record<string, string>;
/** Status of an answer to who has this key. */
const listModels = async (key: string): Promise<number> => {
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${(await outputs())["proxyUrl"] ?? ""}/v1/models`, { headers })).status;
};
const outputs = async () => (await pulumi.readOutputs()) as Record<string, string>;
const mainProcess = async (machine: Machine, unit: string): Promise<string> =>
  (await machine.script(`systemctl show --property=MainPID --value ${unit}`)).trim();
const query = (machine: Machine, sql: string) =>
  machine.script(`runuser -u postgres -- psql -XAtq litellm_db -c "${sql.replaceAll('"', '\\"')}"`);
const awaitChat = () =>
  expect
    .poll(() => gateway.chat("hello").catch((error: unknown) => String(error)), {
      timeout: 2 * MINUTE,
      interval: 1000,
    })
    .toBe("Hello.");
const tool = (script: string, ...arguments_: string[]) =>
  spawnSync(process.execPath, [join("tools", `${script}.ts`), pulumi.stack, ...arguments_], {
    cwd: pulumi.folder,
    encoding: "utf8",
    env: { ...pulumi.environment, BACKUP_PASSPHRASE: "passphrase of a backup 0123456789" },
  });

async function underLoad(change: () => Promise<unknown>) {
  const { proxyUrl = "", staticKeys } = await outputs();
  const load = startRetryingLoad({
    url: proxyUrl,
    key: (staticKeys as unknown as { poc: string }).poc,
    model: "chat-delay-300",
    streamModel: "stream-pause-50",
    clients: 3,
    streamClients: 1,
    pauseMilliseconds: 300,
  });
  await sleep(2000);
  await change();
  await sleep(2000);
  return load.stop();
}

describe.skipIf(!available.available)(`two machines (${available.reason})`, () => {
  beforeAll(async () => {
    upstream = await startUpstream({ host: "0.0.0.0" });
    gateway = await GatewayProject.create();
    ({ pulumi } = gateway);
    network = await createNetwork(gateway.namePrefix);
    [front, back] = await Promise.all([
      startMachine(`${gateway.namePrefix}-front`, {
        network,
        address: network.address(18),
        user: { name: "deploy", sudo: "nopasswd" },
      }),
      startMachine(`${gateway.namePrefix}-back`, { network, address: network.address(19) }),
    ]);
    configure();
  });

  afterAll(async () => {
    await gateway.remove();
    await Promise.all([front.remove(), back.remove()]);
    await network.remove();
    await upstream.close();
  });

  test("become a gateway with its database", async () => {
    const { output } = await up();
    expect(output).toMatch(/checks:/);
    expect(await gateway.chat("hello")).toBe("Hello.");
    const { versions, verified, operations } = (await pulumi.readOutputs()) as {
      versions: Record<string, string>;
      verified: string;
      operations: { engine: string };
    };
    expect(versions).toMatchObject({
      postgresql: "17",
      prismaEngine: expect.any(String) as string,
    });
    expect(verified).toMatch(/^\d+ passed$/);
    expect(operations.engine).toBe("both");
    const { bot = "" } = await virtualKeys();
    expect(await listModels(bot)).toBe(200);
    const credential = "/etc/credstore/litellm-api-key";
    expect(await front.script(`cat ${credential}; stat -c ' %a %U' ${credential}`)).toBe(
      `${bot} 600 root\n`,
    );
    const score = await front.script("systemd-analyze security litellm-gateway.service | tail -1");
    expect(Number(/: ([\d.]+) /.exec(score)?.[1])).toBeLessThanOrEqual(2);
  });

  test("do not change when nothing has changed", async () => {
    const pid = await mainProcess(front, "litellm-gateway");
    await pulumi.succeed("preview", "--expect-no-changes");
    await pulumi.refresh("--expect-no-changes");
    expect((await up()).output).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    expect(await mainProcess(front, "litellm-gateway")).toBe(pid);
  });

  test("let nobody else into PostgreSQL, with the right password and with TLS as well", async () => {
    const { databaseUrl = "" } = await outputs();
    const right = new URL(databaseUrl);
    // This machine is a third one in their network; first without the firewall, which would not answer.
    await back.script("systemctl stop litellm-firewall");
    for (const ssl of [false, { rejectUnauthorized: false }]) {
      const client = new pg.Client({
        host: back.address,
        port: 5432,
        user: right.username,
        password: decodeURIComponent(right.password),
        database: "litellm_db",
        ssl,
        connectionTimeoutMillis: 10_000,
      });
      await expect(client.connect()).rejects.toThrow(/no pg_hba.conf entry/);
    }
    await back.script("systemctl start litellm-firewall");
    const client = new pg.Client({ host: back.address, connectionTimeoutMillis: 3000 });
    await expect(client.connect()).rejects.toThrow(/ECONNREFUSED|timeout|terminated|ECONNRESET/);
    const gatewayUrl = await front.script(
      "grep -o 'sslaccept=strict[^\"]*' /etc/litellm/litellm.env | head -1",
    );
    expect(gatewayUrl).toContain("sslcert=");
  });

  test("get a model under load by one reload, and nobody notices", async () => {
    const pid = await mainProcess(front, "litellm-gateway");
    configure({
      models: [
        { name: "hello", provider: "mock", response: "Hello." },
        { name: "added", provider: "mock", response: "Added." },
        model("chat-delay-300"),
        model("stream-pause-50"),
      ],
    });
    expect(await changes()).toEqual([
      "update gateway-proxy-configuration-litellm-config.yaml",
      "update gateway-proxy-service",
    ]);
    const report = await underLoad(up);
    expect(report.failures).toEqual([]);
    expect(report.requests).toBeGreaterThan(10);
    expect(await gateway.chat("added")).toBe("Added.");
    expect(await mainProcess(front, "litellm-gateway")).toBe(pid);
  });

  test("show what was edited by hand, and are mended", async () => {
    await back.script(
      [
        "echo 'host all all 0.0.0.0/0 trust' >> /etc/postgresql/17/main/pg_hba.conf",
        `runuser -u postgres -- psql -Xqc "ALTER SYSTEM SET password_encryption = 'md5'"`,
      ].join("\n"),
    );
    await front.script(
      [
        "mkdir -p /etc/systemd/system/litellm-gateway.service.d",
        "printf '[Service]\\nProtectSystem=no\\n' > /etc/systemd/system/litellm-gateway.service.d/weak.conf",
        "chmod 644 /etc/litellm/litellm.env",
        "echo '# by hand' >> /etc/litellm/litellm-config.yaml",
        "systemctl stop litellm-gateway.socket litellm-gateway.service",
      ].join("\n"),
    );
    const found = await changes();
    for (const name of ["configuration-litellm-config.yaml", "environment", "service"]) {
      expect(found).toContain(`update gateway-proxy-${name}`);
    }
    expect(found).toContain("update gateway-database-server-service");
    const { output } = await keep(pulumi.succeed("preview", "--diff", "--refresh"));
    expect(output).toContain("0.0.0.0/0");
    await up();
    await pulumi.succeed("preview", "--expect-no-changes");
    expect(await back.script("cat /etc/postgresql/17/main/pg_hba.conf")).not.toContain("trust");
    expect(await front.script("stat -c %a /etc/litellm/litellm.env")).toBe("640\n");
    await awaitChat();
  });

  test("take another password under load, and nobody is refused", async () => {
    await pulumi.setConfig("litellm-gateway:databasePassword", ROTATED_PASSWORD, { secret: true });
    const report = await underLoad(up);
    expect(report.failures).toEqual([]);
    expect(report.requests).toBeGreaterThan(10);
    const roles = await query(back, "SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY 1");
    expect(roles.trim().split("\n")).toHaveLength(2);
  });

  test(
    "come back when they are killed, cut off and restarted",
    async () => {
      await front.script("systemctl kill --signal=SIGKILL litellm-gateway.service");
      await back.script("systemctl kill --signal=SIGKILL postgresql@17-main.service");
      await awaitChat();
      await back.setConnected(false);
      await sleep(30_000);
      await back.setConnected(true);
      await Promise.all([front.reboot(), back.reboot()]);
      await awaitChat();
      const { json } = await gateway.request("/key/generate", { key_alias: "after-restart" });
      expect(json).toMatchObject({ key_alias: "after-restart" });
      await pulumi.succeed("preview", "--expect-no-changes");
    },
    5 * MINUTE,
  );

  test("show their secrets nowhere", async () => {
    const {
      masterKey = "",
      uiPassword = "",
      databaseUrl = "",
      recovery,
      staticKeys,
    } = await outputs();
    const secrets = [
      ...[masterKey, uiPassword, ROTATED_PASSWORD],
      ...[decodeURIComponent(new URL(databaseUrl).password)],
      ...Object.values(recovery as unknown as Record<string, string>),
      ...Object.values(staticKeys as unknown as Record<string, string>),
      ...Object.values(await virtualKeys()),
    ];
    const state = JSON.stringify(await pulumi.exportState());
    const seen = [state, ...printed];
    for (const machine of [front, back]) {
      seen.push(
        await machine.script(
          [
            "journalctl --no-pager --output=cat",
            "ps axww --format=args",
            "cat /root/.*history /home/*/.*history 2>/dev/null || :",
            "cat /var/log/postgresql/*.log 2>/dev/null || :",
            // What everybody may read, of all that was written since the image was made.
            "find /etc /opt /var /run /tmp /home -xdev -type f -perm -004 -size -300k -newer /etc/machine-id -not -path '*/site-packages/*' -exec cat {} + 2>/dev/null || :",
          ].join("\n"),
        ),
      );
    }
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(8);
      for (const text of seen) expect(text.includes(secret)).toBe(false);
    }
  });

  test("are shown on one page, and checked line by line", () => {
    const status = tool("status");
    printed.push(status.stdout);
    expect(status.stdout).toContain("litellm-gateway.service");
    expect(status.status).toBe(0);
    const verified = tool("verify");
    printed.push(verified.stdout);
    expect(verified.stdout).toMatch(/checklist/i);
    expect(verified.status).toBe(0);
    expect(tool("maintain").status).toBe(0);
  });

  test(
    "serve again from another machine at another address",
    async () => {
      await front.remove();
      front = await startMachine(`${gateway.namePrefix}-front`, {
        network,
        address: network.address(21),
        user: { name: "deploy", sudo: "nopasswd" },
      });
      configure();
      await up();
      await awaitChat();
      expect(await back.script("cat /etc/postgresql/17/main/pg_hba.conf")).toContain(
        `${front.address}/32`,
      );
      expect(await back.script("nft list table inet litellm")).toContain(front.address);
      await pulumi.succeed("preview", "--expect-no-changes");
    },
    8 * MINUTE,
  );

  test(
    "are backed up, leave nothing, and are restored on an empty pair",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "backup-"));
      try {
        const { json } = await gateway.request("/key/generate", { key_alias: "kept" });
        const { key } = json as { key: string };
        const { bot = "" } = await virtualKeys();
        const before = await countRows();
        const backup = tool("backup", "--to", folder);
        expect(backup.stderr + backup.stdout).not.toContain(key);
        expect(backup.status).toBe(0);
        const [file = ""] = readdirSync(folder);
        expect(readFileSync(join(folder, file)).includes(key)).toBe(false);
        const { recovery, masterKey = "" } = await outputs();

        await pulumi.destroy();
        await expectNothingLeft();

        const { saltKey = "" } = recovery as unknown as Record<string, string>;
        await pulumi.setConfig("litellm-gateway:saltKey", saltKey, { secret: true });
        await pulumi.setConfig("litellm-gateway:masterKey", masterKey, { secret: true });
        await up();
        const restored = tool("restore", join(folder, file), "--replace");
        expect(restored.stderr + restored.stdout).toMatch(/rows/);
        expect(restored.status).toBe(0);
        const after = await countRows();
        for (const [table, rows] of Object.entries(before)) {
          expect([table, after[table]]).toEqual([table, rows]);
        }
        expect(await listModels(key)).toBe(200);
        // The program's keys are those of the backup again, whose values the new stack does not know.
        configure({ access: { teams: { search: {} }, keys: { bot: { team: "search" } } } });
        await up();
        expect(await listModels(bot)).toBe(200);
        expect(await virtualKeys()).toEqual({ bot: null });
        expect(await changes()).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    10 * MINUTE,
  );

  test(
    "do with the request log alone",
    async () => {
      await pulumi.destroy();
      await pulumi.succeed("config", "rm", "litellm-gateway:saltKey");
      configure({ database: { engine: "sqlalchemy" }, access: undefined });
      const { output } = await up();
      expect(output).toMatch(/checks:/);
      expect(await gateway.chat("hello")).toBe("Hello.");
      await expect
        .poll(async () => Number(await query(back, "SELECT count(*) FROM requests")))
        .toBeGreaterThan(0);
      const tables = await query(
        back,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
      );
      expect(tables).not.toContain("LiteLLM");
      await pulumi.destroy();
    },
    8 * MINUTE,
  );
});

/** Of all tables but those that a gateway writes by itself while it runs. */
async function countRows(): Promise<Record<string, string>> {
  const tables = await query(
    back,
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%SpendLog%' AND tablename NOT LIKE '%Daily%' AND tablename NOT IN ('requests', 'responses', 'LiteLLM_ProxyWorkerHeartbeat') ORDER BY 1",
  );
  const counted = await query(
    back,
    tables
      .trim()
      .split("\n")
      .map((table) => `SELECT '${table}', count(*) FROM "${table}"`)
      .join(" UNION ALL "),
  );
  return Object.fromEntries(
    counted
      .trim()
      .split("\n")
      .map((line) => line.split("|") as [string, string]),
  );
}

async function expectNothingLeft(): Promise<void> {
  const left = await front.script(
    "ls -d /opt/litellm /etc/litellm /var/log/litellm /var/lib/litellm /etc/systemd/system/litellm* 2>/dev/null || :; getent passwd litellm || :; ss -Hltn 'sport = :4000'; :",
  );
  expect(left).toBe("");
  const leftBehind = await back.script(
    "ls -d /var/lib/postgresql/17/main /etc/postgresql/17/main /etc/systemd/system/litellm* /etc/litellm* 2>/dev/null || :; ss -Hltn 'sport = :5432'; :",
  );
  expect(leftBehind).toBe("");
}
