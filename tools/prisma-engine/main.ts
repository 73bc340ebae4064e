import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseConnectionUrl } from "./connection-url.ts";
import { loadEngineModule, startEngine } from "./engine.ts";
import { describeConnectionError, ErrorTranslator, type UserFacingError } from "./errors.ts";
import { openPool } from "./connection-pool.ts";
import { PostgresAdapter } from "./postgres-adapter.ts";
import { findDatasourceUrl, parseSchema } from "./schema.ts";
import { EngineServer } from "./server.ts";

// LiteLLM finds engines that lost their proxy by this beginning of their name.
process.title = "query-engine-wasm";

/** How often to look whether the process that started this one is still there. */
const PARENT_CHECK_MILLISECONDS = 1000;
/** How long requests under way may hold up the exit. LiteLLM kills after half a second. */
const DRAIN_MILLISECONDS = 400;

const { values: options } = parseArgs({
  options: {
    port: { type: "string", short: "p", default: process.env.PORT ?? "4466" },
    host: { type: "string", short: "H", default: "127.0.0.1" },
  },
  // Native engines know more options, which mean nothing here.
  strict: false,
});

const datamodel = readDatamodel(process.env);
const target = parseConnectionUrl(readDatabaseUrl(datamodel, process.env));

const loading = loadEngineModule();
const pool = await openPool(target).catch((error: unknown) =>
  exitWith(describeConnectionError(error, target)),
);
const adapter = new PostgresAdapter(pool, target.schema);
const translator = new ErrorTranslator((id) => adapter.thrownErrors.consume(id), target);
const engine = await startEngine(await loading, datamodel, adapter);
const server = new EngineServer(engine, parseSchema(datamodel), translator).createHttpServer(
  (error) => {
    // The proxy sees the exit and starts a new engine.
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(1);
  },
);
server.listen(Number(options.port), String(options.host));

process.on("SIGINT", stop);
process.on("SIGTERM", stop);
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop();
}, PARENT_CHECK_MILLISECONDS);

function stop(): void {
  setTimeout(() => process.exit(0), DRAIN_MILLISECONDS);
  server.close(() => process.exit(0));
  server.closeIdleConnections();
}

function readDatamodel(environment: NodeJS.ProcessEnv): string {
  const { PRISMA_DML: text, PRISMA_DML_PATH: path } = environment;
  if (text !== undefined) return decodeBase64(text);
  if (path !== undefined) return readFileSync(path, "utf8");
  return fail("PRISMA_DML or PRISMA_DML_PATH must give the Prisma schema");
}

function readDatabaseUrl(schema: string, environment: NodeJS.ProcessEnv): string {
  const { OVERWRITE_DATASOURCES: overwrite } = environment;
  const datasources =
    overwrite === undefined ? [] : (JSON.parse(decodeBase64(overwrite)) as { url?: string }[]);
  return (
    datasources[0]?.url ??
    findDatasourceUrl(schema, environment) ??
    fail("error: Environment variable not found: DATABASE_URL.")
  );
}

/** Native engines take these values plain or in base64. */
function decodeBase64(text: string): string {
  return /^[A-Za-z0-9+/\s]+=*\s*$/.test(text) ? Buffer.from(text, "base64").toString() : text;
}

function fail(message: string): never {
  return exitWith({ is_panic: false, message, meta: {}, error_code: "P1012" });
}

/** Ends as the native engine does when it cannot start: the error as JSON, status 1. */
function exitWith(error: UserFacingError): never {
  process.stderr.write(`${JSON.stringify(error)}\n`);
  process.exit(1);
}
