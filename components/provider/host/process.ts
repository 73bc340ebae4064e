import { spawn } from "node:child_process";
import { closeSync, fchownSync, fstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

import { openLog, readLogTail } from "./log-file.ts";
import { findUser } from "./operating-system-user.ts";
import {
  findPortHolder,
  exists,
  findProcess,
  identify,
  IDENTITY_VARIABLE,
  isReused,
  isRunning,
  listGroup,
  type RunningProcess,
} from "./process-table.ts";
import { readiness, waitUntilReady } from "./readiness.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  name: z.string().min(1).meta({
    description: "What this process is, unique in the checkout: it is found again by this.",
  }),
  command: z
    .array(z.string())
    .min(1)
    .meta({ description: "Program and arguments; it runs in the project's folder." }),
  environment: z.record(z.string(), z.string()).default({}).meta({
    description:
      "Variables of its own. Of the deployer's environment it sees only PATH, HOME, locale, time zone, temporary folder, proxies and certificate bundles.",
  }),
  logFile: z.string().meta({ description: "Standard output and error, mode 0600." }),
  user: z.string().optional().meta({ description: "Run as this user; only root can." }),
  port: z.int().min(1).max(65535).meta({ description: "TCP port it will listen on." }),
  readiness,
  stopSignal: z.enum(["SIGTERM", "SIGINT"]).default("SIGTERM"),
  stopGraceSeconds: z.number().positive().default(30).meta({
    description: "After the stop signal; then the whole process group is killed.",
  }),
  restartOn: z.record(z.string(), z.string()).default({}).meta({
    description:
      "A change of any value restarts the process, such as the hash of a file it has read.",
  }),
});

export type ProcessInputs = z.output<typeof inputs>;

export interface ProcessOutputs {
  readonly pid: number;
  /** When it was started, in the operating system's notation. */
  readonly startTime: string;
  readonly running: boolean;
}

/** A long-running server on this machine, detached from the deployment that started it. */
export const hostProcess = {
  token: "litellm:host:Process",
  inputs,
  computedOutputs: ["pid", "startTime", "running"],
  volatileOutputs: ["pid", "startTime", "running"],
  replaceOnChanges: ["name"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    return { id: inputs.name, outputs: await restart(context, inputs, inputs, undefined) };
  },

  read(_context, id, { inputs, outputs }) {
    const found = findRecorded(id, outputs);
    const running = found !== undefined;
    const { pid = 0, startTime = "" } = found ?? outputs;
    return Promise.resolve(
      inputs.command === undefined
        ? undefined // a process cannot be imported: nobody knows how it was started
        : { inputs: inputs as ProcessInputs, outputs: { pid, startTime, running } },
    );
  },

  update: (context, _id, { inputs, previousInputs, outputs }) =>
    restart(context, inputs, previousInputs, outputs),

  async delete(context, id, { inputs, outputs }) {
    const found = findRecorded(id, outputs);
    if (found !== undefined) {
      await stop(context, found, inputs);
    }
  },

  drift: (outputs) => (outputs.running ? [] : ["running"]),
} satisfies ResourceDefinition<ProcessInputs, ProcessOutputs>;

function findRecorded(
  name: string,
  { pid, startTime }: Partial<ProcessOutputs>,
): RunningProcess | undefined {
  const hint = pid === undefined || startTime === undefined ? undefined : { pid, startTime };
  return findProcess(identify(name), hint);
}

async function restart(
  context: OperationContext,
  inputs: ProcessInputs,
  previousInputs: ProcessInputs,
  recorded: RunningProcess | undefined,
): Promise<ProcessOutputs> {
  const old = findProcess(identify(inputs.name));
  if (old !== undefined) {
    await stop(context, old, previousInputs);
  } else if (recorded !== undefined) {
    await clearRemains(context, recorded);
  }
  const holder = findPortHolder(inputs.port);
  if (holder !== undefined) {
    const who = holder.pid === undefined ? "" : `process ${holder.pid}: `;
    throw new Error(
      `port ${inputs.port} is taken by ${who}${holder.command}; stop it or choose another port in the stack's settings`,
    );
  }
  return start(context, inputs);
}

