/** The request log's checks, against a real PostgreSQL and a stand-in for the gateway that writes the log. */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Session } from "../../components/provider/ssh/session.ts";
import { observeMachine } from "../../components/verification/machine-checks.ts";
import type { MachineTarget } from "../../components/verification/machine-target.ts";
import { ProxyClient } from "../../components/proxy-client.ts";
import type { MachineCheck } from "../../stacks/plan/machine-checks.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";

const MASTER_KEY = "sk-master-key-of-this-test";
const TEAM_KEY = "sk-team-key-of-this-test";
const MODEL = "hello";
const LOG: MachineCheck = {
  kind: "request-log",
  model: MODEL,
  keys: [{ alias: "team", mayAsk: true, isRestricted: true }],
};
const LOAD: MachineCheck = {
  kind: "load",
  model: MODEL,
  requests: 12,
  concurrency: 4,
  storedIn: "request-log",
  deadlineSeconds: 1,
};

/** What the stand-in does wrong. */
interface Faults {
  /** Writes each row so many times. */
  readonly copies?: number;
  readonly storesKeys?: boolean;
  readonly losesResponses?: boolean;
  /** Logs this status, whatever was answered. */
  readonly loggedStatus?: number;
  /** Answers this status to every n-th request. */
  readonly failing?: { readonly every: number; readonly status: number };
}

let postgres: PostgresServer;
let database: pg.Pool;
let gateway: Server;
let target: MachineTarget;
let faults: Faults = {};
let served = 0;
let mostAtOnce = 0;
/** Under way. */
let writes: Promise<void>[] = [];

function decide(key: string, model: string): number {
  served += 1;
  const { failing } = faults;
  if (failing !== undefined && served % failing.every === 0) return failing.status;
  if (key !== MASTER_KEY && key !== TEAM_KEY) return 401;
  if (model === MODEL) return 200;
  return key === TEAM_KEY ? 403 : 400;
}

async function log(status: number, key: string, model: string, id: string): Promise<void> {
  const { copies = 1, storesKeys = false, losesResponses = false, loggedStatus = status } = faults;
  // A key that is refused has no id of the client's in the log.
  const request = [401, 403].includes(status) ? "" : id;
  const stored = storesKeys ? key : createHash("sha256").update(key).digest("hex");
  for (let copy = 0; copy < copies; copy++) {
    const row = randomUUID();
    await database.query(
      `INSERT INTO requests (id, created_at, request_id, model, status_code, api_key)
       VALUES ($1, now(), $2, $3, $4, $5)`,
      [row, request, model, loggedStatus, stored],
    );
    if (losesResponses) continue;
    await database.query(
      `INSERT INTO responses (id, request_id_fk, created_at, latency_ms, total_tokens)
       VALUES ($1, $2, now(), 12.5, 7)`,
      [randomUUID(), row],
    );
  }
}

function serveGateway(): Server {
  let atOnce = 0;
  return createServer((request, response) => {
    void (async () => {
      const key = (request.headers.authorization ?? "").replace("Bearer ", "");
      if (request.url === "/metrics/") {
        response.statusCode = key === MASTER_KEY ? 200 : 401;
        response.end("# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n");
        return;
      }
      if (request.url === "/v1/models") {
        response.statusCode = key === TEAM_KEY ? 200 : 401;
        response.end(JSON.stringify({ data: [{ id: MODEL }] }));
        return;
      }
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      const { model } = JSON.parse(await text(request)) as { model: string };
      const id = String(request.headers["x-litellm-call-id"] ?? randomUUID());
      const status = decide(key, model);
      response.writeHead(status, { "content-type": "application/json" });
      const choices = [{ message: { content: "Hi" } }];
      response.end(JSON.stringify(status === 200 ? { id, choices } : { error: { message: "no" } }));
      atOnce -= 1;
      // Batches come later than the answer.
      writes.push(sleep(100).then(() => log(status, key, model, id)));
    })();
  });
}

/** Has the statement that is for `psql` run by another client. */
const session: Session = {
  run: () => Promise.reject(new Error("no script is run here")),
  async try(_script, { input = "" } = {}) {
    const { rows } = await database.query({ text: String(input), rowMode: "array" });
    return { code: 0, stdout: `${JSON.stringify((rows as unknown[][])[0]?.[0])}\n`, stderr: "" };
  },
};

