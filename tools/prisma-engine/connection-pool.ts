import { readFileSync } from "node:fs";
import pg from "pg";
import type { ConnectionTarget } from "./connection-url.ts";

/**
 * Opens a pool and proves with one connection that the database answers.
 *
 * @throws the driver's error.
 */
export async function openPool(target: ConnectionTarget): Promise<pg.Pool> {
  const { mode } = target.tls;
  const pool = createPool(target, mode !== "disable");
  try {
    await probe(pool);
    return pool;
  } catch (error) {
    await pool.end();
    if (mode !== "prefer" || !isWithoutTls(error)) throw error;
  }
  const plainPool = createPool(target, false);
  await probe(plainPool);
  return plainPool;
}

async function probe(pool: pg.Pool): Promise<void> {
  await pool.query("SELECT 1");
}

function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && error.message === "The server does not support SSL connections";
}

function createPool(target: ConnectionTarget, useTls: boolean): pg.Pool {
  const { verify, certificateAuthority } = target.tls;
  const pool = new pg.Pool({
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.database,
    max: target.connectionLimit,
    connectionTimeoutMillis: target.poolTimeoutSeconds * 1000,
    idleTimeoutMillis: target.idleLifetimeSeconds * 1000,
    keepAlive: true,
    Client: withConnectTimeout(target.connectTimeoutSeconds * 1000),
    ssl: useTls && {
      rejectUnauthorized: verify,
      ...(certificateAuthority !== undefined && { ca: readFileSync(certificateAuthority, "utf8") }),
    },
    ...(target.socketTimeoutSeconds > 0 && { query_timeout: target.socketTimeoutSeconds * 1000 }),
    ...(target.applicationName !== undefined && { application_name: target.applicationName }),
    ...(target.options !== undefined && { options: target.options }),
  });
  // An idle connection that breaks is replaced at the next query, which reports its own errors.
  pool.on("error", () => undefined);
  return pool;
}

/** The pool's time limit is for waiting in its queue; connecting has one of its own. */
function withConnectTimeout(
  connectionTimeoutMillis: number,
): new (config?: pg.ClientConfig) => pg.Client {
  return class extends pg.Client {
    constructor(config: pg.ClientConfig = {}) {
      // Inherited, not copied: the pool hides the password from copies.
      const limited: pg.ClientConfig = Object.create(config, {
        connectionTimeoutMillis: { value: connectionTimeoutMillis },
      }) as pg.ClientConfig;
      super(limited);
    }
  };
}