async function start(context: OperationContext, inputs: ProcessInputs): Promise<ProcessOutputs> {
  const [program = "", ...arguments_] = inputs.command;
  const owner = inputs.user === undefined ? undefined : findUser(inputs.user);
  mkdirSync(dirname(inputs.logFile), { recursive: true });
  const log = openLog(inputs.logFile);
  const logOffset = fstatSync(log).size;
  if (owner !== undefined) {
    fchownSync(log, owner.uid, owner.gid);
  }
  context.log(`starting ${program}`, { ephemeral: true });
  const child = spawn(program, arguments_, {
    detached: true,
    stdio: ["ignore", log, log],
    env: {
      ...inheritedEnvironment(),
      ...inputs.environment,
      [IDENTITY_VARIABLE]: identify(inputs.name),
    },
    ...(owner !== undefined && { uid: owner.uid, gid: owner.gid }),
  });
  closeSync(log);
  const failure = new Promise<never>((_resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      const how = code === null ? `killed by ${signal ?? "a signal"}` : `with exit code ${code}`;
      reject(new Error(`ended ${how} before it was ready`));
    });
  });
  try {
    context.log(`waiting until ${inputs.name} is ready`, { ephemeral: true });
    await Promise.race([failure, waitUntilReady(inputs.readiness, context.signal)]);
    const started = findProcess(identify(inputs.name));
    if (started === undefined) {
      throw new Error("ended as soon as it was ready");
    }
    return { ...started, running: true };
  } catch (error) {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      killGroup(child.pid, "SIGKILL");
    }
    throw withLog(context.signal.aborted ? context.signal.reason : error, inputs, logOffset);
  } finally {
    failure.catch(() => undefined);
    child.removeAllListeners();
    child.unref();
  }
}

function withLog(error: unknown, inputs: ProcessInputs, logOffset: number): Error {
  const reason = error instanceof Error ? error.message : String(error);
  const tail = readLogTail(inputs.logFile, 20, logOffset);
  return new Error(
    `${inputs.command[0] ?? ""} ${reason}` +
      (tail === "" ? "; it wrote nothing" : `; its last lines:\n${tail}`) +
      `\nwhole log: ${inputs.logFile}`,
  );
}

async function stop(
  context: OperationContext,
  target: RunningProcess,
  { stopSignal, stopGraceSeconds }: Pick<ProcessInputs, "stopSignal" | "stopGraceSeconds">,
): Promise<void> {
  context.log(`stopping process ${target.pid}`, { ephemeral: true });
  signalProcess(target.pid, stopSignal);
  await waitWhile(() => isRunning(target), stopGraceSeconds * 1000, context.signal);
  await clearRemains(context, target, isRunning(target) ? 0 : CHILDREN_GRACE_MILLISECONDS);
}

const POLL_MILLISECONDS = 50;
/** For children that outlive their leader, such as workers and database engines. */
const CHILDREN_GRACE_MILLISECONDS = 3000;
/** For whoever must collect the exit code of a dead leader. */
const REAP_MILLISECONDS = 10_000;

/** Ends what is left of a process group, and waits until its leader's number is free. */
async function clearRemains(
  context: OperationContext,
  leader: RunningProcess,
  graceMilliseconds = CHILDREN_GRACE_MILLISECONDS,
): Promise<void> {
  if (isReused(leader)) {
    return;
  }
  await waitWhile(() => listGroup(leader.pid).length > 0, graceMilliseconds, context.signal);
  if (listGroup(leader.pid).length > 0) {
    killGroup(leader.pid, "SIGKILL");
  }
  // PostgreSQL takes a dead server whose number is still taken for a running one.
  await waitWhile(() => exists(leader.pid), REAP_MILLISECONDS, context.signal);
}

async function waitWhile(
  condition: () => boolean,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (condition() && Date.now() < deadline) {
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

function killGroup(leader: number, signal: NodeJS.Signals): void {
  signalProcess(-leader, signal);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It may have ended between our look and the signal.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}

const INHERITED =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS)$/i;

/** What a process of ours sees of the environment of whoever deploys it. */
export function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name)));
}
