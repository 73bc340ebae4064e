import { z } from "zod";

import { type Connection, connection, formatMachine, formatSsh } from "./connection.ts";
import { Observation, SAY } from "./observation.ts";
import {
  PartialFailure,
  type CheckFailure,
  type OperationContext,
  type ResourceDefinition,
} from "../resource.ts";
import { openSession, type Session } from "./session.ts";

const inputs = z.strictObject({
  connection,
  name: z
    .string()
    .regex(
      /^[\w@.:-]+\.(service|socket|timer|path|target|mount)$/,
      'must be the name of a unit, such as "litellm-gateway.service"',
    )
    .meta({ description: "Of the unit, which is its file's in /etc/systemd/system." }),
  content: z.string().min(1).meta({ description: "Text of the unit's file." }),
  enabled: z.boolean().meta({ description: "Whether it starts with the machine." }),
  active: z.union([z.boolean(), z.literal("as-needed")]).meta({
    description: "Whether it runs. as-needed: a socket, a timer or somebody else starts it.",
  }),
  restartOn: z.record(z.string(), z.string()).default({}).meta({
    description:
      "A change of any value restarts the unit, such as the hash of a file that it has read.",
  }),
  reloadOn: z.record(z.string(), z.string()).default({}).meta({
    description: "A change of any value has the unit read its configuration again.",
  }),
  startDeadlineSeconds: z.number().positive().default(300).meta({
    description: "Longest time until it has started, stopped or read its configuration.",
  }),
});

export type SystemdUnitInputs = z.output<typeof inputs>;

export interface SystemdUnitOutputs {
  /** What systemd says of it, such as `active`, `inactive` or `failed`. */
  readonly state: string;
  /** Files and links of others that change what the unit is; `up` removes them. */
  readonly overrides: readonly string[];
  /** Whether systemd has read the file as it is. */
  readonly loaded: boolean;
}

const FOLDER = "/etc/systemd/system";
const JOURNAL_LINES = 20;

/** A unit of systemd on a machine: its file, whether it starts with the machine, whether it runs. */
export const systemdUnit = {
  token: "litellm:ssh:SystemdUnit",
  inputs,
  computedOutputs: ["state", "overrides", "loaded"],
  volatileOutputs: ["state", "overrides", "loaded"],
  replaceOnChanges: ["name"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  check: (inputs) => [...checkInstall(inputs)],

  async create(context, inputs) {
    const unit = new Unit(context, inputs);
    const found = await unit.observe();
    refuseForeign(inputs, found);
    const outputs = await unit.ensure(found, { restarts: true, reloads: false });
    return { id: inputs.name, outputs };
  },

  async read(context, id, { inputs }) {
    if (inputs.connection === undefined) {
      return undefined; // cannot be imported: nobody knows on which machine it is
    }
    const known = inputs as SystemdUnitInputs;
    const found = await new Unit(context, known).observe();
    if (found.content === undefined && found.overrides.length === 0) {
      return undefined;
    }
    return {
      inputs: {
        ...known,
        name: id,
        content: found.content ?? "",
        enabled: found.isEnabled,
        active: known.active === "as-needed" ? known.active : found.isActive,
      },
      outputs: toOutputs(found),
    };
  },

  async update(context, _id, { inputs, previousInputs }) {
    const unit = new Unit(context, inputs);
    return unit.ensure(await unit.observe(), {
      restarts:
        inputs.content !== previousInputs.content ||
        !isEqual(inputs.restartOn, previousInputs.restartOn),
      reloads: !isEqual(inputs.reloadOn, previousInputs.reloadOn),
    });
  },

  async delete(context, _id, { inputs }) {
    // Pulumi deletes what was replaced or renamed last, when the same name is in use again.
    if (!ensured.has(identify(inputs))) {
      await new Unit(context, inputs).remove();
    }
  },

  drift: ({ overrides, loaded }) => [
    ...(overrides.length > 0 ? (["overrides"] as const) : []),
    ...(loaded ? [] : (["loaded"] as const)),
  ],
} satisfies ResourceDefinition<SystemdUnitInputs, SystemdUnitOutputs>;

/** What this deployment has made. */
const ensured = new Set<string>();

const identify = ({ connection, name }: SystemdUnitInputs): string => `${connection.host} ${name}`;

function* checkInstall({ name, content, enabled }: SystemdUnitInputs): Generator<CheckFailure> {
  if (enabled && !/^\[Install\]\s*$/m.test(content)) {
    yield {
      property: "enabled",
      reason: `cannot be true for ${name} without a section [Install], which says what starts it; add one such as: WantedBy=multi-user.target`,
    };
  }
}

function isEqual(one: Record<string, string>, other: Record<string, string>): boolean {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => one[key] === other[key]);
}

interface Found {
  /** Of our file; undefined when there is none. */
  readonly content: string | undefined;
  /** The file that systemd takes; empty when it knows no such unit. */
  readonly fragment: string;
  readonly state: string;
  readonly isActive: boolean;
  readonly isEnabled: boolean;
  readonly overrides: readonly string[];
  readonly isLoaded: boolean;
  readonly canReload: boolean;
  /** What a socket starts. */
  readonly triggers: string;
}

