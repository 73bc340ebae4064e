import {
  access,
  constants,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { createRequire } from "node:module";
import { delimiter, dirname, join, resolve } from "node:path";

import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import { CommandError, runCommand } from "../host/command.ts";
import { findSitePackages } from "../host/python-environment.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  python: z.string().min(1).meta({
    description: "Interpreter of the environment that the client is generated into.",
  }),
  requirementsSha256: z.string().meta({
    description:
      "Identity of what is installed there: the client is generated anew when it changes.",
  }),
  engine: z.enum(["auto", "native", "wasm"]).default("auto").meta({
    description:
      "Prisma's native engine, or its WASM build behind a stand-in server. `auto` takes the native one where its download can be reached when the client is first generated, and then stays with the choice.",
  }),
});

export type PrismaClientInputs = z.output<typeof inputs>;
type Engine = "native" | "wasm";

export interface PrismaClientOutputs {
  /** The engine that was chosen. */
  readonly engine: Engine;
  /** Commit of Prisma's engines that it was built from. */
  readonly engineVersion: string;
  /** Variables that LiteLLM needs in order to use it. No secrets. */
  readonly environment: Record<string, string>;
  /** SHA-256 of the schema that the client was generated for; empty while there is no client. */
  readonly schemaSha256: string;
}

/** Written when the client is complete. */
type Stamp = PrismaClientOutputs & { readonly requirementsSha256: string };

/** The Python client for LiteLLM's database schema, and the engine that it runs its queries with. */
export const prismaClient = {
  token: "litellm:host:PrismaClient",
  inputs,
  computedOutputs: ["engine", "engineVersion", "environment", "schemaSha256"],
  volatileOutputs: ["engine", "engineVersion", "environment", "schemaSha256"],
  replaceOnChanges: ["python"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    const outputs = await generateWith(context, inputs, inputs.engine);
    return { id: inputs.python, outputs };
  },

  async read(_context, id, { inputs, outputs }) {
    if (inputs.python === undefined || outputs.engine === undefined) {
      return undefined; // cannot be imported
    }
    const { requirementsSha256, ...recorded } = (await readStamp(id)) ?? (outputs as Stamp);
    const isComplete =
      requirementsSha256 === inputs.requirementsSha256 && (await isIntact(id, recorded));
    return {
      inputs: inputs as PrismaClientInputs,
      outputs: { ...pickOutputs(recorded), ...(!isComplete && { schemaSha256: "" }) },
    };
  },

  update(context, _id, { inputs, previousInputs, outputs }) {
    const isSameWish = inputs.engine === previousInputs.engine;
    const isSameInstallation = inputs.requirementsSha256 === previousInputs.requirementsSha256;
    // What was chosen once is not chosen anew because the network comes and goes.
    const engine = isSameWish && isSameInstallation ? outputs.engine : inputs.engine;
    return generateWith(context, inputs, engine);
  },

  async delete(_context, id) {
    await rm(folderOf(id), { recursive: true, force: true });
    const client = await findClient(id).catch(() => undefined);
    if (client !== undefined) {
      await rm(client, { force: true });
    }
  },

  drift: (outputs) => (outputs.schemaSha256 === "" ? ["schemaSha256"] : []),
} satisfies ResourceDefinition<PrismaClientInputs, PrismaClientOutputs>;

const CHECKOUT = resolve(import.meta.dirname, "../../..");
const STAND_IN = join(CHECKOUT, "tools/prisma-engine");

/** Holds Prisma's command line program, its engines and the schema; deleted with the environment. */
const folderOf = (python: string): string => resolve(python, "../../prisma");
const stampOf = (python: string): string => join(folderOf(python), "client.json");

/**
 * Runs Prisma's command line program, as `python -m prisma` does but without loading the
 * generated client first: with the pinned Node, without telemetry.
 *
 * @throws CommandError
 */
