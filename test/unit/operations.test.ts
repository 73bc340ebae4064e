import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";

import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, describe, expect, test } from "vitest";

import { parseAge, parseCommand } from "../../tools/operations/arguments.ts";
import { packEntry, readArchive } from "../../tools/operations/archive.ts";
import {
  type BackupSources,
  checkBackup,
  packBackup,
  readDump,
} from "../../tools/operations/backup-content.ts";
import { isBackupOf, nameBackup } from "../../tools/operations/backup-files.ts";
import { describeManifest } from "../../tools/operations/backup-page.ts";
import {
  decrypt,
  encrypt,
  readIdentities,
  readLockKind,
} from "../../tools/operations/encryption.ts";
import { parseFacts, readUnits } from "../../tools/operations/host-facts.ts";
import { formatLine, LogReader, mergeLines } from "../../tools/operations/journal.ts";
import { parseOutputs } from "../../tools/operations/machines-stack.ts";
import { formatMaintenance } from "../../tools/operations/maintenance-page.ts";
import { assertFitting } from "../../tools/operations/restore-backup.ts";
import { planSecrets } from "../../tools/operations/set-secrets.ts";
import {
  describeDatabase,
  describeGateway,
  formatStatus,
  isWell,
} from "../../tools/operations/status-page.ts";
import {
  cutText,
  formatBytes,
  formatCount,
  formatDuration,
  formatTable,
  wrapText,
} from "../../tools/operations/text.ts";

