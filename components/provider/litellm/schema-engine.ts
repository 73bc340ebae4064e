import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: { readonly appliedMigrationNames: readonly string[] };
  readonly error?: {
    readonly message: string;
    readonly data?: { readonly message?: string; readonly error_code?: string };
  };
}

const REQUEST_ID = 1;

/**
 * Has Prisma's native schema engine apply migrations, as `prisma migrate deploy` does.
 *
 * The engine is asked directly, over its own protocol: Prisma's command line program first
 * tries the connection by a command with the whole database URL in its arguments.
 *
 * @param environment the whole environment of the engine, with DATABASE_URL
 * @throws Error with Prisma's code and message; the signal's reason when cancelled
 */
export async function applyMigrations(
  program: string,
  schemaFile: string,
  migrationsFolder: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const engine = spawn(program, ["-d", schemaFile], { env: environment });
  const stop = () => engine.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  // The log of the engine; what goes wrong it says in its answer, unless it cannot even start.
  let log = "";
  engine.stderr.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
  engine.stdin.on("error", () => undefined);
  const send = (message: object) =>
    engine.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  try {
    await new Promise<void>((succeed, fail) => {
      engine.once("error", fail);
      engine.once("close", (code) => {
        fail(new Error(`${program} ended with status ${String(code)}\n${readErrors(log)}`.trim()));
      });
      createInterface(engine.stdout).on("line", (line) => {
        const { id, method, result, error } = JSON.parse(line) as Message;
        if (method === "print") {
          send({ id, result: {} });
        } else if (id === REQUEST_ID && result !== undefined) {
          succeed();
        } else if (id === REQUEST_ID) {
          const { error_code: code, message = error?.message } = error?.data ?? {};
          fail(new Error([code, message].filter((part) => part !== undefined).join("\n\n")));
        }
      });
      send({
        id: REQUEST_ID,
        method: "applyMigrations",
        params: { migrationsDirectoryPath: migrationsFolder },
      });
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    engine.removeAllListeners("close");
    engine.kill("SIGTERM");
  }
}

/** Messages of the errors in the engine's log, which is one JSON object a line. */
function readErrors(log: string): string {
  return log
    .split("\n")
    .map((line) => {
      try {
        const { level, fields } = JSON.parse(line) as {
          level: string;
          fields: { message?: string };
        };
        return level === "ERROR" ? (fields.message ?? "") : "";
      } catch {
        return line;
      }
    })
    .filter((line) => line !== "")
    .slice(-12)
    .join("\n");
}
