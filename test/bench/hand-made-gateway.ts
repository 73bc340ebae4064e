import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { observeCircumstances } from "../../components/circumstances.ts";
import { inheritedEnvironment } from "../../components/provider/host/process.ts";
import { pythonEnvironment } from "../../components/provider/host/python-environment.ts";
import { findUv } from "../../components/provider/host/uv.ts";
import { planLocal } from "../../stacks/plan/local-plan.ts";
import type { EmbeddedDatabasePlan, LocalPlan } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { findFreePort } from "../support/ports.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { MODELS } from "./chat.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const SCRIPT = join(import.meta.dirname, "by-hand.sh");
const LOCK_FILE = join(CHECKOUT, "components/provider/litellm/requirements.lock");
/** The same gateway without Pulumi: `by-hand.sh` with the same versions, files and environment. */
export class HandMadeGateway implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly #folder: string;
  readonly #arguments: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  #script: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(
    folder: string,
    endpoint: Endpoint,
    arguments_: readonly string[],
    environment: NodeJS.ProcessEnv,
  ) {
    this.#folder = folder;
    this.endpoint = endpoint;
    this.#arguments = arguments_;
    this.#environment = environment;
  }

  /** Lays out what an engineer has at hand: configuration files and secrets. */
  static async create(): Promise<HandMadeGateway> {
    const secrets = generateSecrets();
    const plan = await planGateway(secrets.masterKey);
    const database = plan.database as EmbeddedDatabasePlan;
    const environment = await composeEnvironment(plan, database, secrets);
    const folder = mkdtempSync(join(tmpdir(), "by hand "));
    // Root's PostgreSQL runs as another user, who must be able to come here.
    chmodSync(folder, 0o755);
    const { server } = database;
    const files = {
      [plan.proxy.configFile]: plan.proxy.config,
      [server.configurationFile]: server.configuration,
      [server.hbaFile]: server.hba,
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const endpoint = { url: plan.proxyUrl, masterKey: secrets.masterKey };
    return new HandMadeGateway(folder, endpoint, plan.proxy.arguments, environment);
  }

  launch(): Promise<void> {
    const script = spawn("bash", [SCRIPT, ...this.#arguments], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    script.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    script.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    const launched = new Promise<void>((_succeed, fail) => {
      script.once("error", fail);
      script.once("close", (code) => {
        fail(new Error(`${SCRIPT} ended with exit code ${String(code)}:\n${output}`));
      });
    });
    this.#script = script;
    this.#ended = launched.catch(() => undefined);
    return launched;
  }

  async remove(): Promise<void> {
    this.#script?.kill("SIGTERM");
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function generateSecrets() {
  const generate = (): string => randomBytes(20).toString("hex");
  return {
    masterKey: `sk-${generate()}`,
    saltKey: generate(),
    uiPassword: generate(),
    superuserPassword: generate(),
    databasePassword: generate(),
  };
}

async function planGateway(masterKey: string): Promise<LocalPlan> {
  const settings = parseSettings({
    plain: {
      deployment: { topology: "local", proxyPort: await findFreePort() },
      database: { kind: "embedded", port: await findFreePort() },
      models: MODELS,
    },
    secret: { masterKey },
  });
  const { deployment } = settings;
  if (deployment.topology !== "local") throw new Error("the comparison is with topology local");
  return planLocal(settings, deployment, observeCircumstances("by-hand", settings));
}

async function composeEnvironment(
  { folder, proxy }: LocalPlan,
  database: EmbeddedDatabasePlan,
  secrets: Readonly<Record<string, string>>,
): Promise<NodeJS.ProcessEnv> {
  const uv = await findUv();
  const { pythonVersion } = pythonEnvironment.inputs.parse({
    path: proxy.environmentFolder,
    requirementsFile: LOCK_FILE,
    requirementsSha256: "0".repeat(64),
  });
  return {
    // No more than the deployed processes see: PYTHONUNBUFFERED, say, changes LiteLLM's speed.
    ...inheritedEnvironment(),
    ...Object.fromEntries(Object.entries(uv.environment).filter(([name]) => /^UV_/.test(name))),
    ...proxy.variables,
    ...Object.fromEntries(
      Object.entries(proxy.secretVariables).map(([variable, name]) => [variable, secrets[name]]),
    ),
    STACK: folder,
    NODE: process.execPath,
    UV: uv.program,
    PYTHON_VERSION: pythonVersion,
    REQUIREMENTS: LOCK_FILE,
    POSTGRESQL: join(CHECKOUT, database.server.distribution),
    POSTGRESQL_USER: database.server.serverUser ?? "",
    DATABASE_PORT: String(database.server.port),
    DATABASE_NAME: database.name,
    DATABASE_ROLE: database.role,
    DATABASE_PASSWORD: secrets["databasePassword"],
    SUPERUSER: database.admin.user,
    SUPERUSER_PASSWORD: secrets["superuserPassword"],
  };
}