const observe = (check: MachineCheck) => observeMachine(check, target);

beforeAll(async () => {
  postgres = await startPostgres();
  database = new pg.Pool({ connectionString: await postgres.createDatabase("litellm_db"), max: 4 });
  // The server's end, which comes first at times.
  database.on("error", () => undefined);
  await database.query(`
    CREATE ROLE litellm_user LOGIN;
    CREATE TABLE requests (id uuid PRIMARY KEY, created_at timestamptz NOT NULL,
      request_id text NOT NULL, route text, model text, status_code smallint NOT NULL,
      user_id text, api_key text);
    CREATE TABLE responses (id uuid PRIMARY KEY, request_id_fk uuid NOT NULL UNIQUE REFERENCES requests,
      created_at timestamptz NOT NULL, latency_ms double precision, prompt_tokens bigint,
      completion_tokens bigint, total_tokens bigint);
    CREATE TABLE request_log_version (version_num text);
    INSERT INTO request_log_version VALUES ('0001');
    CREATE TABLE "LiteLLM_SpendLogs" (request_id text);`);
  gateway = serveGateway().listen(0, "127.0.0.1");
  await once(gateway, "listening");
  target = {
    operations: {
      gateway: {
        ...{ unit: "litellm-gateway.service", socket: "litellm-gateway.socket", timers: [] },
        ...{ user: "litellm", program: "/opt/litellm", configuration: "/etc/litellm" },
        ...{ logs: "/var/log/litellm", state: "/var/lib/litellm" },
        ...{ address: "127.0.0.1", port: 4000 },
      },
      database: {
        ...{ unit: "postgresql@17-main.service", version: 17, cluster: "main", port: 5432 },
        ...{ name: "litellm_db", role: "litellm_user", hbaFile: "/x/pg_hba.conf" },
        ...{ configurationFile: "/x/litellm.conf", address: "127.0.0.1" },
      },
      engine: "sqlalchemy",
      hasRequestLog: true,
      staticKeys: [{ alias: "team", models: [MODEL] }],
    },
    client: new ProxyClient({
      url: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
    }),
    masterKey: MASTER_KEY,
    staticKeys: { team: TEAM_KEY },
    session: () => session,
  };
});

afterAll(async () => {
  gateway.close();
  await database.end();
  await postgres.stop();
});

beforeEach(() => {
  faults = {};
  served = 0;
  mostAtOnce = 0;
});

afterEach(async () => {
  await Promise.all(writes);
  writes = [];
});

describe("the request log", () => {
  it("has one row for each request, whatever came of it", async () => {
    expect(await observe(LOG)).toBe(
      "5 requests sent, 5 rows: 2 × 200, 1 × 400, 1 × 401, 1 × 403; success rate 40 %; 35 tokens",
    );
    expect(await observe({ kind: "request-log", model: undefined, keys: [] })).toBe(
      "2 requests sent, 2 rows: 1 × 400, 1 × 401; success rate 0 %; 14 tokens",
    );
  });

  it.each<[Faults, RegExp]>([
    [{ copies: 2 }, /^a request answered with 400 has 2 rows; .*`npm run logs`$/],
    [{ storesKeys: true }, /a key is stored as it is, not its hash/],
    [{ losesResponses: true }, /a request answered with 200 has no row in responses/],
    [{ loggedStatus: 500 }, /a request answered with 403 is logged with 500/],
    [{ failing: { every: 3, status: 503 } }, /\b503\b/],
  ])("with %j is found at fault", async (wrong, message) => {
    faults = wrong;
    const failure = await observe(LOG).catch((error: unknown) => error as Error);
    expect(failure).toBeInstanceOf(Error);
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message).not.toMatch(/sk-/);
  });

  it("has as many rows as a load has requests", async () => {
    expect(await observe(LOAD)).toMatch(
      /^12 answered with 200 in [\d.]+ s \(\d+\/s\), median \d+ ms, .*; 12 rows in requests, 12 in responses, success rate 100 %; measured by the gateway: median 13 ms, 95 % within 13 ms$/,
    );
    expect(served).toBe(12);
    expect(mostAtOnce).toBeLessThanOrEqual(4);
  });

  it("that lost or doubled rows of a load is found at fault", async () => {
    faults = { copies: 2 };
    await expect(observe(LOAD)).rejects.toThrow(
      "12 requests were answered, 24 are in the database",
    );
    faults = { copies: 0 };
    await expect(observe(LOAD)).rejects.toThrow("12 requests were answered, 0 are in the database");
    faults = { failing: { every: 6, status: 500 } };
    await expect(observe(LOAD)).rejects.toThrow(
      /^\d of 12 failed; \/v1\/chat\/completions answered 500/,
    );
    await expect(observe({ ...LOAD, storedIn: "spend-log" })).rejects.toThrow("failed");
    faults = {};
    await expect(observe({ ...LOAD, storedIn: "spend-log" })).rejects.toThrow(
      "12 requests were answered, 0 are in the database",
    );
  });
});

