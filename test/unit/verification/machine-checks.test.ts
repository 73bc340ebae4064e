import { describe, expect, test } from "vitest";

import type { Result, RunOptions, Session } from "../../../components/provider/ssh/session.ts";
import { formatChecklist } from "../../../components/verification/checklist.ts";
import { observeMachine } from "../../../components/verification/machine-checks.ts";
import type { MachineTarget } from "../../../components/verification/machine-target.ts";
import { describeMachineCheck } from "../../../components/verification/machine-titles.ts";
import { ProxyClient } from "../../../components/proxy-client.ts";
import { formatResults } from "../../../components/verification/results-table.ts";
import { type CheckResult, runCheck } from "../../../components/verification/run-check.ts";
import { planChecks, selectQuick } from "../../../stacks/plan/checks.ts";
import {
  type CheckedMachines,
  type MachineCheck,
  type MachineRole,
  planMachineChecks,
} from "../../../stacks/plan/machine-checks.ts";
import type { OperationsPlan } from "../../../stacks/plan/operations.ts";

const OPERATIONS: OperationsPlan = {
  gateway: {
    unit: "litellm-gateway.service",
    socket: "litellm-gateway.socket",
    timers: ["litellm-request-log-retention.timer"],
    user: "litellm",
    program: "/opt/litellm",
    configuration: "/etc/litellm",
    logs: "/var/log/litellm",
    state: "/var/lib/litellm",
    address: "192.168.10.18",
    port: 4000,
  },
  database: {
    unit: "postgresql@17-main.service",
    version: 17,
    cluster: "main",
    port: 5432,
    name: "litellm_db",
    role: "litellm_user",
    hbaFile: "/etc/postgresql/17/main/pg_hba.conf",
    configurationFile: "/etc/postgresql/17/main/conf.d/litellm.conf",
    address: "192.168.10.19",
  },
  engine: "sqlalchemy",
  hasRequestLog: true,
  staticKeys: [],
};
const MACHINES: CheckedMachines = {
  models: ["hello", "gpt-4o-mini"],
  chatModel: "hello",
  spendLogSeconds: undefined,
  metrics: "with-key",
  staticKeys: [
    { alias: "all", models: [] },
    { alias: "other", models: ["gpt-4o-mini"] },
    { alias: "pattern", models: ["gpt-*"] },
    { alias: "ending", models: ["hello"], expires: "2020-01-01T00:00:00Z" },
  ],
};

const select = <Kind extends MachineCheck["kind"]>(checks: readonly MachineCheck[], kind: Kind) =>
  checks.filter((check): check is Extract<MachineCheck, { kind: Kind }> => check.kind === kind);

describe("checks of machines", () => {
  test("follow from what is deployed", () => {
    const kinds = (operations: Partial<OperationsPlan>, deployment: Partial<CheckedMachines>) =>
      planMachineChecks(
        { ...OPERATIONS, ...operations },
        { ...MACHINES, staticKeys: [], ...deployment },
      ).map(({ kind }) => kind);
    const gateway = ["unit", "unit", "unit", "listening", "hardening", "file-modes"];
    const database = [
      ...["unit", "listening", "file-modes"],
      ...["database-server", "database-role", "database-link"],
    ];
    expect(kinds({}, {})).toEqual([
      ...gateway,
      ...database,
      ...["request-log-schema", "metrics", "request-log", "load", "database-activity"],
    ]);
    expect(
      kinds({ engine: "prisma", hasRequestLog: false }, { metrics: "none", chatModel: undefined }),
    ).toEqual([...gateway, ...database, "prisma-schema", "database-activity"]);
    expect(
      kinds(
        { engine: "none", hasRequestLog: false, database: undefined },
        { metrics: "none", chatModel: undefined },
      ),
    ).toEqual(gateway);
  });

  test("expect of each static key what its models and its end allow", () => {
    const checks = planMachineChecks(OPERATIONS, MACHINES);
    expect(select(checks, "static-key").map(({ alias, model }) => [alias, model])).toEqual([
      ["all", "hello"],
      ["other", undefined],
      ["pattern", undefined],
      ["ending", "hello"],
    ]);
    // What a pattern means is LiteLLM's business.
    expect(select(checks, "static-key-restricted")).toEqual([
      { kind: "static-key-restricted", alias: "other", model: "hello" },
    ]);
    expect(select(checks, "request-log")).toMatchObject([
      {
        keys: [
          { alias: "all", mayAsk: true, isRestricted: false },
          { alias: "other", mayAsk: false, isRestricted: true },
          { alias: "pattern", mayAsk: false, isRestricted: true },
        ],
      },
    ]);
  });

  test("put no load on the gateway in `up`, and wait for the spend log as it is written", () => {
    const prisma = { ...OPERATIONS, engine: "prisma", hasRequestLog: false } as const;
    const checks = planMachineChecks(prisma, { ...MACHINES, spendLogSeconds: 60 });
    expect(select(checks, "load")).toMatchObject([
      { requests: 40, concurrency: 8, storedIn: "spend-log", deadlineSeconds: 110 },
    ]);
    expect(selectQuick(checks)).toEqual(
      checks.filter(({ kind }) => kind !== "load" && kind !== "database-activity"),
    );
  });

  test("know that a wrong key is looked up in the file of static keys", () => {
    const deployment = {
      database: "none" as const,
      connections: undefined,
      models: [],
      offersUnregistered: false,
      chatModel: undefined,
      embeddingModel: undefined,
      spendLogSeconds: undefined,
    };
    const wrongKey = (hasStaticKeys: boolean) =>
      planChecks({ ...deployment, hasStaticKeys }).find(({ kind }) => kind === "wrong-key");
    expect(wrongKey(true)).toMatchObject({ status: 401 });
    expect(wrongKey(false)).toMatchObject({ status: 400 });
  });
});

