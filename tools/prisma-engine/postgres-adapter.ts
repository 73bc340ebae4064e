import {
  err,
  ok,
  type DriverAdapter,
  type Query,
  type Queryable,
  type Result,
  type ResultSet,
  type Transaction,
} from "@prisma/driver-adapter-utils";
import type pg from "pg";
import { findColumnConversion } from "./column-types.ts";
import { isStatementError } from "./errors.ts";

/** The part of an error that the engine can name; the error itself stays here. */
class ThrownErrors {
  // The engine does not ask for every error, so the oldest give way.
  readonly #errors: unknown[] = Array<unknown>(256).fill(undefined);
  #next = 0;

  add(error: unknown): number {
    const id = this.#next++;
    this.#errors[id % this.#errors.length] = error;
    return id;
  }

  consume(id: number): unknown {
    const index = id % this.#errors.length;
    const error = this.#errors[index];
    this.#errors[index] = undefined;
    return error;
  }
}

const RESULT_FORMAT = {
  rowMode: "array",
  // Native engines prepare every statement: several in one text are refused.
  queryMode: "extended",
  types: { getTypeParser: (oid: number) => findColumnConversion(oid).parse },
} as const;

class PostgresQueryable implements Queryable {
  readonly provider = "postgres";
  readonly adapterName = "@prisma/adapter-pg";
  readonly thrownErrors: ThrownErrors;
  readonly #client: pg.Pool | pg.PoolClient;

  constructor(client: pg.Pool | pg.PoolClient, thrownErrors: ThrownErrors) {
    this.#client = client;
    this.thrownErrors = thrownErrors;
  }

  // The engine calls these detached from their object.
  readonly queryRaw = (query: Query): Promise<Result<ResultSet>> =>
    this.attempt(async () => {
      const { fields, rows } = await this.#execute(query);
      return {
        columnNames: fields.map(({ name }) => name),
        columnTypes: fields.map(({ dataTypeID }) => findColumnConversion(dataTypeID).type),
        rows,
      };
    });

  readonly executeRaw = (query: Query): Promise<Result<number>> =>
    this.attempt(async () => (await this.#execute(query)).rowCount ?? 0);

  async attempt<Value>(operation: () => Promise<Value>): Promise<Result<Value>> {
    try {
      return ok(await operation());
    } catch (error) {
      if (!isStatementError(error)) {
        return err({ kind: "GenericJs", id: this.thrownErrors.add(error) });
      }
      const { code, severity, message, detail, column, hint } = error;
      return err({ kind: "Postgres", code, severity, message, detail, column, hint });
    }
  }

  #execute({ sql, args }: Query): Promise<pg.QueryArrayResult<unknown[]>> {
    return this.#client.query<unknown[]>({ ...RESULT_FORMAT, text: sql, values: args });
  }
}

class PostgresTransaction extends PostgresQueryable implements Transaction {
  // BEGIN, COMMIT and ROLLBACK are sent by the engine.
  readonly options = { usePhantomQuery: false };
  readonly #connection: pg.PoolClient;

  constructor(connection: pg.PoolClient, thrownErrors: ThrownErrors) {
    super(connection, thrownErrors);
    this.#connection = connection;
  }

  readonly commit = (): Promise<Result<void>> => this.#release();
  readonly rollback = (): Promise<Result<void>> => this.#release();

  #release(): Promise<Result<void>> {
    this.#connection.release();
    return Promise.resolve(ok(undefined));
  }
}

/** Lets the engine query PostgreSQL through a pool of connections. */
export class PostgresAdapter extends PostgresQueryable implements DriverAdapter {
  readonly #pool: pg.Pool;
  readonly #schemaName: string;

  constructor(pool: pg.Pool, schemaName: string) {
    super(pool, new ThrownErrors());
    this.#pool = pool;
    this.#schemaName = schemaName;
  }

  readonly getConnectionInfo = () => ok({ schemaName: this.#schemaName });

  readonly startTransaction = (): Promise<Result<Transaction>> =>
    this.attempt(
      async () => new PostgresTransaction(await this.#pool.connect(), this.thrownErrors),
    );
}
