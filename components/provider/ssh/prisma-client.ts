import { createRequire } from "node:module";
import { dirname, join, posix, resolve } from "node:path";

import { z } from "zod";

import { CommandError } from "../host/command.ts";
import type { PrismaClientOutputs } from "../litellm/prisma-client.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { placeFolder, readEntries, type ArchiveEntry } from "./archive.ts";
import { readArchitecture } from "./architecture.ts";
import { connection } from "./connection.ts";
import { READ_VARIABLES } from "./machine-variables.ts";
import { readNodeProgram } from "./node-program.ts";
import { openSession, type Session } from "./session.ts";

const inputs = z.strictObject({
  connection,
  python: z
    .string()
    .regex(/^\/.+\/bin\/python$/, "must be the absolute path of an environment's bin/python")
    .meta({
      description:
        "Interpreter, on the machine, of the environment that the client is generated into.",
    }),
  requirementsSha256: z
    .string()
    .regex(/^[0-9a-f]+$/)
    .meta({
      description:
        "Identity of what is installed there: the client is generated anew when it changes.",
    }),
  engine: z.enum(["auto", "native", "wasm"]).default("auto").meta({
    description:
      "Prisma's native engine, or its WASM build behind a stand-in server. `auto` takes the native one where the machine reaches its download when the client is first generated, and then stays with the choice.",
  }),
});

export type MachinePrismaClientInputs = z.output<typeof inputs>;
type Engine = "native" | "wasm";

/** Written when the client is complete. */
type Stamp = PrismaClientOutputs & { readonly requirementsSha256: string };

/**
 * The Python client for LiteLLM's database schema on a machine, and the engines that it runs its
 * queries and migrations with. Node and Prisma's command line program are brought along; only
 * native engines are downloaded, by the machine itself. Root owns all of it, and it works where
 * nothing may be written and there is no home folder.
 */
export const machinePrismaClient = {
  token: "litellm:ssh:PrismaClient",
  inputs,
  computedOutputs: ["engine", "engineVersion", "environment", "schemaSha256"],
  volatileOutputs: ["engine", "engineVersion", "environment", "schemaSha256"],
  replaceOnChanges: ["python"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    return { id: inputs.python, outputs: await ensure(context, inputs, inputs.engine) };
  },

  async read({ signal }, id, { inputs, outputs }) {
    if (inputs.connection === undefined || outputs.engine === undefined) {
      return undefined; // cannot be imported
    }
    const found = await observe(openSession(inputs.connection, signal), id);
    const isComplete =
      found !== undefined && found.requirementsSha256 === inputs.requirementsSha256;
    return {
      inputs: inputs as MachinePrismaClientInputs,
      outputs: {
        ...pickOutputs(found ?? (outputs as PrismaClientOutputs)),
        ...(!isComplete && { schemaSha256: "" }),
      },
    };
  },

  update(context, _id, { inputs, previousInputs, outputs }) {
    const isSameWish = inputs.engine === previousInputs.engine;
    const isSameInstallation = inputs.requirementsSha256 === previousInputs.requirementsSha256;
    // What was chosen once is not chosen anew because the network comes and goes.
    const engine = isSameWish && isSameInstallation ? outputs.engine : inputs.engine;
    return ensure(context, inputs, engine);
  },

  async delete({ signal }, id, { inputs }) {
    await openSession(inputs.connection, signal).run(REMOVE, { arguments: [environmentOf(id)] });
  },

  drift: (outputs) => (outputs.schemaSha256 === "" ? ["schemaSha256"] : []),
} satisfies ResourceDefinition<MachinePrismaClientInputs, PrismaClientOutputs>;