interface Command extends RunOptions {
  readonly machine: MachineRole;
  readonly script: string;
}

/** Machines that answer every command in one way. */
function answering(answer: (command: Command) => string | Partial<Result>): MachineTarget {
  const session = (machine: MachineRole): Session => {
    const attempt = (script: string, options: RunOptions = {}): Promise<Result> => {
      const given = answer({ machine, script, ...options });
      const result = typeof given === "string" ? { stdout: given } : given;
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...result });
    };
    return { try: attempt, run: async (...command) => (await attempt(...command)).stdout };
  };
  return {
    operations: OPERATIONS,
    client: new ProxyClient({ url: "http://127.0.0.1:9" }),
    masterKey: "sk-master",
    staticKeys: {},
    session,
  };
}

describe("a unit", () => {
  const CHECK: MachineCheck = { kind: "unit", machine: "gateway", unit: "a.service" };
  const ACTIVE = {
    LoadState: "loaded",
    ActiveState: "active",
    SubState: "running",
    UnitFileState: "enabled",
    ActiveEnterTimestamp: "Sun 2026-11-22 07:00:00 UTC",
    NRestarts: "0",
    Result: "success",
  };
  const observe = (properties: Readonly<Record<string, string>>) =>
    observeMachine(
      CHECK,
      answering(({ arguments: given }) => {
        expect(given).toEqual(["a.service"]);
        return Object.entries({ ...ACTIVE, ...properties })
          .map(([name, value]) => `${name}=${value}\n`)
          .join("");
      }),
    );

  test("that is well tells since when", async () => {
    expect(await observe({})).toBe("active (running) since Sun 2026-11-22 07:00:00 UTC, enabled");
    expect(await observe({ UnitFileState: "enabled-runtime", NRestarts: "3" })).toBe(
      "active (running) since Sun 2026-11-22 07:00:00 UTC, enabled-runtime, 3 restarts",
    );
  });

  test.each<[Readonly<Record<string, string>>, RegExp]>([
    [{ LoadState: "not-found" }, /^there is no such unit; run `pulumi refresh` and `pulumi up`$/],
    [
      { ActiveState: "failed", SubState: "failed", Result: "exit-code" },
      /^is failed \(failed\), exit-code — see `npm run logs` .* `pulumi up`$/,
    ],
    [{ ActiveState: "inactive", SubState: "dead" }, /^is inactive \(dead\) — see/],
    [{ UnitFileState: "disabled" }, /but disabled: it will not start with the machine; run/],
    [{ UnitFileState: "masked" }, /but masked: /],
  ])("that is %j is told of", async (properties, message) => {
    await expect(observe(properties)).rejects.toThrow(message);
  });
});