function runPrisma(
  python: string,
  arguments_: readonly string[],
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const folder = folderOf(python);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PRISMA_"));
  const environment = {
    ...Object.fromEntries(inherited),
    ...pickMirror(process.env),
    // Where it finds its generator, `prisma-client-py`.
    PATH: [dirname(python), process.env["PATH"]].join(delimiter),
    // It keeps engines in the home folder; this one goes away with the environment.
    HOME: join(folder, "home"),
    PRISMA_CLI_QUERY_ENGINE_TYPE: "binary",
    ...variables,
  };
  const program = join(folder, "node_modules/prisma/build/index.js");
  return runCommand(process.execPath, [program, ...arguments_], { environment, folder, signal });
}

async function generateWith(
  context: OperationContext,
  inputs: PrismaClientInputs,
  wish: PrismaClientInputs["engine"],
): Promise<PrismaClientOutputs> {
  const engine = wish === "auto" ? await chooseEngine(context.signal) : wish;
  try {
    return await generate(context, inputs, engine);
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    if (wish === "auto" && engine === "native") {
      context.log(
        `Prisma's native engine could not be used here, its WASM build takes its place: ${error.lastLines(3)}`,
        { severity: "warning" },
      );
      return generateWith(context, inputs, "wasm");
    }
    const advice =
      engine === "native"
        ? "Prisma's engines are downloaded; where that is not allowed, name a mirror: export PRISMA_ENGINES_MIRROR=<address>"
        : `it is made by Prisma's own program, so see what it says and run again: pulumi up`;
    throw new Error(
      `the database client could not be generated with the ${engine} engine; ${advice}\n${error.message}:\n${error.lastLines()}`,
    );
  }
}

async function generate(
  context: OperationContext,
  { python, requirementsSha256 }: PrismaClientInputs,
  engine: Engine,
): Promise<PrismaClientOutputs> {
  const { signal } = context;
  const folder = folderOf(python);
  await rm(stampOf(python), { force: true });
  await installCommandLine(folder);
  const schema = await readFile(await findSchema(python), "utf8");
  const schemaFile = join(folder, "schema.prisma");
  await writeFile(schemaFile, withoutForeignPlatforms(schema));

  context.log(`generating the database client (${engine} engine)`, { ephemeral: true });
  const common = {
    PRISMA_BINARY_CACHE_DIR: folder,
    PRISMA_NODEENV_CACHE_DIR: join(folder, "nodeenv"),
    PRISMA_HIDE_UPDATE_MESSAGE: "true",
    CHECKPOINT_DISABLE: "1",
  };
  const standIns = {
    PRISMA_QUERY_ENGINE_BINARY: join(STAND_IN, "query-engine"),
    PRISMA_SCHEMA_ENGINE_BINARY: join(STAND_IN, "schema-engine"),
  };
  // A client from earlier would be loaded by its own generator, which takes seconds.
  await rm(await findClient(python), { force: true });
  await runPrisma(
    python,
    ["generate", "--schema", schemaFile],
    { ...common, ...(engine === "wasm" && standIns) },
    signal,
  );
  const engines = engine === "wasm" ? standIns : await findDownloadedEngines(folder);
  // Proves as well that it can be started on this machine.
  const version = await runCommand(engines.PRISMA_QUERY_ENGINE_BINARY, ["--version"], {
    environment: process.env,
    signal,
  });
  const outputs: PrismaClientOutputs = {
    engine,
    engineVersion: version.trim().split(" ").at(-1) ?? "",
    environment: { ...common, ...engines },
    schemaSha256: sha256(schema),
  };
  const stamp: Stamp = { ...outputs, requirementsSha256 };
  await writeFile(`${stampOf(python)}.new`, JSON.stringify(stamp));
  await rename(`${stampOf(python)}.new`, stampOf(python));
  return outputs;
}

/**
 * Lays Prisma's command line program out where the Python client looks for it before it runs
 * `npm install`. Copied, because the program puts engines that it downloads beside itself.
 */