const CHECKOUT = resolve(import.meta.dirname, "../../..");
const STAND_IN = "tools/prisma-engine";
/** What the stand-ins for Prisma's engines import. */
const STAND_IN_PACKAGES = [
  "@prisma/driver-adapter-utils",
  "@prisma/query-engine-wasm",
  "pg",
  "postgres-array",
];
/** Prisma's builds for databases that LiteLLM does not use. */
const UNUSED = /^node_modules\/@prisma\/query-engine-wasm\/(?:mysql|sqlite)\//;
const GENERATE_SECONDS = 900;

const environmentOf = (python: string): string => posix.resolve(python, "../..");
/** Holds Node, Prisma's command line program, its engines and the schema; deleted with the environment. */
const folderOf = (python: string): string => posix.join(environmentOf(python), "prisma");

const REMOVE = `
rm -f "$1"/lib/python3.*/site-packages/prisma/client.py
rm -rf "$1/prisma"
`;

/** The schema asks for the engines of LiteLLM's images as well, of which a machine needs none. */
const WITHOUT_PLATFORMS = "sed '/^[[:space:]]*binaryTargets[[:space:]]*=/d'";

/** Prints the stamp if client and engines are there, and made for the schema that is installed. */
const OBSERVE = `
cd "$1"/lib/python3.*/site-packages 2>/dev/null || exit 0
stamp=$1/prisma/client.json
[ -r "$stamp" ] && [ -r "$1/prisma/engines" ] && [ -s prisma/client.py ] && [ -x "$1/prisma/nodeenv/bin/node" ] || exit 0
${WITHOUT_PLATFORMS} litellm/proxy/schema.prisma | cmp -s - prisma/schema.prisma || exit 0
while read -r engine; do
  [ -x "$engine" ] || exit 0
done <"$1/prisma/engines"
sha256sum <litellm/proxy/schema.prisma
cat "$stamp"
`;

async function observe(session: Session, python: string): Promise<Stamp | undefined> {
  const { stdout } = await session.try(OBSERVE, { arguments: [environmentOf(python)] });
  const separator = stdout.indexOf("\n");
  try {
    const stamp = JSON.parse(stdout.slice(separator)) as Stamp;
    return stdout.startsWith(stamp.schemaSha256) ? stamp : undefined;
  } catch {
    return undefined;
  }
}

async function ensure(
  context: OperationContext,
  inputs: MachinePrismaClientInputs,
  wish: MachinePrismaClientInputs["engine"],
): Promise<PrismaClientOutputs> {
  const session = openSession(inputs.connection, context.signal);
  const found = await observe(session, inputs.python);
  if (
    found?.requirementsSha256 === inputs.requirementsSha256 &&
    (wish === "auto" || wish === found.engine)
  ) {
    return pickOutputs(found);
  }
  context.log("bringing Node and Prisma to the machine", { ephemeral: true });
  const folder = folderOf(inputs.python);
  const node = await readNodeProgram(await readArchitecture(session), context.signal);
  // Where the Python client looks for a Node of its own.
  await placeFolder(session, posix.join(folder, "nodeenv"), [
    { name: "bin/node", content: node, mode: 0o755 },
  ]);
  await placeFolder(session, posix.join(folder, "node_modules"), listCommandLine());
  if (wish !== "auto") {
    return generate(context, session, inputs, wish);
  }
  const engine = await chooseEngine(session, folder);
  try {
    return await generate(context, session, inputs, engine);
  } catch (error) {
    if (engine === "wasm" || !(error instanceof GenerationError)) {
      throw error;
    }
    context.log(
      `Prisma's native engine could not be used on the machine, its WASM build takes its place: ${error.cause.lastLines(3)}`,
      { severity: "warning" },
    );
    return generate(context, session, inputs, "wasm");
  }
}

/** Prisma's own program ended without a client. */
class GenerationError extends Error {
  declare readonly cause: CommandError;

