import { posix } from "node:path";

import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import { CommandError } from "../host/command.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { connection } from "./connection.ts";
import { READ_VARIABLES } from "./machine-variables.ts";
import { openSession, type Session } from "./session.ts";
import { provideUv } from "./uv.ts";

const inputs = z.strictObject({
  connection,
  path: z
    .string()
    .regex(/^\/[^/]+(\/[^/]+)+$/, "must be an absolute path with a folder above it")
    .meta({
      description:
        "Folder of the environment on the machine. It is made, and deleted, as a whole; a folder `uv` beside it serves all environments there.",
    }),
  requirements: z.string().min(1).meta({
    description:
      "Text of a requirements file with a hash for every package: the environment holds exactly these.",
  }),
  requirementsSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .meta({ description: "SHA-256 of that text; the environment is made anew when it changes." }),
  pythonVersion: z
    .string()
    .regex(/^[\d.<>=!~*, ]+$/, "must be a version or a range such as >=3.12,<3.14")
    .default(">=3.12,<3.14")
    .meta({
      description:
        "The machine's Python serves where it is in this range, otherwise uv fetches one to the folder `uv`. Default: what LiteLLM 1.106.2 and its locked packages run on, from the first that gets security fixes for years to come.",
    }),
});

export type MachinePythonEnvironmentInputs = z.output<typeof inputs>;

export interface MachinePythonEnvironmentOutputs {
  /** Path of the environment's interpreter. */
  readonly python: string;
  /** Version of that interpreter; empty while the environment is broken. */
  readonly pythonVersion: string;
  /** SHA-256 of the requirements that are installed; empty while the environment is broken. */
  readonly installedSha256: string;
}

/** What is written when an environment is complete. */
interface Stamp {
  readonly pythonVersion: string;
  /** The range that it was asked for by. */
  readonly range: string;
  readonly installedSha256: string;
  /** SHA-256 of the names of all installed packages. */
  readonly packagesSha256: string;
}

/**
 * A Python environment on a machine that holds exactly the locked packages, compiled: root owns
 * it, everybody may use it, nobody else may write to it. The machine itself downloads the packages,
 * from the index and with the certificates that its own pip and uv are set up for.
 */