async function installCommandLine(folder: string): Promise<void> {
  const resolver = createRequire(import.meta.url);
  const program = dirname(resolver.resolve("prisma/package.json"));
  const engines = dirname(
    createRequire(join(program, "package.json")).resolve("@prisma/engines/package.json"),
  );
  const modules = join(folder, "node_modules");
  await mkdir(join(folder, "home"), { recursive: true });
  await cp(program, join(modules, "prisma"), { recursive: true });
  await cp(engines, join(modules, "@prisma/engines"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
}

/** The module without which the Python package counts as not generated. */
async function findClient(python: string): Promise<string> {
  return join(await findSitePackages(python), "prisma/client.py");
}

async function findSchema(python: string): Promise<string> {
  return join(await findSitePackages(python), "litellm/proxy/schema.prisma");
}

/** The schema asks for the engines of LiteLLM's images as well, of which this machine needs none. */
function withoutForeignPlatforms(schema: string): string {
  return schema.replace(/^\s*binaryTargets\s*=.*\n/m, "");
}

async function findDownloadedEngines(folder: string) {
  const modules = join(folder, "node_modules");
  return {
    PRISMA_QUERY_ENGINE_BINARY: await findFile(join(modules, "prisma"), "query-engine-"),
    PRISMA_SCHEMA_ENGINE_BINARY: await findFile(join(modules, "@prisma/engines"), "schema-engine-"),
  };
}

async function findFile(folder: string, prefix: string): Promise<string> {
  const name = (await readdir(folder)).find((file) => file.startsWith(prefix));
  if (name === undefined) {
    throw new CommandError("prisma generate", `left no ${prefix}* in ${folder}`, "");
  }
  return join(folder, name);
}

function pickOutputs({
  engine,
  engineVersion,
  environment,
  schemaSha256,
}: PrismaClientOutputs): PrismaClientOutputs {
  return { engine, engineVersion, environment, schemaSha256 };
}

async function readStamp(python: string): Promise<Stamp | undefined> {
  try {
    return JSON.parse(await readFile(stampOf(python), "utf8")) as Stamp;
  } catch {
    return undefined;
  }
}

/** Whether client and engine are there, and made for the schema that is installed. */
async function isIntact(python: string, recorded: PrismaClientOutputs): Promise<boolean> {
  try {
    const sitePackages = await findSitePackages(python);
    await access(await findClient(python));
    await access(recorded.environment["PRISMA_QUERY_ENGINE_BINARY"] ?? "", constants.X_OK);
    const generated = await readFile(join(sitePackages, "prisma/schema.prisma"), "utf8");
    const installed = await readFile(await findSchema(python), "utf8");
    return (
      sha256(installed) === recorded.schemaSha256 &&
      generated === withoutForeignPlatforms(installed)
    );
  } catch {
    return false;
  }
}

/** Where Prisma's tools download engines from when no mirror is set. */
const ENGINES_HOST = "https://binaries.prisma.sh";
const MIRROR_VARIABLES = ["PRISMA_BINARIES_MIRROR", "PRISMA_ENGINES_MIRROR"];
const PROBE_SECONDS = 5;

function pickMirror(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    MIRROR_VARIABLES.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
  );
}

/** Native where its download answers within a few seconds. */
async function chooseEngine(signal: AbortSignal): Promise<Engine> {
  const [mirror = ENGINES_HOST] = Object.values(pickMirror(process.env));
  const { devDependencies } = createRequire(import.meta.url)("@prisma/engines/package.json") as {
    devDependencies: Record<string, string>;
  };
  const commit = devDependencies["@prisma/engines-version"]?.split(".").at(-1) ?? "";
  // One of the platforms that every mirror of use to LiteLLM carries.
  const url = `${mirror}/all_commits/${commit}/debian-openssl-3.0.x/query-engine.gz.sha256`;
  return (await answers(url, signal)) ? "native" : "wasm";
}

function answers(url: string, cancelled: AbortSignal): Promise<boolean> {
  const signal = AbortSignal.any([cancelled, AbortSignal.timeout(PROBE_SECONDS * 1000)]);
  const isPlain = url.startsWith("http:");
  const agent = new (isPlain ? HttpAgent : HttpsAgent)({ proxyEnv: process.env });
  return new Promise((succeed, fail) => {
    const request = (isPlain ? requestHttp : requestHttps)(
      url,
      { method: "HEAD", agent, signal },
      (response) => {
        response.resume();
        succeed(response.statusCode === 200);
      },
    );
    request.once("error", () => {
      if (cancelled.aborted) {
        fail(cancelled.reason as Error);
      } else {
        succeed(false);
      }
    });
    request.end();
  });
}