  constructor(engine: Engine, cause: CommandError) {
    const advice =
      engine === "native"
        ? "the machine downloads Prisma's engines; where that is not allowed, name a mirror in its /etc/environment: PRISMA_ENGINES_MIRROR=<address>"
        : "it is made by Prisma's own program, so see what it says and run again: pulumi up";
    super(
      `the database client could not be generated with the ${engine} engine; ${advice}\n${cause.message}:\n${cause.lastLines()}`,
      { cause },
    );
    this.name = "GenerationError";
  }
}

/**
 * Runs Prisma's command line program, as `python -m prisma` does but without loading the
 * generated client first, and without telemetry. Then starts the engines, which proves that the
 * machine can, and prints: where each of them is, the version, the schema's hash.
 */
const GENERATE = `
set -eu
umask 022
environment=$1 folder=$1/prisma query=\${2:-} schema=\${3:-}
cd "$environment"/lib/python3.*/site-packages
site=$PWD
# A client from earlier would be loaded by its own generator, which takes seconds.
rm -f "$folder/client.json" "$site/prisma/client.py"
[ -e "$folder/package.json" ] || echo '{ "private": true }' >"$folder/package.json"
if [ -n "$query" ]; then
  # Where the stand-ins look for Node first.
  mkdir -p "$folder/stand-in/node_modules/.bin"
  ln -sfn ../../../nodeenv/bin/node "$folder/stand-in/node_modules/.bin/node"
fi
${WITHOUT_PLATFORMS} litellm/proxy/schema.prisma >"$folder/schema.prisma"
${READ_VARIABLES}
sha256=$(sha256sum <litellm/proxy/schema.prisma)
cd "$folder"
export PATH="$environment/bin:$folder/nodeenv/bin:$PATH"
# It keeps engines in the home folder as well.
export HOME="$folder/home" CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=true NODE_USE_SYSTEM_CA=1
export PRISMA_BINARY_CACHE_DIR="$folder" PRISMA_NODEENV_CACHE_DIR="$folder/nodeenv" PRISMA_CLI_QUERY_ENGINE_TYPE=binary
[ -z "$query" ] || export PRISMA_QUERY_ENGINE_BINARY="$query" PRISMA_SCHEMA_ENGINE_BINARY="$schema"
mkdir -p "$HOME"
node node_modules/prisma/build/index.js generate --schema "$folder/schema.prisma" </dev/null >&2
if [ -z "$query" ]; then
  for query in "$folder"/node_modules/prisma/query-engine-*; do :; done
  for schema in "$folder"/node_modules/@prisma/engines/schema-engine-*; do :; done
  chmod 755 "$query" "$schema"
fi
version=$("$query" --version)
"$schema" --version >/dev/null
rm -rf "$HOME"
python -m compileall -q "$site/prisma" >&2
printf '%s\\n' "$query" "$schema" >"$folder/engines"
printf '%s\\n' "$query" "$schema" "\${version##* }" "\${sha256%% *}"
`;

/** In one step, and last: without it the client is not complete. */
const STAMP = 'set -eu; umask 022; cat >"$1.new"; mv "$1.new" "$1"';

async function generate(
  context: OperationContext,
  session: Session,
  { python, requirementsSha256 }: MachinePrismaClientInputs,
  engine: Engine,
): Promise<PrismaClientOutputs> {
  const folder = folderOf(python);
  const standIn = posix.join(folder, "stand-in");
  if (engine === "wasm") {
    await placeFolder(session, standIn, listStandIn());
  }
  context.log(`generating the database client (${engine} engine)`, { ephemeral: true });
  const programs = ["query-engine", "schema-engine"].map((name) =>
    posix.join(standIn, STAND_IN, name),
  );
  const { code, stdout, stderr } = await session.try(GENERATE, {
    arguments: [environmentOf(python), ...(engine === "wasm" ? programs : [])],
    deadlineSeconds: GENERATE_SECONDS,
  });
  if (code !== 0) {
    const how = `ended with status ${code}`;
    throw new GenerationError(engine, new CommandError("prisma generate", how, stderr));
  }
  const [query = "", schema = "", engineVersion = "", schemaSha256 = ""] = stdout.split("\n");
  const outputs: PrismaClientOutputs = {
    engine,
    engineVersion,
    environment: {
      PRISMA_BINARY_CACHE_DIR: folder,
      PRISMA_NODEENV_CACHE_DIR: posix.join(folder, "nodeenv"),
      PRISMA_HIDE_UPDATE_MESSAGE: "true",
      CHECKPOINT_DISABLE: "1",
      PRISMA_QUERY_ENGINE_BINARY: query,
      PRISMA_SCHEMA_ENGINE_BINARY: schema,
    },
    schemaSha256,
  };
  const stamp: Stamp = { ...outputs, requirementsSha256 };
  await session.run(STAMP, {
    arguments: [posix.join(folder, "client.json")],
    input: `${JSON.stringify(stamp)}\n`,
  });
  return outputs;
}

