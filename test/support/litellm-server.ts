import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { databaseMigration } from "../../components/provider/litellm/database-migration.ts";
import { prismaClient } from "../../components/provider/litellm/prisma-client.ts";
import { GatewayClient } from "./gateway-client.ts";
import { provideLitellmEnvironment } from "./litellm-environment.ts";
import { operationContext } from "./operation-context.ts";
import { findFreePort } from "./ports.ts";
import { startPostgres } from "./postgres-server.ts";

const MASTER_KEY = "sk-master-of-this-test-0123456789";
const START_SECONDS = 180;

/**
 * `cheap` and `free` answer by themselves, the first at a price: a request costs about 0.00003. What is
 * spent is stored every second, and budgets are looked at for their end every two.
 */
const CONFIG = `
model_list:
  - model_name: cheap
    litellm_params: {model: openai/cheap, api_key: x, mock_response: "hello there", input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}
  - model_name: free
    litellm_params: {model: openai/free, api_key: x, mock_response: "hello"}
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  store_model_in_db: true
  proxy_batch_write_at: 1
  proxy_budget_rescheduler_min_time: 1
  proxy_budget_rescheduler_max_time: 2
  disable_budget_reservation: true
`;

/** A real LiteLLM with a real, migrated database: what access is managed in. */
export interface LitellmServer {
  readonly url: string;
  readonly masterKey: string;
  readonly databaseUrl: string;
  /** With the master key. */
  readonly client: GatewayClient;
  /** What the server printed. */
  readLog(): string;
  /** Ends the process at once, and with `SIGTERM` in good order. */
  halt(signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** At the same port, on the same database. */
  start(): Promise<void>;
  /** Ends everything, and removes it. */
  remove(): Promise<void>;
}

export async function startLitellm({
  config = CONFIG,
  workers = 1,
}: { config?: string; workers?: number } = {}): Promise<LitellmServer> {
  const { context } = operationContext();
  const folder = mkdtempSync(join(tmpdir(), "litellm "));
  const logFile = join(folder, "litellm.log");
  const [installed, postgres] = await Promise.all([provideLitellmEnvironment(), startPostgres()]);
  const { python } = installed;
  const prisma = await prismaClient.create(context, prismaClient.inputs.parse(installed));
  const { engine, environment } = prisma.outputs;
  const databaseUrl = await postgres.createDatabase("litellm");
  await databaseMigration.create(
    context,
    databaseMigration.inputs.parse({ ...installed, databaseUrl, engine, environment }),
  );
  writeFileSync(join(folder, "config.yaml"), config);
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  let proxy: ChildProcess | undefined;
  const readLog = () => readFileSync(logFile, "utf8");
  const isRunning = () => proxy?.exitCode === null && proxy.signalCode === null;

  const start = async () => {
    const log = openSync(logFile, "a", 0o600);
    const arguments_ = [
      resolve("templates/start-litellm.py"),
      ...["--config", join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port)],
      ...["--num_workers", String(workers)],
    ];
    proxy = spawn(python, arguments_, {
      cwd: folder,
      env: {
        ...environment,
        PATH: process.env["PATH"],
        HOME: folder,
        DATABASE_URL: databaseUrl,
        DISABLE_SCHEMA_UPDATE: "true",
        LITELLM_LOCAL_MODEL_COST_MAP: "True",
        LITELLM_MODE: "PRODUCTION",
        LITELLM_MASTER_KEY: MASTER_KEY,
        LITELLM_SALT_KEY: "salt-of-this-test-0123456789",
      },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const deadline = Date.now() + START_SECONDS * 1000;
    while ((await fetch(`${url}/health/readiness`).catch(() => undefined))?.status !== 200) {
      if (!isRunning() || Date.now() > deadline) {
        throw new Error(`LiteLLM did not start:\n${readLog().slice(-3000)}`);
      }
      await sleep(200);
    }
  };
  const halt = async (signal: "SIGKILL" | "SIGTERM" = "SIGTERM") => {
    if (proxy === undefined || !isRunning()) return;
    const exited = once(proxy, "exit");
    proxy.kill(signal);
    await exited;
  };

  await start();
  return {
    url,
    masterKey: MASTER_KEY,
    databaseUrl,
    client: new GatewayClient(url, MASTER_KEY),
    readLog,
    halt,
    start,
    async remove() {
      await halt();
      await postgres.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
