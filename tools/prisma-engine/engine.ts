import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { DriverAdapter } from "@prisma/driver-adapter-utils";
import type { ConstructorOptions } from "@prisma/query-engine-wasm/postgresql/query_engine.js";

/** The engine's own interface; every answer is JSON text. */
export interface QueryEngine {
  connect(trace: string): Promise<void>;
  query(body: string, trace: string, transactionId?: string): Promise<string>;
  startTransaction(options: string, trace: string): Promise<string>;
  commitTransaction(id: string, trace: string): Promise<string>;
  rollbackTransaction(id: string, trace: string): Promise<string>;
}

export interface EngineModule {
  readonly QueryEngine: new (
    options: ConstructorOptions,
    onLog: (entry: string) => void,
    adapter: DriverAdapter,
  ) => QueryEngine;
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
}

/** No tracing is collected, but the engine wants a context with every call. */
export const TRACE = JSON.stringify({
  traceparent: "00-00000000000000000000000000000000-0000000000000000-00",
});

/** Loads Prisma's WASM query engine for PostgreSQL, which has no connection yet. */
export async function loadEngineModule(): Promise<EngineModule> {
  const bindingsUrl = import.meta
    .resolve("@prisma/query-engine-wasm/postgresql/query_engine_bg.js");
  const wasmUrl = new URL("query_engine_bg.wasm", bindingsUrl);
  const [bindings, wasm] = await Promise.all([
    import(bindingsUrl) as Promise<EngineModule>,
    readFile(fileURLToPath(wasmUrl)),
  ]);
  const { instance } = await WebAssembly.instantiate(wasm, { "./query_engine_bg.js": bindings });
  bindings.__wbg_set_wasm(instance.exports);
  return bindings;
}

export async function startEngine(
  { QueryEngine }: EngineModule,
  datamodel: string,
  adapter: DriverAdapter,
): Promise<QueryEngine> {
  const options = { datamodel, logLevel: "error", logQueries: false };
  const engine = new QueryEngine(options, () => undefined, adapter);
  await engine.connect(TRACE);
  return engine;
}