describe("keys and metrics", () => {
  it("are accepted, refused and restricted as planned", async () => {
    const key = { alias: "team", expires: undefined };
    expect(await observe({ kind: "static-key", ...key, model: MODEL })).toBe("200 by hello");
    expect(await observe({ kind: "static-key", ...key, model: undefined })).toBe(
      "200, may use hello",
    );
    expect(await observe({ kind: "static-key-restricted", ...key, model: "dear" })).toBe("403");
    await expect(observe({ kind: "static-key-restricted", ...key, model: MODEL })).rejects.toThrow(
      "status 200 came, 403 was expected",
    );
    await expect(
      observe({ kind: "static-key", ...key, model: MODEL, expires: "2020-01-01T00:00:00Z" }),
    ).rejects.toThrow("status 200 came, 401 was expected");
    await expect(
      observe({ kind: "static-key", ...key, alias: "nobody", model: MODEL }),
    ).rejects.toThrow("the stack has no static key nobody; run `pulumi up`");
    expect(await observe({ kind: "metrics", isOpen: false })).toBe(
      "2 metrics with the master key; 401 without a key",
    );
    await expect(observe({ kind: "metrics", isOpen: true })).rejects.toThrow(
      "/metrics/ answered 401",
    );
  });
});

describe("PostgreSQL itself", () => {
  it("is asked in words that it understands", async () => {
    expect(await observe({ kind: "request-log-schema" })).toMatch(
      /^requests \(\d+ rows\), responses \(\d+ rows\), version 0001$/,
    );
    expect(await observe({ kind: "database-activity" })).toMatch(
      /^connections: \d+ active, .* of \d+ on the server\); transactions: \d+ committed, .*; cache hits [\d.]+ %$/,
    );
    // What the test's server lacks of a stack's own.
    await expect(observe({ kind: "database-server" })).rejects.toThrow(/ssl is off/);
    await expect(observe({ kind: "database-role" })).rejects.toThrow(
      "litellm_user may not make tables in litellm_db",
    );
    await database.query("GRANT CREATE ON SCHEMA public TO litellm_user");
    expect(await observe({ kind: "database-role" })).toMatch(
      /^litellm_db \(UTF8, \S+\) of postgres;/,
    );
    expect(await observe({ kind: "database-link" })).toBe(
      "127.0.0.1:5432 answers; no connection is open now",
    );
    await database.query("DROP TABLE responses");
    await expect(observe({ kind: "request-log-schema" })).rejects.toThrow(
      /^tables are missing: responses; run `pulumi up`/,
    );
  });

  it("has all of Prisma's migrations, or says which did not finish", async () => {
    await database.query(`
      CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz);
      INSERT INTO _prisma_migrations VALUES ('a', now(), NULL), ('b', NULL, now());`);
    expect(await observe({ kind: "prisma-schema" })).toBe("2 migrations");
    await database.query("INSERT INTO _prisma_migrations VALUES ('c', NULL, NULL)");
    await expect(observe({ kind: "prisma-schema" })).rejects.toThrow(
      "migrations that did not finish: c; run `pulumi up` again",
    );
  });
});