describe("a machine", () => {
  const observe = (check: MachineCheck, output: string) =>
    observeMachine(
      check,
      answering(() => output),
    );

  test("tells on which addresses somebody listens", async () => {
    const check: MachineCheck = { kind: "listening", machine: "database", port: 5432 };
    const line = (address: string) => `LISTEN 0 200 ${address}:5432 0.0.0.0:*\n`;
    expect(await observe(check, line("192.168.10.19") + line("[::1]"))).toBe(
      "at 192.168.10.19, [::1]",
    );
    await expect(observe(check, "")).rejects.toThrow(/^nobody listens there; run/);
  });

  test("rates its service", async () => {
    const check: MachineCheck = { kind: "hardening", unit: "a.service", limit: 2 };
    const rated = (points: string) =>
      `✓ User=\n\n→ Overall exposure level for a.service: ${points} OK 🙂\n`;
    expect(await observe(check, rated("1.3"))).toBe(
      "1.3 points of exposure, of 10; 2.0 are allowed",
    );
    expect(await observe(check, rated("2.0"))).toMatch(/^2\.0 points/);
    await expect(observe(check, rated("9.2"))).rejects.toThrow(
      /gives it 9\.2 points .*pulumi up`$/,
    );
    await expect(observe(check, "Unknown unit\n")).rejects.toThrow(
      "does not rate it: Unknown unit",
    );
  });

  test.each<[string, string, RegExp]>([
    ["640 root litellm f /etc/litellm/litellm.env", "", /^1 files in \/etc\/litellm: of root/],
    ["644 root root f /etc/litellm/database-ca.pem", "", /^1 files/],
    ["750 root litellm d /etc/litellm", "", /^0 files/],
    ["644 root root f /etc/litellm/a b.env", "", /^\/etc\/litellm\/a b\.env can be read by every/],
    ["640 litellm litellm f /etc/litellm/x", "", /belongs to litellm, not to root/],
    ["660 root litellm f /etc/litellm/x", "", /can be written by others than root/],
    ["640 root users f /etc/litellm/x", "", /can be read by group users/],
    ["640 root root f /etc/litellm/x", "/opt/litellm/bin/a.py\n", /a\.py can be changed by others/],
  ])("judges %s", async (listed, writable, told) => {
    const target = answering(({ script }) =>
      script.includes("-printf") ? `${listed}\n` : writable,
    );
    const outcome = await observeMachine({ kind: "file-modes", machine: "gateway" }, target).catch(
      (error: unknown) => (error as Error).message,
    );
    expect(outcome).toMatch(told);
  });
});

describe("PostgreSQL", () => {
  const rule = (address: string, type = "hostssl", method = "scram-sha-256") => ({
    ...{ line: 7, type, address, method, error: null },
  });
  const FACTS = {
    version: "17.11 (Debian 17.11-0+deb13u1)",
    encryption: "scram-sha-256",
    addresses: "127.0.0.1,192.168.10.19",
    tls: "on",
    maxConnections: "60",
    sharedBuffers: "256MB",
    faults: null,
    rules: [
      { line: 1, type: "local", address: null, method: "peer", error: null },
      rule("127.0.0.1", "host"),
      rule("192.168.10.18"),
      rule("all", "host", "reject"),
    ],
  };
  const observe = (facts: object) =>
    observeMachine(
      { kind: "database-server" },
      answering(({ machine, user, arguments: given, input }) => {
        expect([machine, user, given]).toEqual([
          "database",
          "postgres",
          ["5432", "litellm_db", "20"],
        ]);
        expect(input).toContain("pg_hba_file_rules");
        return `${JSON.stringify({ ...FACTS, ...facts })}\n`;
      }),
    );

  test("is as planned", async () => {
    expect(await observe({})).toBe(
      "17.11 (Debian 17.11-0+deb13u1), scram-sha-256, TLS; listens on 127.0.0.1,192.168.10.19; lets in 192.168.10.18 from elsewhere; max_connections 60, shared_buffers 256MB",
    );
  });

  test.each<[object, string]>([
    [{ version: "15.4" }, "PostgreSQL 15.4 runs, 17 is planned"],
    [{ encryption: "md5" }, "password_encryption is md5"],
    [{ tls: "off" }, "ssl is off"],
    [{ faults: ["/x/litellm.conf:3 work_mem: invalid"] }, "/x/litellm.conf:3 work_mem: invalid"],
    [{ rules: [rule("0.0.0.0", "host")] }, "pg_hba.conf:7 lets in 0.0.0.0 by host scram-sha-256"],
    [{ rules: [rule("192.168.10.18", "hostssl", "trust")] }, "by hostssl trust"],
    [{ rules: [{ ...rule("x"), type: null, error: "end-of-line" }] }, "pg_hba.conf:7: end-of-line"],
  ])("with %j is not", async (facts, message) => {
    await expect(observe(facts)).rejects.toThrow(message);
    await expect(observe(facts)).rejects.toThrow(/`pulumi up`$/);
  });

  test("that cannot be asked says why, and never what was asked", async () => {
    const failing = (stderr: string) =>
      observeMachine(
        { kind: "database-role" },
        answering(() => ({ code: 2, stderr })),
      );
    await expect(
      failing('psql: error: connection to server on socket "/x" failed: No such file or directory'),
    ).rejects.toThrow(/^PostgreSQL does not run there .*`pulumi up`$/);
    await expect(failing("sh: 4: psql: not found")).rejects.toThrow(/has no psql; run `pulumi up`/);
    await expect(
      failing('psql: error: FATAL:  database "litellm_db" does not exist'),
    ).rejects.toThrow(/^there is no database litellm_db; run/);
  });

  test("that the gateway's machine does not reach is told of", async () => {
    const target = answering(({ machine }) =>
      machine === "gateway"
        ? { code: 1 }
        : JSON.stringify({ connections: 0, open: 0, protocols: null }),
    );
    await expect(observeMachine({ kind: "database-link" }, target)).rejects.toThrow(
      /^the gateway's machine gets no answer from 192\.168\.10\.19:5432 — .*`pulumi up`$/,
    );
  });
});

test("a check of machines fails clearly where the stack has none", async () => {
  const check: MachineCheck = { kind: "database-role" };
  const target = { proxyUrl: "http://127.0.0.1:9", masterKey: "sk-x" };
  expect(await runCheck(check, target)).toMatchObject({
    title: "database and role are there",
    passed: false,
    detail: "the stack's outputs tell of no machines; run `pulumi up`",
  });
  expect(await runCheck(check, { ...target, operations: OPERATIONS })).toMatchObject({
    passed: false,
    detail: "the stack has no machine for its database; run `pulumi up`",
  });
});

describe("the checklist", () => {
  const checks = planMachineChecks(OPERATIONS, { ...MACHINES, staticKeys: [] });
  const results = (failing: readonly string[]): CheckResult[] =>
    checks.map((check) => ({
      title: describeMachineCheck(check),
      passed: !failing.includes(check.kind),
      detail: "as seen",
      milliseconds: 1,
    }));
  const marks = (text: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith("["))
      .map((line) => line.slice(0, 3))
      .join("");

  test("has the eleven lines of the runbook, each with what was seen", () => {
    const text = formatChecklist(checks, results([]), OPERATIONS);
    expect(marks(text)).toBe("[x][x][x][-][x][-][x][-][x][x][-]");
    expect(text).toContain(
      [
        "[x] Database litellm_db created with proper user permissions",
        "    ✓ database and role are there: as seen",
      ].join("\n"),
    );
    expect(text).toContain(
      "[-] Documentation complete and accurate\n      for people to judge: README.md",
    );
  });

  test("leaves a line open when anything that tells of it failed", () => {
    const text = formatChecklist(checks, results(["load", "hardening"]), OPERATIONS);
    expect(marks(text)).toBe("[x][x][x][-][x][-][ ][-][ ][x][-]");
    expect(text).toContain("    ✗ load: 40 requests, 8 at a time: as seen");
  });

  test("and the table keep a detail of several lines together", () => {
    const [result] = results([]);
    if (result === undefined) throw new Error("there are no checks");
    const long = { ...result, detail: "it ended:\nno such file\n" };
    expect(formatResults([long])).toMatch(/ {2}it ended:\n {4}no such file$/);
    const text = formatChecklist(checks.slice(0, 1), [long], OPERATIONS);
    expect(text).toContain("enabled: it ended:\n      no such file\n");
  });

  test("says what is not planned", () => {
    const operations: OperationsPlan = {
      ...OPERATIONS,
      ...{ engine: "prisma", hasRequestLog: false, database: undefined },
    };
    const text = formatChecklist([], [], operations);
    expect(marks(text)).toBe("[-]".repeat(11));
    expect(text).toContain("tables\n      not planned: database.engine is prisma");
    expect(text).toContain("[-] PostgreSQL installed and configured\n      not this stack's");
  });
});
