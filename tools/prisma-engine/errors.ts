import type { ConnectionTarget } from "./connection-url.ts";

/** An error as Prisma's engines report it; clients go by `error_code`. */
export interface UserFacingError {
  is_panic: boolean;
  message: string;
  /** Never absent: prisma-client-py reads it without a check. */
  meta: Record<string, unknown>;
  error_code: string;
}

/** An entry of `errors` in the answer to a query. */
export interface QueryError {
  error: string;
  user_facing_error: UserFacingError;
}

/** Code under which the WASM engine passes on that its driver threw. */
const DRIVER_THREW = "P2036";

/** Errors of the server that are about the connection, not about the statement. */
const CONNECTION_STATES = /^(08\w{3}|28\w{3}|3D000|53300|57P0[1-5])$/;

interface DriverError {
  readonly message: string;
  readonly code?: string;
}

/** An error that the server sent as an answer, with its SQLSTATE. */
export interface ServerError extends DriverError {
  readonly code: string;
  readonly severity: string;
  readonly detail?: string;
  readonly column?: string;
  readonly hint?: string;
}

/** Whether the server refused the statement, rather than the connection. */
export function isStatementError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    "severity" in error &&
    typeof error.severity === "string" &&
    "code" in error &&
    typeof error.code === "string" &&
    !CONNECTION_STATES.test(error.code)
  );
}

/** The error that the native engine reports when a connection fails this way. */
export function describeConnectionError(
  thrown: unknown,
  target: ConnectionTarget,
): UserFacingError {
  const { message, code = "" } = toDriverError(thrown);
  const { host, port, database } = target;
  const meta = { database_host: host, database_port: port };
  if (code === "28P01" || code === "28000") {
    return userFacing(
      "P1000",
      `Authentication failed against database server at \`${host}\`, the provided database credentials for \`${target.user}\` are not valid.\n\nPlease make sure to provide valid database credentials for the database server at \`${host}\`.`,
      { database_host: host, database_user: target.user },
    );
  }
  if (code === "3D000") {
    return userFacing(
      "P1003",
      `Database \`${database}\` does not exist on the database server at \`${host}:${port}\`.`,
      { ...meta, database_name: database },
    );
  }
  if (code === "53300") {
    return userFacing("P2037", `Too many database connections opened: ${message}`, { message });
  }
  if (message === "timeout exceeded when trying to connect") {
    const { connectionLimit, poolTimeoutSeconds } = target;
    return userFacing(
      "P2024",
      `Timed out fetching a new connection from the connection pool. More info: http://pris.ly/d/connection-pool (Current connection pool timeout: ${poolTimeoutSeconds}, connection limit: ${connectionLimit})`,
      { connection_limit: connectionLimit, timeout: poolTimeoutSeconds },
    );
  }
  if (message === "Query read timeout") {
    const { socketTimeoutSeconds } = target;
    return userFacing("P1008", `Operations timed out after ${socketTimeoutSeconds}s`, {
      time: `${socketTimeoutSeconds}s`,
    });
  }
  if (
    code === "57P01" ||
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    /^(Connection terminated unexpectedly|Connection terminated$|Client has encountered a connection error)/.test(
      message,
    )
  ) {
    return userFacing("P1017", "Server has closed the connection.", {});
  }
  return userFacing(
    "P1001",
    `Can't reach database server at \`${host}\`:\`${port}\`\n\nPlease make sure your database server is running at \`${host}\`:\`${port}\`. (${message})`,
    meta,
  );
}

/** A request that this server could not make sense of. */
export function describeInvalidQuery(error: unknown): UserFacingError {
  const message = toDriverError(error).message;
  return userFacing("P2009", `Failed to validate the query: \`${message}\``, {
    query_validation_error: message,
  });
}

function userFacing(
  error_code: string,
  message: string,
  meta: Record<string, unknown>,
): UserFacingError {
  return { is_panic: false, message, meta, error_code };
}

function toDriverError(thrown: unknown): DriverError {
  // A host with several addresses fails once for each.
  if (thrown instanceof AggregateError) return toDriverError(thrown.errors[0]);
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const code = "code" in thrown && typeof thrown.code === "string" ? { code: thrown.code } : {};
  return { message: thrown.message, ...code };
}

/** Puts the error that the driver threw in place of the engine's "external connector" one. */
export class ErrorTranslator {
  readonly #consume: (id: number) => unknown;
  readonly #target: ConnectionTarget;

  constructor(consume: (id: number) => unknown, target: ConnectionTarget) {
    this.#consume = consume;
    this.#target = target;
  }

  translateQueryError(reported: QueryError): QueryError {
    const { error, user_facing_error: original } = reported;
    const translated = this.translate(original);
    return translated === original
      ? reported
      : {
          error: original.error_code === DRIVER_THREW ? translated.message : error,
          user_facing_error: translated,
        };
  }

  translate(reported: Omit<UserFacingError, "meta"> & { meta?: unknown }): UserFacingError {
    const meta = isRecord(reported.meta) ? reported.meta : {};
    if (reported.error_code === DRIVER_THREW && typeof meta.id === "number") {
      return describeConnectionError(this.#consume(meta.id), this.#target);
    }
    return meta === reported.meta ? (reported as UserFacingError) : { ...reported, meta };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
