import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import { CommandError } from "../host/command.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { connection } from "./connection.ts";
import { openSession, type Result } from "./session.ts";

const inputs = z.strictObject({
  connection,
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/, "must be lower-case letters, digits and hyphens")
    .meta({ description: "It runs as the unit `litellm-job-<name>.service`." }),
  command: z.array(z.string()).min(1).meta({
    description:
      "Absolute path of the program, and its arguments. Everybody on the machine can read them: no secrets.",
  }),
  user: z.string().min(1).meta({ description: "Who runs it." }),
  environmentFile: z.string().startsWith("/").optional().meta({
    description: "File of variables on the machine, read by systemd: the way of secrets.",
  }),
  environment: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, "must be the name of a variable"), z.string())
    .default({})
    .meta({
      description: "Further variables. Everybody on the machine can read them: no secrets.",
    }),
  folder: z.string().startsWith("/").optional().meta({
    description: "Folder that it runs in, and the only one that it may write to. Default: /, none.",
  }),
  runOn: z.record(z.string(), z.string()).default({}).meta({
    description: "It runs again when one of these changes: versions, hashes, identities.",
  }),
  deadlineSeconds: z.int().positive().default(600).meta({
    description: "It is stopped after this time, and has failed.",
  }),
});

export type JobInputs = z.output<typeof inputs>;

export interface JobOutputs {
  /** Hash of the command and of what it last ran for, with success. */
  readonly ranFor: string;
}

/**
 * A command that runs once on a machine, to its end, and again when it or one of `runOn` changes.
 * One that failed or was interrupted has not run: the next `up` runs it again, so it must be able to
 * take up what is left. systemd runs it, so that an interrupted connection leaves no orphan, in a
 * sandbox that can write nothing but its folder.
 */
export const job = {
  token: "litellm:ssh:Job",
  inputs,
  computedOutputs: ["ranFor"],
  volatileOutputs: ["ranFor"],
  replaceOnChanges: ["name"],
  locatedBy: ["connection"],

  async create(context, inputs) {
    return { id: inputs.name, outputs: await run(context, inputs) };
  },

  /** That it ran leaves no trace of its own on the machine: what it made belongs to others. */
  read(_context, _id, { inputs, outputs }) {
    return Promise.resolve(
      outputs.ranFor === undefined
        ? undefined // cannot be imported
        : { inputs: inputs as JobInputs, outputs: { ranFor: outputs.ranFor } },
    );
  },

  update: (context, _id, { inputs, outputs }) =>
    // Another user, place or deadline is for the next time.
    outputs.ranFor === hashReasons(inputs)
      ? Promise.resolve({ ranFor: outputs.ranFor })
      : run(context, inputs),

  delete: () => Promise.resolve(),
} satisfies ResourceDefinition<JobInputs, JobOutputs>;

/** systemd's own deadline comes first, and says what it was. */
const GRACE_SECONDS = 30;
const STOP_SECONDS = 20;

/** No interpreter of Python or Node suffers from any of these. */
const SANDBOX = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "RestrictSUIDSGID=yes",
  "RestrictRealtime=yes",
  "RestrictNamespaces=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
  "LockPersonality=yes",
  "CapabilityBoundingSet=",
  "SystemCallArchitectures=native",
  "UMask=0027",
];

/**
 * `--pipe` gives the job's own output to us alone. What systemd says of one that it could not start,
 * which ends with one of its own codes, from 200 on, is in the journal.
 */
const RUN = `
unit=$1 user=$2 file=$3
shift 3
if ! id "$user" >/dev/null 2>&1; then
  echo "there is no user $user on the machine" >&2
  exit 1
fi
if [ -n "$file" ] && [ ! -r "$file" ]; then
  echo "there is no file $file on the machine" >&2
  exit 1
fi
# One whose connection broke may still be running; what it has done so far stays.
systemctl stop "$unit" 2>/dev/null
systemctl reset-failed "$unit" 2>/dev/null
start=$(date +%s)
systemd-run --unit="$unit" --wait --pipe --collect --service-type=exec "$@" </dev/null
code=$?
[ "$code" -lt 200 ] || journalctl --quiet --no-pager --output=cat --unit="$unit" --since="@$start" --lines=4 >&2
exit "$code"
`;

const STOP = 'systemctl stop "$1"';

async function run(context: OperationContext, inputs: JobInputs): Promise<JobOutputs> {
  const { signal } = context;
  const { name, command, user, environmentFile, deadlineSeconds } = inputs;
  const unit = `litellm-job-${name}.service`;
  context.log(`running ${unit}`, { ephemeral: true });
  const options = listProperties(inputs).map((property) => `--property=${property}`);
  const variables = Object.entries(inputs.environment).map(([key, value]) => `${key}=${value}`);
  try {
    const result = await openSession(inputs.connection, signal).try(RUN, {
      arguments: [
        ...[unit, user, environmentFile ?? "", ...options],
        ...variables.map((variable) => `--setenv=${variable}`),
        ...["--", ...command],
      ],
      deadlineSeconds: deadlineSeconds + GRACE_SECONDS,
    });
    if (result.code !== 0) {
      throw describeFailure(inputs, unit, result);
    }
  } catch (error) {
    if (signal.aborted) {
      const session = openSession(inputs.connection, AbortSignal.timeout(STOP_SECONDS * 1000));
      await session.try(STOP, { arguments: [unit] }).catch(() => undefined);
    }
    throw error;
  }
  return { ranFor: hashReasons(inputs) };
}

function listProperties({ user, environmentFile, folder, deadlineSeconds }: JobInputs) {
  return [
    `User=${user}`,
    ...(environmentFile === undefined ? [] : [`EnvironmentFile=${environmentFile}`]),
    ...(folder === undefined ? [] : [`WorkingDirectory=${folder}`, `ReadWritePaths=${folder}`]),
    `RuntimeMaxSec=${deadlineSeconds}`,
    ...SANDBOX,
  ];
}

/** What systemd-run reports of its own beside the command's output. */
const REPORT =
  /^(?:Running as unit|Press \^\]|Finished with result|Main processes? terminated|Service runtime|CPU time consumed|Memory (?:peak|swap peak)|IP traffic|IO bytes).*\n?/gm;

function describeFailure(
  { name, deadlineSeconds }: JobInputs,
  unit: string,
  { code, stdout, stderr }: Result,
): Error {
  const isTooLong = stderr.includes("Finished with result: timeout");
  const how = isTooLong
    ? `did not end within ${deadlineSeconds} seconds and was stopped`
    : `failed with status ${code}`;
  // Takes passwords out of URLs as well.
  const error = new CommandError(
    unit,
    how,
    `${stdout.trimEnd()}\n${stderr.replaceAll(REPORT, "")}`,
  );
  return new Error(
    `the job ${name} ${how}; remove the cause and run again: pulumi up\n${error.lastLines()}`,
  );
}

function hashReasons({ command, runOn }: JobInputs): string {
  return sha256(JSON.stringify([command, Object.entries(runOn).sort()]));
}