export const machinePythonEnvironment = {
  token: "litellm:ssh:PythonEnvironment",
  inputs,
  computedOutputs: ["python", "pythonVersion", "installedSha256"],
  volatileOutputs: ["pythonVersion", "installedSha256"],
  replaceOnChanges: ["path"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  check({ requirements, requirementsSha256 }) {
    const found = sha256(requirements);
    const reason = `is not that of \`requirements\`, which is ${found}`;
    return found === requirementsSha256 ? [] : [{ property: "requirementsSha256", reason }];
  },

  async create(context, inputs) {
    return { id: inputs.path, outputs: await ensure(context, inputs) };
  },

  async read({ signal }, id, { inputs }) {
    if (inputs.connection === undefined || inputs.requirements === undefined) {
      return undefined; // cannot be imported: nobody knows what it should hold
    }
    const found = await observe(openSession(inputs.connection, signal), id);
    return (
      found && {
        inputs: inputs as MachinePythonEnvironmentInputs,
        outputs: describe(id, found.stamp),
      }
    );
  },

  update: (context, _id, { inputs }) => ensure(context, inputs),

  async delete({ signal }, id, { inputs }) {
    await openSession(inputs.connection, signal).run(REMOVE, {
      arguments: [id, uvFolderOf(id)],
      deadlineSeconds: REMOVE_SECONDS,
    });
  },

  drift: (outputs, inputs) =>
    outputs.installedSha256 === inputs.requirementsSha256 ? [] : ["installedSha256"],
} satisfies ResourceDefinition<MachinePythonEnvironmentInputs, MachinePythonEnvironmentOutputs>;

/** On a slow disk some 30 000 files take a while. */
const REMOVE_SECONDS = 300;
const BUILD_SECONDS = 3600;

/** Serves all environments that are beside each other. */
const uvFolderOf = (path: string): string => posix.join(posix.dirname(path), "uv");

const describe = (path: string, stamp: Stamp | undefined): MachinePythonEnvironmentOutputs => ({
  python: `${path}/bin/python`,
  pythonVersion: stamp?.pythonVersion ?? "",
  installedSha256: stamp?.installedSha256 ?? "",
});

/** Prints a path's stamp and the hash of what is there, as far as they are there. */
const OBSERVE = `
export LC_ALL=C
[ -d "$1" ] || exit 0
echo present
# Follows the link to the machine's Python, which may be gone.
[ -x "$1/bin/python" ] && [ -r "$1/litellm-environment.json" ] || exit 0
cat "$1/litellm-environment.json"
cd "$1"/lib/python3.*/site-packages && ls -d *.dist-info | sha256sum
`;

/** What is at a path: undefined where nothing is, no stamp where that is not whole. */
async function observe(
  session: Session,
  path: string,
): Promise<{ readonly stamp: Stamp | undefined } | undefined> {
  const { stdout } = await session.try(OBSERVE, { arguments: [path] });
  const [presence, text, packages = ""] = stdout.split("\n");
  if (presence !== "present") {
    return undefined;
  }
  const stamp = parseStamp(text);
  return { stamp: packages.split(" ", 1)[0] === stamp?.packagesSha256 ? stamp : undefined };
}

function parseStamp(text = ""): Stamp | undefined {
  try {
    return JSON.parse(text) as Stamp;
  } catch {
    return undefined;
  }
}

/**
 * The settings of the machine's own pip and uv: uv reads its files, but not pip's. Of pip's files,
 * the last word counts, and a variable more than all of them.
 */
const READ_SETTINGS = `
read_pip() {
  for file in /etc/xdg/pip/pip.conf /etc/pip.conf "\${HOME:-/root}/.pip/pip.conf" "\${HOME:-/root}/.config/pip/pip.conf"; do
    [ ! -r "$file" ] || cat "$file"
    echo
  done | awk -v key="$1" '
    /^[ \\t]*([#;]|$)/ { next }
    /^\\[/ { current = 0; section = ($1 == "[global]" || $1 == "[install]"); next }
    /^[ \\t]/ { if (current) value = value " " $0; next }
    {
      at = index($0, "="); name = substr($0, 1, at - 1); gsub(/[ \\t]/, "", name); gsub(/_/, "-", name)
      current = (section && name == key)
      if (current) value = substr($0, at + 1)
    }
    END { gsub(/[ \\t]+/, " ", value); gsub(/^ | $/, "", value); print value }'
}
set_from_pip() {
  eval "given=\\\${$2:-}"
  [ -z "$given" ] || return 0
  eval "value=\\\${$3:-}"
  [ -n "$value" ] || value=$(read_pip "$1")
  [ -z "$value" ] || export "$2=$value"
}
set_from_pip index-url UV_DEFAULT_INDEX PIP_INDEX_URL
set_from_pip extra-index-url UV_INDEX PIP_EXTRA_INDEX_URL
set_from_pip find-links UV_FIND_LINKS PIP_FIND_LINKS
set_from_pip cert SSL_CERT_FILE PIP_CERT
set_from_pip proxy ALL_PROXY PIP_PROXY
[ -z "\${UV_FIND_LINKS:-}" ] || UV_FIND_LINKS=$(echo $UV_FIND_LINKS | tr ' ' ,)
# What the machine trusts otherwise, uv should trust too.
[ ! -r /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=true
`;

/** Ends with this status when the path holds something of somebody else. */
const FOREIGN_STATUS = 65;

const BUILD = `
set -eu
umask 022
path=$1 uv=$2 range=$3 sha256=$4 home=$5
export LC_ALL=C
if [ -e "$path" ] && [ ! -e "$path/pyvenv.cfg" ] && [ ! -e "$path/CACHEDIR.TAG" ] && [ -n "$(ls -A "$path")" ]; then
  exit ${FOREIGN_STATUS}
fi
# First of all, so that an interruption from here on is noticed.
rm -f "$path/litellm-environment.json"
rm -rf "$path"
mkdir -p "$home/cache"
cd "$home"
${READ_VARIABLES}
${READ_SETTINGS}
# In the home folder nobody but root could run a Python that uv fetches; and what was fetched
# before an interruption stays.
export UV_CACHE_DIR="$home/cache" UV_PYTHON_INSTALL_DIR="$home/python" UV_NO_PROGRESS=1
"$uv" venv --quiet --python "$range" --python-preference system "$path" </dev/null
# Compiled now: the services may not write here, and would compile it at every start.
"$uv" pip sync --quiet --require-hashes --compile-bytecode --python "$path/bin/python" -
version=$(sed -n 's/^version\\(_info\\)\\{0,1\\} *= *\\([^ ]*\\).*/\\2/p' "$path/pyvenv.cfg")
cd "$path"/lib/python3.*/site-packages
packages=$(ls -d *.dist-info | sha256sum | cut -d ' ' -f 1)
# Written last and in one step: without it the environment is not complete.
printf '{"pythonVersion":"%s","range":"%s","installedSha256":"%s","packagesSha256":"%s"}\\n' \\
  "$version" "$range" "$sha256" "$packages" >"$path/litellm-environment.json.new"
mv "$path/litellm-environment.json.new" "$path/litellm-environment.json"
# Everybody could write to its lock.
rm -rf "$home/cache" "$path/.lock"
cat "$path/litellm-environment.json"
`;

/** Only what uv made, and uv's own folder with the last environment beside it. */
const REMOVE = `
set -eu
if [ -e "$1/pyvenv.cfg" ] || [ -e "$1/CACHEDIR.TAG" ]; then
  rm -f "$1/litellm-environment.json"
  rm -rf "$1"
fi
for other in "\${1%/*}"/*/pyvenv.cfg; do
  [ ! -e "$other" ] || exit 0
done
rm -rf "$2"
`;

async function ensure(
  context: OperationContext,
  inputs: MachinePythonEnvironmentInputs,
): Promise<MachinePythonEnvironmentOutputs> {
  const { path, pythonVersion, requirementsSha256 } = inputs;
  const session = openSession(inputs.connection, context.signal);
  const stamp = (await observe(session, path))?.stamp;
  const isSame = stamp?.installedSha256 === requirementsSha256 && stamp.range === pythonVersion;
  return describe(path, isSame ? stamp : await build(context, session, inputs));
}

async function build(
  context: OperationContext,
  session: Session,
  {
    connection,
    path,
    requirements,
    requirementsSha256,
    pythonVersion,
  }: MachinePythonEnvironmentInputs,
): Promise<Stamp> {
  const home = uvFolderOf(path);
  const uv = await provideUv(context, connection, session, home);
  const count = requirements.match(/^[\w.-]+(\[.*\])?==/gm)?.length ?? 0;
  context.log(`installing up to ${count} Python packages`, { ephemeral: true });
  const { code, stdout, stderr } = await session.try(BUILD, {
    arguments: [path, uv, pythonVersion, requirementsSha256, home],
    input: requirements,
    deadlineSeconds: BUILD_SECONDS,
  });
  const stamp = code === 0 ? parseStamp(stdout) : undefined;
  if (stamp === undefined) {
    throw explain(code, stderr, path, pythonVersion);
  }
  return stamp;
}

/** Adds what to do to the errors of uv that users meet. */
function explain(code: number, stderr: string, path: string, range: string): Error {
  if (code === FOREIGN_STATUS) {
    return new Error(
      `${path} exists on the machine and is no Python environment; set it aside there: mv '${path}' '${path}.old'`,
    );
  }
  const error = new CommandError("uv", `ended with status ${code}`, stderr);
  const [, reason] =
    EXPLANATIONS.find(([pattern]) => pattern.test(error.output)) ??
    ([/(?:)/, () => `the Python environment ${path} could not be made on the machine`] as const);
  return new Error(`${reason(path, range)}\nuv says:\n${error.lastLines()}`);
}

const EXPLANATIONS: readonly (readonly [RegExp, (path: string, range: string) => string])[] = [
  [
    /os error 28\b|No space left/i,
    (path) =>
      `the machine's disk is full: make room for about 2 GB there and run again; see: df -h '${path}/..'`,
  ],
  [
    /os error (13|30)\b|Permission denied|Read-only file system/i,
    (path) => `${path} cannot be written on the machine; see there: ls -ld '${path}/..'`,
  ],
  [
    /hash mismatch/i,
    () =>
      "a package that the machine downloaded is not the one that is locked; if its package index replaces packages, lock anew: see components/provider/litellm/requirements.in",
  ],
  [
    /No interpreter found|No download found|Python.*not found|Failed to install .*python|python-build-standalone/i,
    (_path, range) =>
      `the machine has no Python ${range}, and none could be downloaded to it; install one there, such as: apt-get install python3`,
  ],
  [
    /dns error|error sending request|failed to fetch|Connect(ion)? (refused|reset)|timed out|tcp connect|certificate/i,
    () =>
      "the machine cannot reach the Python package index; name one that it reaches, or a proxy, in its /etc/pip.conf; test it there: python3 -m pip download --no-deps litellm",
  ],
  [
    /not found in the package registry|no version of|No solution found|doesn't have a source distribution or wheel/i,
    () =>
      "the machine's package index lacks a locked package; name a complete one in its /etc/pip.conf (index-url in section [global])",
  ],
];