const folder = mkdtempSync(join(tmpdir(), "operations-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("text of the pages", () => {
  test("sizes, times and counts are short", () => {
    expect([0, 999, 1000, 1234, 99_940, 99_960, 123_456_789, 4e12].map(formatBytes)).toEqual([
      ...["0 B", "999 B", "1.0 kB", "1.2 kB", "100 kB", "100 kB", "123 MB", "4.0 TB"],
    ]);
    expect([0, 59, 60, 3700, 90_000, 200_000].map(formatDuration)).toEqual([
      ...["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h", "2 d 7 h"],
    ]);
    expect([formatCount(1, "row"), formatCount(2000, "row")]).toEqual(["1 row", "2,000 rows"]);
  });

  test("nothing is wider than its place", () => {
    expect(cutText("äbcdef", 4)).toBe("äbc…");
    expect(wrapText("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapText("unbreakable", 4)).toEqual(["unbreakable"]);
    const table = formatTable(
      ["name", "rows", "query"],
      [
        ["a", 1200, "SELECT ".repeat(30)],
        ["long", 7, "x"],
      ],
    );
    expect(table[0]).toBe("  name   rows  query");
    expect(table[2]).toBe("  long      7  x");
    expect(table[1]).toHaveLength(100);
    expect(table[1]?.endsWith("…")).toBe(true);
  });
});

describe("arguments", () => {
  test("a time to look back is a number with its unit", () => {
    expect(["90s", "15m", "1h", "2d"].map(parseAge)).toEqual([90, 900, 3600, 172_800]);
    for (const wrong of ["1", "h", "-1h", "1 h", "1w"]) {
      expect(() => parseAge(wrong)).toThrow(`"${wrong}" is no time; it goes: --since`);
    }
  });

  test("what a command does not know ends in how it goes", () => {
    expect(() => parseCommand("npm run status [stack]", {}, 1, ["--wrong"])).toThrow(
      /--wrong.*it goes: npm run status \[stack\]$/,
    );
    expect(() => parseCommand("npm run status [stack]", {}, 1, ["a", "b"])).toThrow(
      'there is no use for "b"; it goes:',
    );
    expect(parseCommand("usage", {}, 1, ["prod"]).positionals).toEqual(["prod"]);
  });
});

const unit = (fields: Record<string, string>) =>
  `unit\t${Object.entries({
    LoadState: "loaded",
    ActiveState: "active",
    SubState: "running",
    UnitFileState: "enabled",
    Result: "success",
    NRestarts: "0",
    ActiveEnterTimestampMonotonic: "1000000000",
    ...fields,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join("\t")}\t`;

const HOST = [
  ...["host\tgateway-1", "uptime\t90000.12", "load\t0.10 0.20 0.30", "processors\t2"],
  ...["memory\t4000000000 3000000000", "disk\t40000000000 30000000000 /"],
];
const EXPECTED = {
  service: "litellm-gateway.service",
  socket: "litellm-gateway.socket",
  timers: ["prune.timer"],
  endpoint: "192.168.10.18:4000",
  usesDatabase: true,
  hasBackups: true,
  hasRequestLog: true,
};
const NOW = new Date("2026-11-22T07:00:00Z");

function gatewayPage(change: Readonly<Record<string, string>> = {}) {
  const lines: Record<string, string> = {
    service: unit({ Id: EXPECTED.service }),
    socket: unit({ Id: EXPECTED.socket, SubState: "running" }),
    timer: unit({
      Id: "prune.timer",
      NextElapseUSecRealtime: "Mon 2026-11-23 03:30:00 UTC",
      LastTriggerUSec: "Sun 2026-11-22 03:30:01 UTC",
    }),
    job: unit({ Id: "prune.service", ActiveState: "inactive", UnitFileState: "static" }),
    version: "litellm\t1.106.2",
    readiness: 'readiness\t200\t{"status":"healthy","db":"connected"}',
    spill: "spill\t0 0",
    backup: `backup\t${Buffer.from('{"created":"2026-11-21T07:00:00Z"}').toString("base64")}`,
    ...change,
  };
  const facts = parseFacts([...HOST, ...Object.values(lines)].join("\n"));
  const sections = [
    { title: "gateway  deploy@host", lines: describeGateway(facts, EXPECTED, NOW) },
  ];
  return { page: formatStatus("stack prod", sections), isWell: isWell(sections) };
}

describe("status", () => {
  test("of a gateway that is well", () => {
    const { page, isWell: good } = gatewayPage();
    expect(good).toBe(true);
    expect(page).toBe(`stack prod

gateway  deploy@host
  ✓ machine                  up 1 d 1 h · load 0.10 0.20 0.30 on 2 processors
  ✓ memory                   1.0 GB of 4.0 GB used
  ✓ disk                     /: 25 % of 40 GB used, 30 GB free
  ✓ litellm-gateway.service  active (running) for 1 d · 0 restarts
  ✓ litellm-gateway.socket   running, on 192.168.10.18:4000
  ✓ prune.timer              next 2026-11-23 03:30 UTC · last 2026-11-22 03:30 UTC
  ✓ LiteLLM 1.106.2          ready, database connected
  ✓ spill file               empty
  ✓ last backup              2026-11-21 07:00 UTC, 1 d ago

all is well`);
  });

  test.each([
    [
      "stopped",
      { service: unit({ Id: EXPECTED.service, ActiveState: "inactive", SubState: "dead" }) },
      /✗ litellm-gateway.service +inactive \(dead\)/,
    ],
    [
      "disabled",
      { service: unit({ Id: EXPECTED.service, UnitFileState: "disabled" }) },
      /disabled: it does not start/,
    ],
    [
      "gone",
      { socket: unit({ Id: EXPECTED.socket, LoadState: "not-found" }) },
      /✗ litellm-gateway.socket +is not there; make it: pulumi up/,
    ],
    [
      "job failed",
      { job: unit({ Id: "prune.service", ActiveState: "failed", Result: "exit-code" }) },
      /✗ prune.timer .*failed:\s+exit-code; see journalctl -u\s+prune.service/,
    ],
    [
      "not ready",
      { readiness: "readiness\t503\tno database" },
      /✗ LiteLLM 1.106.2 +not ready: HTTP 503/,
    ],
    [
      "no answer",
      { readiness: "readiness\t0\tConnection refused" },
      /not ready: Connection refused/,
    ],
    [
      "database away",
      { readiness: 'readiness\t200\t{"db":"Not connected"}' },
      /✗ LiteLLM 1.106.2 +ready, database not connected/,
    ],
  ])("%s is not well", (_, change, pattern) => {
    const { page, isWell: good } = gatewayPage(change);
    expect(page).toMatch(pattern);
    expect(good).toBe(false);
  });

  test.each([
    [
      "restarts",
      { service: unit({ Id: EXPECTED.service, NRestarts: "3" }) },
      /⚠ litellm-gateway.service .*3 restarts/,
    ],
    ["spilled rows", { spill: "spill\t1 2048" }, /⚠ spill file +2.0 kB in 1 file/],
    ["no backup", { backup: "" }, /⚠ last backup +none; make one: npm run backup/],
  ])("%s are to be looked at", (_, change: Record<string, string>, pattern) => {
    const { page, isWell: good } = gatewayPage(change);
    expect(page).toMatch(pattern);
    expect(good).toBe(true);
  });

  test("of a database: what is nearly used up, or not applied, is told", () => {
    const of = (lines: string[]) => {
      const facts = parseFacts(
        [
          ...HOST,
          unit({ Id: "postgresql@17-main.service", UnitFileState: "enabled-runtime" }),
          ...lines,
        ].join("\n"),
      );
      const expected = {
        units: ["postgresql@17-main.service"],
        optionalUnits: ["fw.service"],
        hasRequestLog: true,
      };
      const sections = [{ title: "database", lines: describeDatabase(facts, expected, NOW) }];
      return formatStatus("stack", sections);
    };
    const answers = [
      "server\t17.6 (Debian 17.6-1)",
      "started\t3600",
      "size\t25000000",
      "long\t0",
      "unapplied\t0",
      "rules\t0",
      "transactions\t1000 2 0 99.5",
      "logged\t5000 12",
    ];
    const well = of([...answers, "connections\t10 100 8"]);
    expect(well).toContain("✓ PostgreSQL 17.6             up 1 h · database 25 MB");
    expect(well).toMatch(/✓ connections +10 of 100 in use, 8 of them in this database/);
    expect(well).toMatch(/✓ request log +5,000 rows, the last 12 s ago/);
    expect(well).not.toContain("fw.service");
    expect(of([...answers, "connections\t95 100 8"])).toMatch(/✗ connections/);
    expect(of([...answers.filter((line) => !line.startsWith("rules")), "rules\t1"])).toMatch(
      /✗ PostgreSQL 17.6 .*1 setting not applied: pulumi up/,
    );
    expect(of(["failure\tno such file"])).toMatch(/✗ PostgreSQL +no such file/);
  });

  test("units are read as systemctl prints them", () => {
    const facts = parseFacts(unit({ Id: "a.service", DropInPaths: "/etc/a.conf /run/b.conf" }));
    expect(readUnits(facts)).toMatchObject([
      { name: "a.service", activeSince: 1000, dropIns: ["/etc/a.conf", "/run/b.conf"] },
    ]);
  });
});

test("logs of machines in other zones are in the order of time", () => {
  const gateway = new LogReader("gateway");
  const database = new LogReader("database");
  expect(database.read("#offset +0100")).toBeUndefined();
  expect(gateway.read("-- No entries --")).toBeUndefined();
  const lines = [
    gateway.read("2026-11-22T06:55:12.123456+0000 litellm[7]: started"),
    gateway.read("    a second line of it"),
    gateway.read("2026-11-22T06:55:14.000001+00:00 litellm[7]: later"),
    database.read("2026-11-22 07:55:13.500 CET [77] LOG:  ready"),
  ].filter((line) => line !== undefined);
  expect(mergeLines(lines).map((line) => formatLine(line, 8))).toEqual([
    "11-22 06:55:12.123 gateway  │ litellm[7]: started",
    "11-22 06:55:12.123 gateway  │     a second line of it",
    "11-22 06:55:13.500 database │ [77] LOG:  ready",
    "11-22 06:55:14.000 gateway  │ litellm[7]: later",
  ]);
});

test("maintenance is told on one page", () => {
  const page = formatMaintenance(
    {
      databaseBytes: 5e9,
      statisticsSince: 86_400,
      tables: [
        {
          name: "requests",
          live: 3000,
          dead: 12,
          tableBytes: 1e6,
          indexBytes: 2e5,
          totalBytes: 1.2e6,
        },
      ],
      tableCount: 60,
      queries: [
        {
          pid: 7,
          user: "litellm_user",
          state: "active",
          seconds: 700,
          waits: "Lock",
          query: "UPDATE x SET y = '…' ".repeat(20),
        },
      ],
      indexes: [{ name: "requests_model", table: "requests", bytes: 1e5 }],
      indexCount: 1,
    },
    { stack: "prod", database: "litellm_db", seconds: 0.4, hasRetention: true },
  );
  expect(page).toContain(
    "stack prod, database litellm_db: 5.0 GB\n  VACUUM (ANALYZE) took less than 1 s",
  );
  expect(page).toContain(
    "tables, the largest of 60\n  table      rows  dead    data  indexes  in all",
  );
  expect(page).toContain("  requests  3,000    12  1.0 MB   200 kB  1.2 MB");
  expect(page).toMatch(
    /^ {4}7 {2}litellm_user {2}11 min 40 s {2}active, waits for a lock {2}UPDATE x .*…$/m,
  );
  expect(page).toContain("1 index never used in 1 d");
  expect(Math.max(...page.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
});

function sources(dump: readonly Buffer[]): BackupSources {
  return {
    about: {
      created: "2026-11-22T06:55:12.000Z",
      stack: "prod",
      versions: { litellm: "1.106.2" },
      engine: "both",
      database: { name: "litellm_db", role: "litellm_user" },
    },
    secrets: {
      settings: { saltKey: "salt", masterKey: "sk-master" },
      staticKeys: { alice: "sk-a" },
    },
    files: [{ name: "gateway.tar.gz", content: Buffer.from("configuration") }],
    dump: {
      server: "17.6",
      tables: { "public.requests": 3000, "public.responses": 0 },
      content: Readable.from(dump),
    },
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** In pieces that begin and end anywhere. */
function* cut(whole: Buffer, length: number) {
  for (let start = 0; start < whole.length; start += length) {
    yield whole.subarray(start, start + length);
  }
}

describe("backup", () => {
  const dump = Buffer.concat([Buffer.from("PGDMP"), randomBytes(40 * 1024 * 1024 + 17)]);

  test("a large dump comes out as it went in, whatever the pieces", async () => {
    const archive = await collect(packBackup(sources([...cut(dump, 1_234_567)])));
    const { manifest, secrets } = await checkBackup(Readable.from(cut(archive, 777_777)));
    expect(Object.keys(manifest.files).filter((name) => name.startsWith("database.dump."))).toEqual(
      [...["database.dump.0000", "database.dump.0001", "database.dump.0002"]],
    );
    expect(manifest.files["database.dump"]?.bytes).toBe(dump.length);
    expect(secrets.staticKeys).toEqual({ alice: "sk-a" });
    const restored = await collect(readDump(Readable.from(cut(archive, 1_000_003)), manifest));
    expect(restored.equals(dump)).toBe(true);
  });

  test("what was changed, cut or added is told", async () => {
    const small = [Buffer.from("PGDMP and more")];
    const archive = await collect(packBackup(sources(small)));
    const check = (bytes: Buffer) => checkBackup(Readable.from(cut(bytes, 4096)));
    const changed = Buffer.from(archive);
    changed[changed.indexOf("configuration")] = 0;
    await expect(check(changed)).rejects.toThrow("the backup is damaged: gateway.tar.gz");
    await expect(check(archive.subarray(0, -600))).rejects.toThrow("ends too early");
    const extra = packEntry({ name: "extra", content: Buffer.from("x") });
    await expect(check(Buffer.concat([extra, archive]))).rejects.toThrow("damaged: extra");
    await expect(check(Buffer.from("nothing of ours".repeat(100)))).rejects.toThrow("no archive");
    const noDump = await collect(packBackup(sources([Buffer.from("an error message")])));
    await expect(check(noDump)).rejects.toThrow("damaged: database.dump");
    const { manifest } = await check(archive);
    const damaged = Buffer.from(archive);
    damaged[damaged.indexOf("and more")] = 0;
    const seen: Buffer[] = [];
    await expect(async () => {
      for await (const part of readDump(Readable.from(cut(damaged, 4096)), manifest))
        seen.push(part);
    }).rejects.toThrow("has changed while it was read");
    expect(seen).toEqual([]);
  });

  test("an archive is read whatever its files' lengths", async () => {
    const files = [0, 1, 511, 512, 513].map((length) => ({
      name: `file-${length}`,
      content: Buffer.alloc(length, 7),
    }));
    const archive = Buffer.concat([...files.map(packEntry), Buffer.alloc(1024)]);
    const found = [];
    for await (const file of readArchive(Readable.from(cut(archive, 100)))) found.push(file);
    expect(found.map(({ name, content }) => [name, content.length])).toEqual(
      files.map(({ name, content }) => [name, content.length]),
    );
  });

  test("is locked to recipients, and opened by their keys only", async () => {
    const identity = await generateIdentity();
    const file = join(folder, "locked.age");
    const locked = await encrypt(Readable.from([Buffer.from("secret")]), {
      recipients: [await identityToRecipient(identity)],
    });
    writeFileSync(file, await collect(locked));
    expect(readFileSync(file).includes("secret")).toBe(false);
    expect(await readLockKind(file)).toBe("recipients");
    const keys = join(folder, "key.txt");
    writeFileSync(keys, `# created: today\n${identity}\n`);
    const identities = await readIdentities(keys);
    expect((await collect(await decrypt(file, { identities }))).toString()).toBe("secret");
    const others = [await generateIdentity()];
    await expect(decrypt(file, { identities: others })).rejects.toThrow(
      "the identity does not open",
    );
    writeFileSync(keys, "nothing\n");
    await expect(readIdentities(keys)).rejects.toThrow("age-keygen -o");
    await expect(readLockKind(keys)).rejects.toThrow("is no backup of npm run backup");
    const nothing = Readable.from([]);
    await expect(encrypt(nothing, { recipients: ["age1wrong"] })).rejects.toThrow(
      "no recipient of age",
    );
    await expect(encrypt(nothing, { passphrase: "short" })).rejects.toThrow("needs 12; choose");
  });

  test("files are known by name, of one stack only", () => {
    const name = nameBackup("organization/project/prod", new Date("2026-11-22T06:55:12.345Z"));
    expect(name).toBe("litellm-prod-20261122T065512Z.tar.age");
    expect(isBackupOf("prod", name)).toBe(true);
    expect(isBackupOf("dev", name)).toBe(false);
    expect(isBackupOf("prod", "litellm-prod-2-20261122T065512Z.tar.age")).toBe(false);
    expect(isBackupOf("prod", `${name}.unfinished`)).toBe(false);
  });

  test("its description has no secret", async () => {
    const archive = await collect(packBackup(sources([Buffer.from("PGDMP")])));
    const { manifest } = await checkBackup(Readable.from([archive]));
    const page = describeManifest("backups/prod/x.tar.age", manifest, 2048);
    expect(page).toContain("made       2026-11-22 06:55 UTC of stack prod");
    expect(page).toContain("rows       requests 3,000");
    expect(page).not.toMatch(/sk-|salt/);
  });
});

describe("restore", () => {
  const stack = parseOutputs("new", "restore", {
    topology: "two-vm",
    operations: { engine: "both" } as never,
    machines: {} as never,
    versions: { litellm: "1.106.2" },
    recovery: { saltKey: "salt" },
  });
  const backup = async () =>
    checkBackup(Readable.from([await collect(packBackup(sources([Buffer.from("PGDMP")])))]));

  test("takes what fits only", async () => {
    const found = await backup();
    expect(() => {
      assertFitting(stack, found, "f");
    }).not.toThrow();
    const other = { ...stack, secrets: { ...stack.secrets, recovery: { saltKey: "other" } } };
    expect(() => {
      assertFitting(other, found, "f");
    }).toThrow(/another salt key.*npm run restore <new stack> 'f' -- --secrets$/);
    expect(() => {
      assertFitting({ ...stack, versions: { litellm: "2.0.0" } }, found, "f");
    }).toThrow("the backup is of litellm 1.106.2, and stack new has 2.0.0");
    const prisma = { ...stack.operations, engine: "prisma" as const };
    expect(() => {
      assertFitting({ ...stack, operations: prisma }, found, "f");
    }).toThrow('has "prisma"; deploy it with that of the backup');
  });

  test("sets the secrets that a new stack needs, and replaces none without being told", () => {
    const secrets = {
      settings: { saltKey: "salt", masterKey: "sk-m" },
      staticKeys: { alice: "sk-a", bob: "sk-b" },
    };
    const config = {
      "litellm-gateway:saltKey": { value: "salt" },
      "litellm-gateway:staticKeys": { value: '{"bob":{"secret":"bobsKey"}}' },
    };
    const options = { stack: "new", replace: false };
    expect(
      planSecrets(secrets, config, options).map(({ name, value, isSecret }) => [
        name,
        value,
        isSecret,
      ]),
    ).toEqual([
      ["masterKey", "sk-m", true],
      ["secrets.aliceStaticKey", "sk-a", true],
      ["staticKeys.alice.secret", "aliceStaticKey", false],
      ["secrets.bobsKey", "sk-b", true],
    ]);
    const taken = { ...config, "litellm-gateway:masterKey": { value: "sk-other" } };
    expect(() => planSecrets(secrets, taken, options)).toThrow(
      /^stack new has another masterKey than the backup; .*--replace/,
    );
    expect(() => planSecrets(secrets, taken, options)).not.toThrow(/sk-/);
    expect(planSecrets(secrets, taken, { ...options, replace: true })).toHaveLength(4);
  });

  test("stacks without machines of their own are told what to use", () => {
    expect(() => parseOutputs("dev", "backup", { topology: "local" })).toThrow(
      'stack dev has topology "local", and npm run backup is for "two-vm"; use instead: pg_dump with the output databaseUrl',
    );
    expect(() => parseOutputs("prod", "status", { topology: "traefik" })).toThrow("docker ps");
    expect(() => parseOutputs("live", "backup", { topology: "existing" })).toThrow(
      'stack live has topology "existing": its gateway is run elsewhere, and npm run backup is for those who run it; what this stack sees of it: npm run verify live',
    );
    expect(() => parseOutputs("new", "logs", {})).toThrow(
      "stack new is not deployed; deploy it: npm start new",
    );
  });
});
