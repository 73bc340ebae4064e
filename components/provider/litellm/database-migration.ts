import { randomUUID } from "node:crypto";
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type pg from "pg";
import { z } from "zod";

import {
  parseConnectionUrl,
  type ConnectionTarget,
} from "../../../tools/prisma-engine/connection-url.ts";
import {
  CREATE_MIGRATION_RECORDS,
  MIGRATION_LOCK,
} from "../../../tools/prisma-engine/migration-records.ts";
import { sha256 } from "../../../stacks/sha256.ts";
import { CommandError, runCommand } from "../host/command.ts";
import { findSitePackages } from "../host/python-environment.ts";
import { PartialFailure, type OperationContext, type ResourceDefinition } from "../resource.ts";
import { applyMigrations } from "./schema-engine.ts";

const inputs = z.strictObject({
  python: z.string().min(1).meta({
    description: "Interpreter of the environment whose LiteLLM brings the migrations.",
  }),
  requirementsSha256: z.string().meta({
    description: "Identity of what is installed there: another LiteLLM may bring more migrations.",
  }),
  databaseUrl: z.string().min(1).meta({
    description: "PostgreSQL URL with Prisma's parameters, of a role that owns the schema.",
  }),
  engine: z.enum(["native", "wasm"]).meta({
    description: "With `native`, Prisma's own schema engine applies the migrations.",
  }),
  environment: z.record(z.string(), z.string()).default({}).meta({
    description: "Where Prisma's engines are, as the client's resource gives it.",
  }),
  deadlineSeconds: z.number().positive().default(1800).meta({
    description: "Longest time for all migrations together, waiting for another run included.",
  }),
});

export type DatabaseMigrationInputs = z.output<typeof inputs>;

export interface DatabaseMigrationOutputs {
  /** How many migrations the database records as applied. */
  readonly applied: number;
  /** Name of the newest of them; empty when there is none. */
  readonly latest: string;
  /** How many of LiteLLM's migrations the database lacks. */
  readonly pending: number;
}

/**
 * LiteLLM's database schema: all of its migrations are applied, in order and recorded as
 * Prisma records them, before any proxy starts. Deleting it changes nothing in the
 * database, which goes with its own resource.
 */
export const databaseMigration = {
  token: "litellm:host:DatabaseMigration",
  inputs,
  computedOutputs: ["applied", "latest", "pending"],
  volatileOutputs: ["applied", "latest", "pending"],

  check({ databaseUrl }) {
    try {
      parseConnectionUrl(databaseUrl);
      return [];
    } catch (error) {
      return [{ property: "databaseUrl", reason: (error as Error).message }];
    }
  },

  async create(context, inputs) {
    const { host, port, database } = parseConnectionUrl(inputs.databaseUrl);
    const id = `${host}:${port}/${database}`;
    return { id, outputs: await migrate(context, id, inputs) };
  },

  async read(context, _id, { inputs, outputs }) {
    if (inputs.databaseUrl === undefined || inputs.python === undefined) {
      return undefined; // cannot be imported: nobody knows which LiteLLM it belongs to
    }
    return {
      inputs: inputs as DatabaseMigrationInputs,
      outputs:
        (await observe(context, inputs as DatabaseMigrationInputs)) ??
        (outputs as DatabaseMigrationOutputs),
    };
  },

  update: (context, id, { inputs }) => migrate(context, id, inputs),

  delete: () => Promise.resolve(),

  drift: ({ pending }) => (pending > 0 ? ["pending"] : []),
} satisfies ResourceDefinition<DatabaseMigrationInputs, DatabaseMigrationOutputs>;

const LOCK_POLL_MILLISECONDS = 500;
/** A database that is not there is the matter of another resource. */
const OBSERVE_SECONDS = 3;

interface Migration {
  readonly name: string;
  readonly script: string;
}

interface MigrationRecord {
  readonly migration_name: string;
  readonly is_finished: boolean;
  readonly logs: string | null;
}

