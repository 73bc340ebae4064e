import { z } from "zod";

import { formatMode, octalMode } from "../octal-mode.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { connection, formatMachine, formatSsh } from "./connection.ts";
import { accountName, Made, machinePath } from "./machine-path.ts";
import { openSession } from "./session.ts";
import { quote } from "./shell.ts";
import { MachineCommandError } from "./ssh-failure.ts";

const inputs = z.strictObject({
  connection,
  path: machinePath
    .regex(/^\/[^/]+\//, 'must not be a folder of the system itself, but in one: "/opt/litellm"')
    .meta({ description: "Absolute; the folder that it is in must be there." }),
  mode: octalMode("0755", "0755"),
  owner: accountName.default("root"),
  group: accountName.default("root"),
});

export type DirectoryInputs = z.output<typeof inputs>;

export interface DirectoryOutputs {
  /** Whether it was not there, or was empty, before us: only then is it deleted. */
  readonly made: boolean;
}

const made = new Made();

/** A folder on a machine. Deleting it deletes what is in it, unless it was there before us. */
export const directory = {
  token: "litellm:ssh:Directory",
  inputs,
  computedOutputs: ["made"],
  replaceOnChanges: ["path"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    return { id: inputs.path, outputs: { made: await provide(context, inputs) } };
  },

  async read({ signal }, id, { inputs: { connection }, outputs }) {
    if (connection === undefined) return undefined;
    const found = await openSession(connection, signal).run(OBSERVE, { arguments: [id] });
    const [mode, owner = "", group = ""] = found.trim().split(" ");
    return mode === undefined || mode === ""
      ? undefined
      : {
          inputs: {
            connection,
            path: id,
            mode: formatMode(Number.parseInt(mode, 8)),
            owner,
            group,
          },
          outputs: { made: outputs.made ?? false },
        };
  },

  async update(context, _id, { inputs, outputs }) {
    return { made: (await provide(context, inputs)) || outputs.made };
  },

  async delete({ signal }, id, { inputs: { connection }, outputs }) {
    if (!outputs.made || made.has(connection, id)) return;
    await openSession(connection, signal).run(REMOVE, { arguments: [id] });
  },
} satisfies ResourceDefinition<DirectoryInputs, DirectoryOutputs>;

const OBSERVE = `
set -eu
if [ -d "$1" ] && [ ! -L "$1" ]; then stat --format='%a %U %G' "$1"; fi
`;

/** Statuses of the script, which name what the user has to do. */
const NO_PARENT = 90;
const NO_FOLDER = 91;

// An empty folder is taken for ours: a deployment that was interrupted may have made it.
const PROVIDE = `
set -eu
path=$1 mode=$2 owner=$3
if [ -L "$path" ] || { [ -e "$path" ] && [ ! -d "$path" ]; }; then exit ${NO_FOLDER}; fi
if [ -d "$path" ]; then
  [ -n "$(ls -A "$path")" ] || echo made
else
  [ -d "\${path%/*}/" ] || exit ${NO_PARENT}
  mkdir -m 700 "$path"
  echo made
fi
chown -- "$owner" "$path"
chmod -- "$mode" "$path"
`;

const REMOVE = `
set -eu
if [ -d "$1" ] && [ ! -L "$1" ]; then rm -rf --one-file-system -- "$1"; fi
`;

async function provide(
  { signal }: OperationContext,
  { connection, path, mode, owner, group }: DirectoryInputs,
): Promise<boolean> {
  try {
    const output = await openSession(connection, signal).run(PROVIDE, {
      arguments: [path, mode, `${owner}:${group}`],
    });
    made.add(connection, path);
    return output.includes("made");
  } catch (error) {
    throw error instanceof MachineCommandError ? explain(error, { connection, path }) : error;
  }
}

function explain(
  error: MachineCommandError,
  { connection, path }: Pick<DirectoryInputs, "connection" | "path">,
): Error {
  const machine = formatMachine(connection);
  const parent = quote(path.replace(/\/[^/]*$/, ""));
  switch (error.code) {
    case NO_PARENT:
      return new Error(
        `${machine} has no folder ${parent} for ${path}; make it: ${formatSsh(connection, `sudo mkdir -p ${parent}`)}`,
      );
    case NO_FOLDER:
      return new Error(
        `${path} on ${machine} is no folder; set it aside: ` +
          formatSsh(connection, `sudo mv ${quote(path)} ${quote(`${path}.old`)}`),
      );
    default:
      return error;
  }
}
