/**
 * Stand-in for Prisma's native schema engine, as far as `prisma migrate deploy|status|resolve`
 * and `prisma db execute` of Prisma 5.4.2 need it. It speaks that engine's protocol, JSON-RPC
 * by lines (https://prisma.github.io/prisma-engines/doc/migration_core/json_rpc/). What needs
 * a comparison of schemas (`migrate diff`, `db push`) is refused.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import type pg from "pg";

import { openPool } from "./connection-pool.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { describeConnectionError } from "./errors.ts";
import { CREATE_MIGRATION_RECORDS, MIGRATION_LOCK } from "./migration-records.ts";
import { findDatasourceUrl } from "./schema.ts";

/** How long Prisma waits for another run of its own. */
const LOCK_TIMEOUT_MILLISECONDS = 10_000;
const RESOLVE_ADVICE =
  "Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve";

interface Parameters {
  readonly migrationsDirectoryPath: string;
  readonly migrationName: string;
  readonly script: string;
}

interface MigrationRecord {
  readonly migration_name: string;
  readonly checksum: string;
  readonly started_at: Date;
  readonly is_finished: boolean;
}

class KnownError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const { values, positionals } = parseArgs({
  options: { datamodel: { type: "string", short: "d" }, datasource: { type: "string" } },
  allowPositionals: true,
});
if (positionals[0] === "cli") {
  await runCommand(positionals[1] ?? "", values.datasource ?? "");
} else {
  const schema = readFileSync(values.datamodel ?? "schema.prisma", "utf8");
  serve(findDatasourceUrl(schema, process.env) ?? "");
}

/** `schema-engine cli --datasource URL can-connect-to-database|create-database` */
async function runCommand(command: string, url: string): Promise<void> {
  // Prisma skips the first line.
  writeLog("INFO", { message: "Starting schema engine CLI" });
  try {
    await (command === "create-database"
      ? createDatabase(url)
      : withConnection(url, () => Promise.resolve()));
  } catch (error) {
    const { message, code } = toKnownError(error);
    writeLog("ERROR", { message, error_code: code, is_panic: false });
    process.exitCode = 1;
  }
}

function writeLog(level: string, fields: object): void {
  process.stderr.write(`${JSON.stringify({ level, target: "schema_engine::logger", fields })}\n`);
}

async function createDatabase(url: string): Promise<void> {
  const { database } = parseConnectionUrl(url);
  const maintenanceUrl = new URL(url);
  maintenanceUrl.pathname = "/postgres";
  await withConnection(maintenanceUrl.href, (connection) =>
    connection.query(`CREATE DATABASE "${database.replaceAll('"', '""')}"`),
  );
}

function serve(url: string): void {
  createInterface(process.stdin).on("line", (line) => {
    const { id, method, params } = JSON.parse(line) as {
      id: number;
      method: string;
      params: Parameters;
    };
    run(url, method, params).then(
      (result) => {
        reply({ id, result });
      },
      (error: unknown) => {
        const { message, code } = toKnownError(error);
        const data = { is_panic: false, message, meta: {}, error_code: code };
        reply({ id, error: { code: 4466, message, data } });
      },
    );
  });
}

function reply(answer: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...answer })}\n`);
}

async function run(url: string, method: string, parameters: Parameters): Promise<unknown> {
  const folder = parameters.migrationsDirectoryPath;
  switch (method) {
    case "getDatabaseVersion":
      return withConnection(url, async (connection) => {
        const { rows } = await connection.query<{ version: string }>("SELECT version()");
        return rows[0]?.version;
      });
    case "ensureConnectionValidity":
    case "createDatabase":
      return withConnection(url, () => Promise.resolve({ databaseName: "" }));
    case "listMigrationDirectories":
      return { migrations: listMigrations(folder) };
    case "diagnoseMigrationHistory":
      return withConnection(url, (connection) => diagnose(connection, folder));
    case "applyMigrations":
      return withConnection(url, (connection) => applyMigrations(connection, folder));
    case "markMigrationApplied":
      return withConnection(url, (connection) =>
        markApplied(connection, folder, parameters.migrationName),
      );
    case "markMigrationRolledBack":
      return withConnection(url, (connection) =>
        markRolledBack(connection, parameters.migrationName),
      );
    case "dbExecute":
      return withConnection(url, async (connection) => {
        await connection.query(parameters.script);
        return null;
      });
    default:
      throw new Error(`this stand-in for Prisma's schema engine does not know ${method}`);
  }
}

async function withConnection<Result>(
  url: string,
  use: (connection: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const target = { ...parseConnectionUrl(url), connectionLimit: 1 };
  const pool = await openPool(target).catch((error: unknown) => {
    const { error_code: code, message } = describeConnectionError(error, target);
    throw new KnownError(code, message);
  });
  const connection = await pool.connect();
  try {
    return await use(connection);
  } finally {
    connection.release(true);
    await pool.end();
  }
}

function listMigrations(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => existsSync(join(folder, name, "migration.sql")))
        .sort()
    : [];
}

