import { createServer, type IncomingMessage, type Server } from "node:http";
import { TRACE, type QueryEngine } from "./engine.ts";
import {
  describeInvalidQuery,
  type ErrorTranslator,
  type QueryError,
  type UserFacingError,
} from "./errors.ts";
import { parseOperation } from "./graphql.ts";
import { toEngineQuery, toRawRows, untag, type EngineQuery } from "./protocol.ts";
import type { Schema } from "./schema.ts";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type EngineResult = { data: Record<string, unknown> } | { errors: QueryError[] };

interface GraphQlRequest {
  readonly query: string;
}

interface GraphQlBatch {
  readonly batch: readonly GraphQlRequest[];
  readonly transaction?: boolean;
  readonly isolation_level?: string;
}

/** Serves the HTTP interface of Prisma's native query engine on top of the WASM one. */
export class EngineServer {
  readonly #engine: QueryEngine;
  readonly #schema: Schema;
  readonly #errors: ErrorTranslator;

  constructor(engine: QueryEngine, schema: Schema, errors: ErrorTranslator) {
    this.#engine = engine;
    this.#schema = schema;
    this.#errors = errors;
  }

  /** @param onPanic called when the engine broke down and can answer nothing any more. */
  createHttpServer(onPanic: (error: Error) => void): Server {
    const server = createServer((request, response) => {
      this.#answer(request).then(
        ({ status, body }) => {
          const text = body === undefined ? "" : JSON.stringify(body);
          response.writeHead(status, {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(text),
          });
          response.end(text);
        },
        (error: unknown) => {
          response.destroy();
          onPanic(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
    // Longer than any client keeps an idle connection, so that the client is the one to close it.
    server.keepAliveTimeout = 120_000;
    return server;
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const [path = "", search = ""] = (request.url ?? "").split("?");
    const route = `${request.method ?? ""} ${path}`;
    if (route === "POST /")
      return this.#answerQuery(await readText(request), findTransaction(request));
    if (route === "GET /status") return { status: 200, body: { status: "ok" } };
    if (route === "GET /metrics") {
      // Metrics are not collected.
      const body = search.includes("format=json")
        ? { counters: [], gauges: [], histograms: [] }
        : undefined;
      return { status: 200, body };
    }
    if (route === "POST /transaction/start") {
      const started = await this.#engine.startTransaction(await readText(request), TRACE);
      return this.#answerTransaction(started);
    }
    const [, id, verb] = /^POST \/transaction\/([^/]+)\/(commit|rollback)$/.exec(route) ?? [];
    if (id === undefined) return { status: 404, body: undefined };
    const ended =
      verb === "commit"
        ? this.#engine.commitTransaction(id, TRACE)
        : this.#engine.rollbackTransaction(id, TRACE);
    return this.#answerTransaction(await ended);
  }

  #answerTransaction(text: string): Answer {
    const result = JSON.parse(text) as UserFacingError | { id?: string } | null;
    if (result === null || !("message" in result)) return { status: 200, body: result ?? {} };
    const error = this.#errors.translate(result);
    return { status: statusOf(error), body: error };
  }

  async #answerQuery(text: string, transactionId: string | undefined): Promise<Answer> {
    let request: GraphQlRequest | GraphQlBatch;
    try {
      request = JSON.parse(text) as GraphQlRequest | GraphQlBatch;
    } catch {
      return { status: 400, body: undefined };
    }
    try {
      const body =
        "batch" in request
          ? await this.#runBatch(request, transactionId)
          : await this.#run(request, transactionId);
      return { status: 200, body };
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      const description = describeInvalidQuery(error);
      const entry = { error: description.message, user_facing_error: description };
      return { status: 200, body: { data: null, errors: [entry] } };
    }
  }

  async #run(request: GraphQlRequest, transactionId: string | undefined): Promise<unknown> {
    const query = this.#convert(request);
    const text = await this.#engine.query(JSON.stringify(query), TRACE, transactionId);
    return this.#toGraphQl(query, JSON.parse(text) as EngineResult);
  }

  async #runBatch(request: GraphQlBatch, transactionId: string | undefined): Promise<unknown> {
    const queries = request.batch.map((item) => this.#convert(item));
    const isTransaction = request.transaction === true && transactionId === undefined;
    const batch = {
      batch: queries,
      ...(isTransaction && { transaction: { isolationLevel: request.isolation_level } }),
    };
    const text = await this.#engine.query(JSON.stringify(batch), TRACE, transactionId);
    const answer = JSON.parse(text) as { batchResult: EngineResult[] } | { errors: QueryError[] };
    if ("errors" in answer) return this.#toErrors(answer.errors);
    return {
      batchResult: queries.map((query, index) =>
        this.#toGraphQl(query, answer.batchResult[index] ?? { data: {} }),
      ),
    };
  }

  #convert(request: GraphQlRequest): EngineQuery {
    return toEngineQuery(this.#schema, parseOperation(request.query));
  }

  #toGraphQl(query: EngineQuery, answer: EngineResult): unknown {
    if ("errors" in answer) return this.#toErrors(answer.errors);
    const [value] = Object.values(answer.data);
    const result =
      query.action === "queryRaw"
        ? toRawRows(value as Parameters<typeof toRawRows>[0])
        : untag(value);
    return { data: { result } };
  }

  #toErrors(errors: readonly QueryError[]): unknown {
    return { data: null, errors: errors.map((error) => this.#errors.translateQueryError(error)) };
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function findTransaction(request: IncomingMessage): string | undefined {
  const id = request.headers["x-transaction-id"];
  return Array.isArray(id) ? id[0] : id;
}

/** Statuses of the native engine for what can go wrong with a transaction. */
function statusOf({ message }: UserFacingError): number {
  if (message.includes("Unable to start a transaction in the given time")) return 504;
  if (message.includes("Transaction not found")) return 404;
  if (message.includes("Transaction already closed")) return 422;
  return 500;
}
