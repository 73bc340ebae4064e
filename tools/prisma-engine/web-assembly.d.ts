/** What the engine's loader uses of Node's WebAssembly, which TypeScript only declares for browsers. */
declare namespace WebAssembly {
  type Exports = Record<string, unknown>;

  interface Instance {
    readonly exports: Exports;
  }

  class RuntimeError extends Error {}

  function instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ readonly instance: Instance }>;
}