async function readRecords(connection: pg.PoolClient): Promise<MigrationRecord[]> {
  if (!(await hasTable(connection))) {
    return [];
  }
  const { rows } = await connection.query<MigrationRecord>(
    `SELECT migration_name, checksum, started_at, finished_at IS NOT NULL AS is_finished
     FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

async function hasTable(connection: pg.PoolClient): Promise<boolean> {
  const { rows } = await connection.query<{ found: boolean }>(
    "SELECT to_regclass('_prisma_migrations') IS NOT NULL AS found",
  );
  return rows[0]?.found === true;
}

/** What `prisma migrate status` reports. */
async function diagnose(connection: pg.PoolClient, folder: string): Promise<object> {
  const records = await readRecords(connection);
  const recorded = new Map(records.map((record) => [record.migration_name, record]));
  const names = listMigrations(folder);
  const missing = names.filter((name) => !recorded.has(name));
  const edited = names.filter((name) => {
    const checksum = recorded.get(name)?.checksum;
    return checksum !== undefined && checksum !== hashOf(readScript(folder, name));
  });
  return {
    history:
      missing.length === 0
        ? null
        : { diagnostic: "databaseIsBehind", unappliedMigrationNames: missing },
    failedMigrationNames: records
      .filter(({ is_finished: isFinished }) => !isFinished)
      .map((record) => record.migration_name),
    editedMigrationNames: edited,
    hasMigrationsTable: await hasTable(connection),
    drift: null,
    errorInUnappliedMigration: null,
  };
}

async function applyMigrations(connection: pg.PoolClient, folder: string): Promise<object> {
  await acquireLock(connection);
  await createTable(connection);
  const records = await readRecords(connection);
  const failed = records.find(({ is_finished: isFinished }) => !isFinished);
  if (failed !== undefined) {
    throw new KnownError(
      "P3009",
      `migrate found failed migrations in the target database, new migrations will not be applied. ${RESOLVE_ADVICE}\nThe \`${failed.migration_name}\` migration started at ${failed.started_at.toISOString()} failed\n`,
    );
  }
  const applied = new Set(records.map((record) => record.migration_name));
  const missing = listMigrations(folder).filter((name) => !applied.has(name));
  for (const name of missing) {
    await applyMigration(connection, name, readScript(folder, name));
  }
  return { appliedMigrationNames: missing };
}

async function acquireLock(connection: pg.PoolClient): Promise<void> {
  await connection.query(`SET lock_timeout = ${LOCK_TIMEOUT_MILLISECONDS}`);
  try {
    await connection.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
  } catch {
    throw new KnownError(
      "P1002",
      `The database server was reached but timed out.\n\nContext: Timed out trying to acquire a postgres advisory lock (SELECT pg_advisory_lock(${MIGRATION_LOCK})). Elapsed: ${LOCK_TIMEOUT_MILLISECONDS}ms. See https://pris.ly/d/migrate-advisory-locking for details.`,
    );
  }
  await connection.query("SET lock_timeout = 0");
}

async function createTable(connection: pg.PoolClient): Promise<void> {
  if (await hasTable(connection)) {
    return;
  }
  const { rows } = await connection.query<{ tables: number }>(
    `SELECT count(*)::int AS tables FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`,
  );
  if ((rows[0]?.tables ?? 0) > 0) {
    throw new KnownError(
      "P3005",
      "The database schema is not empty. Read more about how to baseline an existing production database: https://pris.ly/d/migrate-baseline",
    );
  }
  await connection.query(CREATE_MIGRATION_RECORDS);
}

async function applyMigration(
  connection: pg.PoolClient,
  name: string,
  script: string,
): Promise<void> {
  const id = randomUUID();
  await connection.query(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)",
    [id, hashOf(script), name],
  );
  try {
    await connection.query(script);
  } catch (error) {
    const { code = "", message } = error as pg.DatabaseError;
    const report = `Migration name: ${name}\n\nDatabase error code: ${code}\n\nDatabase error:\nERROR: ${message}\n`;
    await connection.query("UPDATE _prisma_migrations SET logs = $2 WHERE id = $1", [id, report]);
    throw new KnownError(
      "P3018",
      `A migration failed to apply. New migrations cannot be applied before the error is recovered from. ${RESOLVE_ADVICE}\n\n${report}`,
    );
  }
  await connection.query(
    "UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = $1",
    [id],
  );
}

async function markApplied(
  connection: pg.PoolClient,
  folder: string,
  name: string,
): Promise<object> {
  await acquireLock(connection);
  await createTable(connection);
  const records = await readRecords(connection);
  if (records.some((record) => record.migration_name === name && record.is_finished)) {
    throw new KnownError(
      "P3008",
      `The migration \`${name}\` is already recorded as applied in the database.`,
    );
  }
  await connection.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [name],
  );
  await connection.query(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at)
     VALUES ($1, $2, $3, now(), now())`,
    [randomUUID(), hashOf(readScript(folder, name)), name],
  );
  return {};
}

async function markRolledBack(connection: pg.PoolClient, name: string): Promise<object> {
  await acquireLock(connection);
  const { rowCount } = await connection.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [name],
  );
  if (rowCount === 0) {
    throw new KnownError(
      "P3012",
      `Migration \`${name}\` cannot be rolled back because it is not in a failed state.`,
    );
  }
  return {};
}

function readScript(folder: string, name: string): string {
  return readFileSync(join(folder, name, "migration.sql"), "utf8");
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function toKnownError(error: unknown): { readonly message: string; readonly code?: string } {
  return error instanceof Error ? error : new Error(String(error));
}