async function migrate(
  context: OperationContext,
  id: string,
  inputs: DatabaseMigrationInputs,
): Promise<DatabaseMigrationOutputs> {
  const deadline = AbortSignal.timeout(inputs.deadlineSeconds * 1000);
  const signal = AbortSignal.any([context.signal, deadline]);
  const target = parseConnectionUrl(inputs.databaseUrl);
  try {
    const migrations = await listMigrations(inputs.python);
    const applied = await withConnection(target, async (connection) => {
      if (inputs.engine === "wasm") {
        await deploy(context, connection, target, migrations, signal);
      } else {
        assertMigratable(await readRecords(connection), target);
        await deployWithPrisma(context, inputs, signal);
      }
      const summary = summarise(await readRecords(connection), migrations);
      if (summary.pending > 0) {
        throw new Error(
          `${summary.pending} of LiteLLM's migrations are still not recorded in ${id} after they were applied; run again: pulumi up`,
        );
      }
      return summary;
    });
    await buildRequestLogIndexes(context, id, inputs, target, applied, signal);
    return applied;
  } catch (error) {
    context.signal.throwIfAborted();
    if (deadline.aborted) {
      throw new Error(
        `LiteLLM's migrations were not applied to ${id} within ${inputs.deadlineSeconds} seconds; what was applied is recorded, so run again: pulumi up`,
      );
    }
    throw error;
  }
}

