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
  path: machinePath,
  content: z.string().meta({ description: "Text of the file, UTF-8." }),
  mode: octalMode("0644", "0640"),
  owner: accountName.default("root"),
  group: accountName.default("root"),
});

export type FileInputs = z.output<typeof inputs>;

const made = new Made();

/**
 * A text file on a machine, replaced as a whole so that no reader ever sees half of it. Its folder
 * must be there. What was at its path before is neither overwritten at first nor brought back.
 */
export const file = {
  token: "litellm:ssh:File",
  inputs,
  computedOutputs: [],
  replaceOnChanges: ["path"],
  secretWhenImported: ["content"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    await write(context, inputs, "new");
    return { id: inputs.path, outputs: {} };
  },

  async read({ signal }, id, { inputs }) {
    const { connection } = inputs;
    if (connection === undefined) return undefined;
    const found = parse(await openSession(connection, signal).run(OBSERVE, { arguments: [id] }));
    return found && { inputs: { ...(inputs as FileInputs), path: id, ...found }, outputs: {} };
  },

  async update(context, _id, { inputs }) {
    await write(context, inputs, "ours");
    return {};
  },

  async delete({ signal }, id, { inputs: { connection } }) {
    if (made.has(connection, id)) return;
    await openSession(connection, signal).run(REMOVE, { arguments: [id] });
  },
} satisfies ResourceDefinition<FileInputs, object>;

/** A hand may have put anything there; more of it tells nobody more. */
const OBSERVED_BYTES = 32 << 20;

const OBSERVE = `
set -eu
if [ -L "$1" ]; then
  printf 'other a symbolic link to %s\\n' "$(readlink "$1")"
elif [ -f "$1" ]; then
  stat --format='file %a %U %G' "$1"
  head --bytes=${OBSERVED_BYTES} "$1" | base64 --wrap=0
elif [ -e "$1" ]; then
  stat --format='other a %F' "$1"
else
  echo absent
fi
`;

/** Of what is no file, a text that says what it is, so that a preview shows it. */
function parse(output: string): Partial<FileInputs> | undefined {
  const [head = "", content = ""] = output.split("\n", 2);
  const [kind, mode = "", owner = "", group = ""] = head.split(" ");
  if (kind === "other") return { content: `${head.slice("other ".length)}\n` };
  if (kind !== "file") return undefined;
  return {
    content: Buffer.from(content, "base64").toString("utf8"),
    mode: formatMode(Number.parseInt(mode, 8)),
    owner,
    group,
  };
}

/** Statuses of the script, which name what the user has to do. */
const NO_FOLDER = 90;
const TAKEN = 91;
const INCOMPLETE = 92;
const NO_FILE = 93;

const WRITE = `
set -eu
path=$1 mode=$2 owner=$3 size=$4 whose=$5
folder=\${path%/*} name=\${path##*/}
[ -d "$folder/" ] || exit ${NO_FOLDER}
umask 077
# What an interrupted one has left.
rm -f -- "$folder/.$name.litellm-"*
temporary=$(mktemp "$folder/.$name.litellm-XXXXXXXX")
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT TERM PIPE
cat > "$temporary"
# A connection that breaks ends the content early.
[ "$(stat --format=%s "$temporary")" = "$size" ] || exit ${INCOMPLETE}
is_same=no
if [ -f "$path" ] && [ ! -L "$path" ]; then
  if cmp -s "$temporary" "$path"; then is_same=yes; fi
elif [ -d "$path" ] && [ ! -L "$path" ]; then
  exit ${NO_FILE}
fi
if [ "$is_same" = yes ]; then
  chown -- "$owner" "$path"
  chmod -- "$mode" "$path"
else
  if [ "$whose" = new ] && { [ -e "$path" ] || [ -L "$path" ]; }; then exit ${TAKEN}; fi
  chown -- "$owner" "$temporary"
  chmod -- "$mode" "$temporary"
  sync "$temporary"
  mv -fT -- "$temporary" "$path"
fi
`;

const REMOVE = `
set -eu
folder=\${1%/*} name=\${1##*/}
if [ -d "$1" ] && [ ! -L "$1" ]; then exit 0; fi
rm -f -- "$1" "$folder/.$name.litellm-"*
`;

async function write(
  { signal }: OperationContext,
  { connection, path, content, mode, owner, group }: FileInputs,
  whose: "new" | "ours",
): Promise<void> {
  const input = Buffer.from(content);
  try {
    await openSession(connection, signal).run(WRITE, {
      arguments: [path, mode, `${owner}:${group}`, String(input.length), whose],
      input,
    });
  } catch (error) {
    throw error instanceof MachineCommandError ? explain(error, { connection, path }) : error;
  }
  made.add(connection, path);
}

function explain(
  error: MachineCommandError,
  { connection, path }: Pick<FileInputs, "connection" | "path">,
): Error {
  const machine = formatMachine(connection);
  const command = (text: string) => formatSsh(connection, text);
  const folder = quote(path.replace(/\/[^/]*$/, "") || "/");
  switch (error.code) {
    case NO_FOLDER:
      return new Error(
        `${machine} has no folder ${folder} for ${path}; make it: ${command(`sudo mkdir -p ${folder}`)}`,
      );
    case TAKEN:
      return new Error(
        `${path} exists already on ${machine} and holds something else; set it aside: ` +
          command(`sudo mv ${quote(path)} ${quote(`${path}.old`)}`),
      );
    case INCOMPLETE:
      return new Error(
        `the connection to ${machine} broke before ${path} was written, which is as it was; run again: pulumi up`,
      );
    case NO_FILE:
      return new Error(
        `${path} on ${machine} is a folder; set it aside: ` +
          command(`sudo mv ${quote(path)} ${quote(`${path}.old`)}`),
      );
    default:
      return error;
  }
}
