import { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { connection, formatMachine, formatSsh } from "./connection.ts";
import { accountName, Made } from "./machine-path.ts";
import { exclusively, openSession } from "./session.ts";
import { quote } from "./shell.ts";
import { MachineCommandError } from "./ssh-failure.ts";

const path = z.string().regex(/^\/[^:\n\0]*$/, "must be an absolute path");

const inputs = z.strictObject({
  connection,
  name: accountName.meta({ description: "Of the user, and of the user's own group." }),
  home: path.default("/nonexistent").meta({ description: "It is not made." }),
  shell: path.default("/usr/sbin/nologin"),
});

export type SystemUserInputs = z.output<typeof inputs>;

export interface SystemUserOutputs {
  /** Whether we made it: only then is it deleted. */
  readonly made: boolean;
}

const made = new Made();

/** A user of a machine that services run as, with a group of the same name; nobody logs in as it. */
export const systemUser = {
  token: "litellm:ssh:SystemUser",
  inputs,
  computedOutputs: ["made"],
  replaceOnChanges: ["name"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    return { id: inputs.name, outputs: { made: await provide(context, inputs, "new") } };
  },

  async read({ signal }, id, { inputs: { connection }, outputs }) {
    if (connection === undefined) return undefined;
    const found = await openSession(connection, signal).run(OBSERVE, { arguments: [id] });
    const [, , , , comment, home = "", shell = ""] = found.trim().split(":");
    return comment === undefined
      ? undefined
      : {
          inputs: { connection, name: id, home, shell },
          outputs: { made: outputs.made ?? comment === COMMENT },
        };
  },

  async update(context, _id, { inputs, outputs }) {
    return { made: (await provide(context, inputs, "ours")) || outputs.made };
  },

  async delete({ signal }, id, { inputs: { connection }, outputs }) {
    if (!outputs.made || made.has(connection, id)) return;
    try {
      await exclusively(connection, "users", () =>
        openSession(connection, signal).run(REMOVE, { arguments: [id] }),
      );
    } catch (error) {
      if (error instanceof MachineCommandError && error.code === IN_USE) {
        throw new Error(
          `${formatMachine(connection)} still runs something as ${id}; end it: ` +
            formatSsh(connection, `sudo pkill -u ${quote(id)}`),
          { cause: error },
        );
      }
      throw error;
    }
  },
} satisfies ResourceDefinition<SystemUserInputs, SystemUserOutputs>;

/** Tells ours from others, also where a deployment was interrupted before it was noted. */
const COMMENT = "made by the LiteLLM deployment";

/** Status of `userdel` for a user with processes. */
const IN_USE = 8;
const FOREIGN = 90;

const OBSERVE = `
set -eu
entry=$(getent passwd "$1") || exit 0
group=$(getent group "$1") || exit 0
[ "$(printf '%s' "$entry" | cut -d: -f4)" = "$(printf '%s' "$group" | cut -d: -f3)" ] || exit 0
printf '%s\\n' "$entry"
`;

const PROVIDE = `
set -eu
name=$1 home=$2 shell=$3 comment=$4 whose=$5
if entry=$(getent passwd "$name"); then
  [ "$(printf '%s' "$entry" | cut -d: -f5)" != "$comment" ] || echo made
  if [ "$(printf '%s' "$entry" | cut -d: -f6-7)" != "$home:$shell" ]; then
    if [ "$whose" = new ] && [ "$(printf '%s' "$entry" | cut -d: -f5)" != "$comment" ]; then exit ${FOREIGN}; fi
    usermod --home "$home" --shell "$shell" "$name"
  fi
  getent group "$name" >/dev/null || groupadd --system "$name"
  usermod --gid "$name" "$name"
else
  if getent group "$name" >/dev/null; then group=--gid=$name; else group=--user-group; fi
  useradd --system --no-create-home "$group" --home-dir "$home" --shell "$shell" --comment "$comment" "$name"
  echo made
fi
`;

const REMOVE = `
set -eu
if getent passwd "$1" >/dev/null; then userdel "$1"; fi
if getent group "$1" >/dev/null; then groupdel "$1"; fi
`;

async function provide(
  { signal }: OperationContext,
  { connection, name, home, shell }: SystemUserInputs,
  whose: "new" | "ours",
): Promise<boolean> {
  try {
    const output = await exclusively(connection, "users", () =>
      openSession(connection, signal).run(PROVIDE, {
        arguments: [name, home, shell, COMMENT, whose],
      }),
    );
    made.add(connection, name);
    return output.includes("made");
  } catch (error) {
    if (error instanceof MachineCommandError && error.code === FOREIGN) {
      const change = `sudo usermod --home ${quote(home)} --shell ${quote(shell)} ${name}`;
      throw new Error(
        `${formatMachine(connection)} has a user ${name} already, with another home or shell; ` +
          `if it is for the gateway, adapt it: ${formatSsh(connection, change)}`,
        { cause: error },
      );
    }
    throw error;
  }
}