/** What the database records, or undefined when that cannot be found out. */
async function observe(
  context: OperationContext,
  { databaseUrl, python }: DatabaseMigrationInputs,
): Promise<DatabaseMigrationOutputs | undefined> {
  const target = {
    ...parseConnectionUrl(databaseUrl),
    connectTimeoutSeconds: OBSERVE_SECONDS,
    poolTimeoutSeconds: OBSERVE_SECONDS,
  };
  try {
    const migrations = await listMigrations(python);
    const records = await withConnection(target, readRecords);
    return summarise(records, migrations);
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

function summarise(
  records: readonly MigrationRecord[],
  migrations: readonly Migration[],
): DatabaseMigrationOutputs {
  const applied = new Set(
    records.filter((record) => record.is_finished).map((record) => record.migration_name),
  );
  return {
    applied: applied.size,
    latest: [...applied].sort().at(-1) ?? "",
    pending: migrations.filter(({ name }) => !applied.has(name)).length,
  };
}

/** LiteLLM's migrations in the order in which Prisma applies them: by name. */
async function listMigrations(python: string): Promise<Migration[]> {
  const folder = join(await findSitePackages(python), "litellm_proxy_extras/migrations");
  const names = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const migrations: Migration[] = [];
  for (const name of names) {
    const file = join(folder, name, "migration.sql");
    const exists = await access(file).then(
      () => true,
      () => false,
    );
    if (exists) {
      migrations.push({ name, script: await readFile(file, "utf8") });
    }
  }
  if (migrations.length === 0) {
    throw new Error(
      `LiteLLM's migrations are missing in ${folder}; install them again: pulumi up --refresh`,
    );
  }
  return migrations;
}

async function withConnection<Result>(
  target: ConnectionTarget,
  use: (connection: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  // Loaded when needed: most previews never ask the database.
  const { openPool } = await import("../../../tools/prisma-engine/connection-pool.ts");
  const pool = await openPool({ ...target, connectionLimit: 1 }).catch((error: unknown) => {
    const { host, port, database } = target;
    throw new Error(
      `database ${database} at ${host}:${port} cannot be used (${describe(error)}); test it: psql 'postgresql://${target.user}@${host}:${port}/${database}'`,
    );
  });
  try {
    const connection = await pool.connect();
    try {
      return await use(connection);
    } finally {
      connection.release(true);
    }
  } finally {
    await pool.end();
  }
}

/** Migrations that were not rolled back; none when there is no such table yet. */
async function readRecords(connection: pg.PoolClient): Promise<MigrationRecord[]> {
  const { rows: tables } = await connection.query<{ found: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS found`,
  );
  if (tables[0]?.found !== true) {
    return [];
  }
  const { rows } = await connection.query<MigrationRecord>(
    `SELECT migration_name, finished_at IS NOT NULL AS is_finished, logs
     FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

/** Refuses a database with a failed migration, as Prisma does: nobody knows how much of it took effect. */
function assertMigratable(records: readonly MigrationRecord[], target: ConnectionTarget): void {
  const failed = records.find((record) => !record.is_finished);
  if (failed !== undefined) {
    throw new Error(
      `migration "${failed.migration_name}" failed earlier in database ${target.database} (P3009), and no other is applied before that is settled` +
        `${failed.logs === null || failed.logs === "" ? "" : `:\n${failed.logs}`}\n${describeRecovery(failed.migration_name, target)}`,
    );
  }
}

function describeRecovery(name: string, { user, host, port, database }: ConnectionTarget): string {
  const literal = name.replaceAll("'", "''");
  return (
    "remove the cause, undo what the migration left behind, and let the next `pulumi up` apply it again: " +
    `psql 'postgresql://${user}@${host}:${port}/${database}' -c "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${literal}' AND finished_at IS NULL"`
  );
}

/** Applies what is missing as `prisma migrate deploy` would, which the WASM build cannot. */
async function deploy(
  context: OperationContext,
  connection: pg.PoolClient,
  target: ConnectionTarget,
  migrations: readonly Migration[],
  signal: AbortSignal,
): Promise<void> {
  await acquireLock(context, connection, signal);
  await createSchema(connection, target.schema);
  await createRecordTable(connection);
  const records = await readRecords(connection);
  assertMigratable(records, target);
  const applied = new Set(records.map((record) => record.migration_name));
  const missing = migrations.filter(({ name }) => !applied.has(name));
  for (const [index, migration] of missing.entries()) {
    signal.throwIfAborted();
    // Where there is no terminal, every line stays.
    if (index % LOGGED_MIGRATIONS === 0) {
      context.log(`migration ${index + 1} of ${missing.length}: ${migration.name}`, {
        ephemeral: true,
      });
    }
    await applyMigration(connection, target, migration, signal);
  }
}

const LOGGED_MIGRATIONS = 50;

/** Held until the connection is closed. */
async function acquireLock(
  context: OperationContext,
  connection: pg.PoolClient,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { rows } = await connection.query<{ acquired: boolean }>(
      "SELECT pg_try_advisory_lock($1) AS acquired",
      [MIGRATION_LOCK],
    );
    if (rows[0]?.acquired === true) {
      return;
    }
    context.log("waiting for another run that migrates this database", { ephemeral: true });
    await sleep(LOCK_POLL_MILLISECONDS, undefined, { signal });
  }
}

async function createSchema(connection: pg.PoolClient, schema: string): Promise<void> {
  const identifier = `"${schema.replaceAll('"', '""')}"`;
  const { rows } = await connection.query<{ found: boolean }>(
    "SELECT to_regnamespace($1) IS NOT NULL AS found",
    [identifier],
  );
  if (rows[0]?.found !== true) {
    await connection.query(`CREATE SCHEMA ${identifier}`);
  }
}

/** Prisma's own table, made as Prisma makes it. */
async function createRecordTable(connection: pg.PoolClient): Promise<void> {
  const { rows } = await connection.query<{ recorded: boolean; tables: number }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS recorded,
       (SELECT count(*)::int FROM pg_class
        WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM pg_depend
                          WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                            AND deptype = 'e')) AS tables`,
  );
  const { recorded = false, tables = 0 } = rows[0] ?? {};
  if (recorded) {
    return;
  }
  if (tables > 0) {
    throw new Error(
      `the database has ${tables} tables and no record of LiteLLM's migrations (P3005); name an empty database, or record what it already has: https://pris.ly/d/migrate-baseline`,
    );
  }
  await connection.query(CREATE_MIGRATION_RECORDS);
}

async function applyMigration(
  connection: pg.PoolClient,
  target: ConnectionTarget,
  { name, script }: Migration,
  signal: AbortSignal,
): Promise<void> {
  const id = randomUUID();
  const checksum = sha256(script);
  await connection.query(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)",
    [id, checksum, name],
  );
  const cancel = () => void cancelStatement(connection, target);
  signal.addEventListener("abort", cancel);
  try {
    // One query without parameters: PostgreSQL runs all of its statements in one transaction.
    await connection.query(script);
  } catch (error) {
    const report = describeServerError(error);
    await connection.query("UPDATE _prisma_migrations SET logs = $2 WHERE id = $1", [id, report]);
    if (signal.aborted && !endsTransactions(script)) {
      await connection.query("UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = $1", [
        id,
      ]);
    }
    signal.throwIfAborted();
    throw new Error(
      `migration "${name}" could not be applied to database ${target.database} (P3018):\n${report}\n${describeRecovery(name, target)}`,
    );
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  await connection.query(
    "UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = applied_steps_count + 1 WHERE id = $1",
    [id],
  );
}

/** Whether part of a script can stay in effect when a later part fails. */
function endsTransactions(script: string): boolean {
  return /\bCOMMIT\b|\bCONCURRENTLY\b/i.test(script);
}

/** The server would finish a long statement even after its client is gone. */
async function cancelStatement(connection: pg.PoolClient, target: ConnectionTarget): Promise<void> {
  const { processID } = connection as pg.PoolClient & { readonly processID: number };
  await withConnection(target, (other) => other.query("SELECT pg_cancel_backend($1)", [processID]));
}

function describeServerError(error: unknown): string {
  const { code, detail, hint, where } = error as Partial<pg.DatabaseError>;
  return [
    code === undefined ? undefined : `Database error code: ${code}`,
    `Database error: ${describe(error)}`,
    detail,
    hint,
    where,
  ]
    .filter((line) => line !== undefined)
    .join("\n");
}

function describe(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

async function deployWithPrisma(
  context: OperationContext,
  { python, environment, databaseUrl }: DatabaseMigrationInputs,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(await findSitePackages(python), "litellm_proxy_extras");
  context.log("migrating with Prisma's schema engine", { ephemeral: true });
  try {
    await applyMigrations(
      environment["PRISMA_SCHEMA_ENGINE_BINARY"] ?? "schema-engine",
      join(folder, "schema.prisma"),
      join(folder, "migrations"),
      { ...process.env, ...environment, DATABASE_URL: databaseUrl },
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    const { password } = parseConnectionUrl(databaseUrl);
    const report = redact(describe(error), [password, encodeURIComponent(password)]);
    throw new Error(
      `LiteLLM's migrations could not be applied; remove the cause and run again: pulumi up\n${report}`,
    );
  }
}

function redact(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret !== "")
    .reduce((redacted, secret) => redacted.replaceAll(secret, "***"), text);
}

/**
 * LiteLLM builds two large indexes of its request log beside the migrations, and leaves
 * that to the migration job when the proxy runs with DISABLE_SCHEMA_UPDATE. This is its own
 * code for it, without the ten seconds that importing the rest of LiteLLM takes, and without
 * the pauses that let other replicas' jobs get at the lock.
 */
const REQUEST_LOG_INDEXES = `
import sys
sys.modules["litellm"] = sys.modules["prisma"] = None
from litellm_proxy_extras import request_log_indexes
request_log_indexes._LOCK_HANDOVER_SECONDS = 0
sys.exit(not request_log_indexes.ensure_request_log_indexes("", sys.argv[1]))
`;

async function buildRequestLogIndexes(
  context: OperationContext,
  id: string,
  { python }: DatabaseMigrationInputs,
  target: ConnectionTarget,
  applied: DatabaseMigrationOutputs,
  signal: AbortSignal,
): Promise<void> {
  context.log("indexes of the request log", { ephemeral: true });
  const { mode, verify, certificateAuthority } = target.tls;
  try {
    await runCommand(python, ["-c", REQUEST_LOG_INDEXES, target.schema], {
      environment: {
        ...process.env,
        PGHOST: target.host,
        PGPORT: String(target.port),
        PGUSER: target.user,
        PGPASSWORD: target.password,
        PGDATABASE: target.database,
        PGSSLMODE: verify ? "verify-full" : mode,
        ...(certificateAuthority !== undefined && { PGSSLROOTCERT: certificateAuthority }),
      },
      signal,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    throw new PartialFailure(
      `LiteLLM's migrations are applied, but not all indexes of its request log could be built; run again: pulumi up\n${error.message}\n${redact(error.lastLines(), [target.password])}`,
      id,
      applied,
    );
  }
}