const toOutputs = ({ state, overrides, isLoaded }: Found): SystemdUnitOutputs => ({
  state,
  overrides,
  loaded: isLoaded,
});

/** @throws Error when there is such a unit that this deployment has not made */
function refuseForeign({ connection, name, content }: SystemdUnitInputs, found: Found): void {
  if (found.content === content || (found.content === undefined && found.fragment === "")) {
    return;
  }
  const path = found.content === undefined ? found.fragment : `${FOLDER}/${name}`;
  const machine = formatMachine(connection);
  throw new Error(
    found.content === undefined
      ? `${machine} has a unit ${name} already, in ${path}, which this deployment has not made; remove what brought it, see: ${formatSsh(connection, `dpkg -S ${path}`)}`
      : `${machine} has a unit ${name} already with another content, which this deployment has not made; set it aside: ${formatSsh(connection, `sudo systemctl disable --now ${name}; sudo mv ${path} ${path}.old`)}`,
  );
}

/** How a running unit gets to know of a change. */
interface Change {
  readonly restarts: boolean;
  readonly reloads: boolean;
}

/** What `systemctl` has to do to the unit; undefined for nothing. */
function chooseVerb(
  before: Found,
  active: SystemdUnitInputs["active"],
  { restarts, reloads }: Change,
): string | undefined {
  // Also in the pause before systemd starts a failed one again, and while it starts.
  const isUp = before.isActive || ["activating", "deactivating"].includes(before.state);
  if (active === false) {
    return isUp ? "stop" : undefined;
  }
  if (restarts && isUp) {
    return active === true ? "restart" : "try-restart";
  }
  if (active === true && !before.isActive) {
    return "start";
  }
  if (reloads && isUp) {
    return before.canReload ? "reload" : "try-restart";
  }
  return undefined;
}

class Unit {
  readonly #context: OperationContext;
  readonly #inputs: SystemdUnitInputs;
  readonly #connection: Connection;
  readonly #session: Session;

  constructor(context: OperationContext, inputs: SystemdUnitInputs) {
    this.#context = context;
    this.#inputs = inputs;
    this.#connection = inputs.connection;
    this.#session = openSession(inputs.connection, context.signal);
  }

  async observe(): Promise<Found> {
    const { name } = this.#inputs;
    const observation = new Observation(
      await this.#session.run(OBSERVE, { arguments: [name, FOLDER] }),
    );
    const properties = observation.record("properties");
    const state = properties["ActiveState"] ?? "inactive";
    const fragment = properties["FragmentPath"] ?? "";
    return {
      content: observation.find("content"),
      fragment,
      state,
      isActive: ["active", "reloading", "refreshing"].includes(state),
      isEnabled: properties["UnitFileState"] === "enabled",
      overrides: observation.lines("overrides"),
      isLoaded:
        properties["NeedDaemonReload"] === "no" &&
        (fragment === "" || fragment === `${FOLDER}/${name}`),
      canReload: properties["CanReload"] === "yes",
      triggers: properties["Triggers"] ?? "",
    };
  }

  /**
   * Makes the unit what it must be, and changes nothing that is so already.
   *
   * @param change that a unit which runs must still get to know of
   */
  async ensure(before: Found, change: Change): Promise<SystemdUnitOutputs> {
    const { name, content } = this.#inputs;
    ensured.add(identify(this.#inputs));
    const isFileNew = before.content !== content;
    const isOther = isFileNew || before.overrides.length > 0 || !before.isLoaded;
    if (before.overrides.length > 0) {
      this.#context.log(`removing ${before.overrides.join(", ")}`);
    }
    try {
      const isPlaced = await this.#place(before, isFileNew, isOther);
      const isSwitched = await this.#setActive(before, {
        restarts: change.restarts || isOther,
        reloads: change.reloads,
      });
      return toOutputs(isPlaced || isSwitched ? await this.observe() : before);
    } catch (error) {
      this.#context.signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      throw before.content === undefined
        ? new PartialFailure(reason, name, toOutputs(await this.observe()))
        : error;
    }
  }