/** Prisma's command line program, laid out as npm does, so that the Python client installs none. */
function listCommandLine(): ArchiveEntry[] {
  const program = dirname(resolver.resolve("prisma/package.json"));
  const engines = dirname(
    createRequire(join(program, "package.json")).resolve("@prisma/engines/package.json"),
  );
  return [...readEntries(program, "prisma"), ...readEntries(engines, "@prisma/engines")];
}

const resolver = createRequire(import.meta.url);

/** A small checkout: the stand-ins of Prisma's engines and the packages that they import. */
function listStandIn(): ArchiveEntry[] {
  const packages = [...listDependencies(STAND_IN_PACKAGES)].map((name) => `node_modules/${name}`);
  const entries = [STAND_IN, ...packages].flatMap((folder) =>
    readEntries(join(CHECKOUT, folder), folder),
  );
  return [
    ...entries.filter(({ name }) => !UNUSED.test(name)),
    { name: "package.json", content: Buffer.from('{ "type": "module" }\n'), mode: 0o644 },
  ];
}

/** Packages with all they depend on; npm has laid them out flat. */
function listDependencies(names: readonly string[]): Set<string> {
  const found = new Set(names);
  for (const name of found) {
    const { dependencies = {} } = readManifest(name);
    Object.keys(dependencies).forEach((dependency) => found.add(dependency));
  }
  return found;
}

function readManifest(name: string): { readonly dependencies?: Record<string, string> } {
  return resolver(join(CHECKOUT, "node_modules", name, "package.json")) as {
    dependencies?: Record<string, string>;
  };
}

function pickOutputs({
  engine,
  engineVersion,
  environment,
  schemaSha256,
}: PrismaClientOutputs): PrismaClientOutputs {
  return { engine, engineVersion, environment, schemaSha256 };
}

/** Asks for a download with the Node that would make it, and with the machine's certificates and proxy. */
const PROBE = `
${READ_VARIABLES}
export NODE_USE_SYSTEM_CA=1 NODE_USE_ENV_PROXY=1
mirror=\${PRISMA_BINARIES_MIRROR:-\${PRISMA_ENGINES_MIRROR:-https://binaries.prisma.sh}}
"$1/nodeenv/bin/node" --eval '
  fetch(process.argv[1], { method: "HEAD", signal: AbortSignal.timeout(5000) })
    .then(({ status }) => process.exit(status === 200 ? 0 : 1), () => process.exit(1));
' "$mirror/all_commits/$2/debian-openssl-3.0.x/query-engine.gz.sha256"
`;

/** Native where its download answers the machine within a few seconds. */
async function chooseEngine(session: Session, folder: string): Promise<Engine> {
  const { devDependencies } = resolver("@prisma/engines/package.json") as {
    devDependencies: Record<string, string>;
  };
  const commit = devDependencies["@prisma/engines-version"]?.split(".").at(-1) ?? "";
  const { code } = await session.try(PROBE, { arguments: [folder, commit] });
  return code === 0 ? "native" : "wasm";
}