  async remove(): Promise<void> {
    const { name, startDeadlineSeconds } = this.#inputs;
    const { content, state } = await this.observe();
    if (content === undefined && state === "inactive") {
      return;
    }
    await this.#session.run(
      `systemctl disable --now "$1" 2>&1 || systemctl stop "$1" 2>&1 || :
      rm -f "$2/$1" && systemctl daemon-reload || exit 1
      systemctl reset-failed "$1" 2>/dev/null || :`,
      { arguments: [name, FOLDER], deadlineSeconds: startDeadlineSeconds + STOP_SECONDS },
    );
  }

  /** Whether anything had to be done about the file, and about the machine's start. */
  async #place(before: Found, isFileNew: boolean, isOther: boolean): Promise<boolean> {
    const { name, content, enabled } = this.#inputs;
    // `reenable` also for a new [Install] of a unit that is enabled.
    const verb =
      enabled && (isFileNew || !before.isEnabled)
        ? "reenable"
        : !enabled && before.isEnabled
          ? "disable"
          : "";
    if (!isOther && verb === "") {
      return false;
    }
    const { code, stderr } = await this.#session.try(PLACE, {
      arguments: [name, FOLDER, isFileNew ? "write" : "", verb, ...before.overrides],
      input: content,
    });
    if (code !== 0) {
      throw new Error(
        `${name} could not be set up on ${formatMachine(this.#connection)}: ${stderr.trim()}; see: ${formatSsh(this.#connection, `systemd-analyze verify ${FOLDER}/${name}; df -h /etc`)}`,
      );
    }
    return true;
  }

  /** Whether anything had to be done. */
  async #setActive(before: Found, { restarts, reloads }: Change): Promise<boolean> {
    const { name, active } = this.#inputs;
    const verb = chooseVerb(before, active, { restarts, reloads });
    if (verb === undefined) {
      return false;
    }
    this.#context.log(`systemctl ${verb} ${name}`, { ephemeral: true });
    await this.#start(verb);
    return true;
  }

  /** @throws Error that quotes the journal, unless the unit is then as it was told to be */
  async #start(verb: string): Promise<void> {
    const { name, startDeadlineSeconds, active } = this.#inputs;
    const { code, stdout, stderr } = await this.#session.try(START, {
      arguments: [verb, name, String(startDeadlineSeconds), String(JOURNAL_LINES)],
      deadlineSeconds: startDeadlineSeconds + JOURNAL_SECONDS,
    });
    if (code === 0) {
      return;
    }
    const machine = formatMachine(this.#connection);
    const what =
      code === TIMED_OUT
        ? `needs more than ${startDeadlineSeconds} s to ${verb}`
        : active === true && verb !== "reload"
          ? "does not start"
          : `does not ${verb}`;
    const journal = stdout.trim() === "" ? "nothing" : `\n${stdout.trimEnd()}`;
    throw new Error(
      `${name} on ${machine} ${what}: ${stderr.trim().split("\n")[0] ?? ""}\nits journal says: ${journal}\n` +
        `whole journal: ${formatSsh(this.#connection, `sudo journalctl -u ${name}`)}`,
    );
  }
}

const TIMED_OUT = 124;
const JOURNAL_SECONDS = 30;
/** For a service that does not end until systemd kills it, and for systemd itself. */
const STOP_SECONDS = 120;

/**
 * What others can lay over a unit: drop-ins under its name, whether loaded or not, and files or links
 * of the same name in a folder that goes before ours, or instead of our file.
 */
const OBSERVE = `${SAY}
unit=$1 file=$2/$1
if [ -f "$file" ] && [ ! -L "$file" ]; then say content <"$file"; fi
systemctl show "$unit" -p ActiveState,UnitFileState,FragmentPath,NeedDaemonReload,CanReload,Triggers | say properties
{
  for folder in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient \\
    /etc/systemd/system /run/systemd/system; do
    for path in "$folder/$unit.d"/*.conf; do [ ! -e "$path" ] || echo "$path"; done
    path=$folder/$unit
    if [ "$path" != "$file" ] || [ -L "$path" ]; then
      if [ -e "$path" ] || [ -L "$path" ]; then echo "$path"; fi
    fi
  done
} | say overrides
`;

/** Standard input: content of the file. */
const PLACE = `set -eu
unit=$1 folder=$2 writes=$3 verb=$4
shift 4
for path; do
  rm -f "$path"
  case $path in */"$unit".d/*) rmdir --ignore-fail-on-non-empty "\${path%/*}" ;; esac
done
if [ -n "$writes" ]; then
  trap 'rm -f "$folder/$unit.new"' EXIT
  cat >"$folder/$unit.new"
  chmod 0644 "$folder/$unit.new"
  mv -f "$folder/$unit.new" "$folder/$unit"
fi
systemctl daemon-reload
[ -z "$verb" ] || systemctl --quiet "$verb" -- "$unit"
`;

/**
 * A socket cannot be opened again while the service that it starts runs, so that one waits.
 * A service of a simple type counts as started before it has failed: look again.
 */
const START = `
verb=$1 unit=$2 seconds=$3 lines=$4
since=$(date '+%s')
run() { timeout "$seconds" systemctl "$@"; }
held=
case $verb:$unit in
  start:*.socket | restart:*.socket)
    for service in $(systemctl show -P Triggers "$unit"); do
      if systemctl --quiet is-active "$service"; then held="$held $service"; fi
    done
    [ -z "$held" ] || run stop $held
    ;;
esac
case $verb in *start) systemctl reset-failed "$unit" 2>/dev/null ;; esac
run "$verb" "$unit"
code=$?
case $code:$verb:$unit in
  0:*start:*.service)
    sleep 0.3
    if systemctl --quiet is-failed "$unit" || [ "$(systemctl show -P SubState "$unit")" = auto-restart ]; then
      echo "it has ended as soon as it was started" >&2
      code=1
    fi
    ;;
esac
[ -z "$held" ] || run start $held || code=$?
[ "$code" = 0 ] || journalctl --no-pager --output=cat --since="@$since" --lines="$lines" --unit="$unit"
exit "$code"
`;
