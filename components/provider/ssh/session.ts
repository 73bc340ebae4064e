import { randomBytes } from "node:crypto";

import type { Connection } from "./connection.ts";
import { closeMaster, isOpen, listShareArguments, openMaster, placeSocket } from "./master.ts";
import { quote } from "./shell.ts";
import { runSsh } from "./ssh-command.ts";
import { unlessAborted } from "../unless-aborted.ts";
import {
  explainDeadline,
  explainLoss,
  explainSsh,
  explainSudo,
  MachineCommandError,
} from "./ssh-failure.ts";

export interface RunOptions {
  /** "$1", "$2" … of the script. Anybody on the machine can read them: never a secret. */
  readonly arguments?: readonly string[];
  /** Standard input of the script: the way of secrets. Default: empty. */
  readonly input?: string | Uint8Array;
  /** Who runs it. Default: root. */
  readonly user?: string;
  /** Until it is stopped. Default: 120. */
  readonly deadlineSeconds?: number;
}

export interface Result {
  readonly code: number;
  /** UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs scripts on one machine. */
export interface Session {
  /**
   * Runs a POSIX sh script: constant text, what varies goes into arguments and input. It starts in
   * `/`, with umask 022, the usual PATH of root, LC_ALL=C.UTF-8 and the HOME of its user; begin it
   * with `set -eu`. Returns its standard output.
   *
   * @throws MachineCommandError when it ends with another status than 0; SshError when the machine
   * cannot be reached, does not make us the user, or is too slow; the signal's reason when aborted
   */
  run(script: string, options?: RunOptions): Promise<string>;
  /** The same; any status is a result. */
  try(script: string, options?: RunOptions): Promise<Result>;
}

/** The machine's shared connection, as one operation uses it: `signal` ends what it runs there. */
export function openSession(connection: Connection, signal: AbortSignal): Session {
  const machine = findMachine(connection);
  const attempt = (script: string, options: RunOptions = {}) =>
    machine.execute(script, options, signal);
  return {
    try: attempt,
    async run(script, options) {
      const result = await attempt(script, options);
      if (result.code !== 0) {
        throw new MachineCommandError(connection, result);
      }
      return result.stdout;
    },
  };
}

/**
 * The arguments of an `ssh` that goes through the machine's shared connection, which is opened again where
 * it has ended. The login need not become root for that.
 */
export async function shareConnection(
  connection: Connection,
  signal: AbortSignal,
): Promise<string[]> {
  return listShareArguments(await findMachine(connection).share(signal));
}

const topics = new Map<string, Promise<unknown>>();

/** Runs one task at a time per machine and topic, such as "apt", in this process. */
export function exclusively<T>(
  { host, port }: Connection,
  topic: string,
  task: () => Promise<T>,
): Promise<T> {
  const key = JSON.stringify([host, port, topic]);
  const previous = topics.get(key) ?? Promise.resolve();
  const current = previous.then(task, task);
  topics.set(key, current);
  return current;
}

/** Closes every connection of this process. The next session opens its own. */
export async function closeSessions(): Promise<void> {
  const closing = [...machines.values()].map((machine) => machine.close());
  machines.clear();
  await Promise.all(closing);
}

const machines = new Map<string, Machine>();

function findMachine(connection: Connection): Machine {
  const key = JSON.stringify([
    ...[connection.host, connection.port, connection.user, connection.options],
    ...[connection.hostKey, connection.sudoPassword],
  ]);
  const machine = machines.get(key) ?? new Machine(connection);
  machines.set(key, machine);
  return machine;
}

/** How the login becomes root. */
type Rise = "is-root" | "sudo" | "sudo-with-password";

interface Reached {
  readonly socket: string;
  /** Asked the machine once, when it is first needed. */
  learnRise(): Promise<Rise>;
}

/** An sshd allows ten sessions in one connection, and others may be about. */
const SESSIONS = 8;
const REFUSED_MILLISECONDS = 200;
/** For the answer of a machine that stops a command itself. */
const GRACE_SECONDS = 20;
const KILL_SECONDS = 10;
/** For a cancelled command to be stopped on the machine. */
const STOP_SECONDS = 5;

/**
 * Reads a script, as sudo would write it into the journal if it were an argument. It says first that
 * it has begun and which process to stop, and reads away the password where sudo has not read it.
 * `read` takes no byte more than its line, so the script's own input is left.
 */
const PRELUDE = `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
umask 022
cd /
printf '%s %s\\n' "$1" "$PPID"
while IFS= read -r line && [ "$line" != "$1" ]; do :; done
script=
while IFS= read -r line && [ "$line" != "$1" ]; do script=$script$line'
'; done
[ "$line" = "$1" ] || exit 1
shift
exec sh -c "$script" sh "$@"
`.trim();

/**
 * Prints how, on a line of its own, whatever a login shell has printed before. What sudo remembers
 * from another time does not count: it forgets. A wrong password is tried once.
 */
const RISE = `
echo
if [ "$(id -u)" = 0 ]; then echo is-root; exit; fi
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
if ! command -v sudo >/dev/null; then echo 'sudo: not installed' >&2; exit 1; fi
if message=$(sudo -k -n true 2>&1); then echo sudo; exit; fi
IFS= read -r password
if [ -z "$password" ]; then printf '%s\\n' "$message" >&2; exit 1; fi
printf '%s\\n' "$password" | sudo -k -S -p '' true && echo sudo-with-password
`.trim();

let opened = 0;

class Machine {
  readonly #connection: Connection;
  readonly #waiting: (() => void)[] = [];
  #reached: Promise<Reached> | undefined;
  #limit = SESSIONS;
  #running = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async close(): Promise<void> {
    const reached = await this.#reached?.catch(() => undefined);
    this.#reached = undefined;
    if (reached !== undefined) await closeMaster(reached.socket);
  }

  /** Opens the connection unless it is open. */
  reach(signal: AbortSignal): Promise<Reached> {
    if (this.#reached === undefined) {
      const reached = this.#open();
      this.#reached = reached;
      // The next one tries again.
      reached.catch(() => {
        this.#forget(reached);
      });
    }
    return unlessAborted(this.#reached, signal);
  }

  /** The socket of a connection that is open now. */
  async share(signal: AbortSignal): Promise<string> {
    const opening = this.reach(signal);
    const current = this.#reached;
    const { socket } = await opening;
    if (await isOpen(socket)) return socket;
    this.#forget(current);
    return (await this.reach(signal)).socket;
  }

  async execute(script: string, options: RunOptions, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted();
    let isReopened = false;
    for (;;) {
      const opening = this.reach(signal);
      const current = this.#reached;
      const reached = await opening;
      const rise = await this.#rise(current, reached, signal);
      const attempt = await this.#inTurn(signal, () =>
        this.#attempt(reached, rise, script, options, signal),
      );
      if (attempt.hasBegun) return attempt.result;
      signal.throwIfAborted();
      const { code, stderr } = attempt.result;
      if (/open refused|open failed/i.test(stderr) && this.#running > 0) {
        // Its sshd allows fewer: wait until one of ours has ended.
        this.#limit = Math.max(1, this.#running);
        await unlessAborted(
          new Promise((resolve) => setTimeout(resolve, REFUSED_MILLISECONDS)),
          signal,
        );
      } else if (code === 255 && !isReopened) {
        // It was idle, or the machine has been restarted.
        isReopened = true;
        this.#forget(current);
        await closeMaster(reached.socket);
      } else if (/^(?:sudo|runuser): /m.test(stderr)) {
        throw explainSudo(this.#connection, stderr);
      } else {
        throw explainSsh(this.#connection, stderr || attempt.result.stdout);
      }
    }
  }

  /** How the login becomes root; the next one asks again where it does not. */
  async #rise(
    current: Promise<Reached> | undefined,
    reached: Reached,
    signal: AbortSignal,
  ): Promise<Rise> {
    try {
      return await unlessAborted(reached.learnRise(), signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#forget(current);
        await closeMaster(reached.socket);
      }
      throw error;
    }
  }

  #forget(reached: Promise<Reached> | undefined): void {
    if (this.#reached === reached) this.#reached = undefined;
  }

  async #open(): Promise<Reached> {
    const connection = this.#connection;
    const socket = placeSocket(connection, process.pid, ++opened);
    await openMaster(connection, { socket });
    let rise: Promise<Rise> | undefined;
    return { socket, learnRise: () => (rise ??= this.#learnRise(socket)) };
  }

  async #learnRise(socket: string): Promise<Rise> {
    const connection = this.#connection;
    const { code, stdout, stderr } = await runSsh(
      [...listShareArguments(socket), "any", `exec sh -c ${quote(RISE)}`],
      {
        input: `${connection.sudoPassword ?? ""}\n`,
        signal: AbortSignal.timeout((GRACE_SECONDS + KILL_SECONDS) * 1000),
      },
    );
    const rise = /^(?:is-root|sudo-with-password|sudo)$/m.exec(stdout.toString("utf8"))?.[0];
    if (rise === undefined) {
      throw /^sudo: |sudoers/m.test(stderr)
        ? explainSudo(connection, stderr)
        : explainSsh(connection, stderr || stdout.toString("utf8") || `status ${code}`);
    }
    return rise as Rise;
  }

  /** Runs a task when fewer than the limit are running. */
  async #inTurn<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    while (this.#running >= this.#limit) {
      let proceed: (() => void) | undefined;
      const turn = new Promise<void>((resolve) => {
        proceed = resolve;
        this.#waiting.push(resolve);
      });
      try {
        await unlessAborted(turn, signal);
      } catch (error) {
        const index = this.#waiting.findIndex((each) => each === proceed);
        if (index >= 0) this.#waiting.splice(index, 1);
        else this.#waiting.shift()?.();
        throw error;
      }
    }
    this.#running += 1;
    try {
      return await task();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #attempt(
    reached: Reached,
    rise: Rise,
    script: string,
    options: RunOptions,
    signal: AbortSignal,
  ): Promise<{ hasBegun: boolean; result: Result }> {
    const { input = "", deadlineSeconds = 120 } = options;
    const nonce = `litellm-${randomBytes(8).toString("hex")}`;
    const command = composeCommand(rise, nonce, options);
    const password =
      rise === "sudo-with-password" ? `${this.#connection.sudoPassword ?? ""}\n` : "";
    const begun = new RegExp(`${nonce} (\\d+)\n`);

    // Ends the local side, at last, where the machine does not end the command itself.
    const local = new AbortController();
    const timer = setTimeout(
      () => {
        local.abort();
      },
      (deadlineSeconds + KILL_SECONDS + GRACE_SECONDS) * 1000,
    );
    let remote: string | undefined;
    const stop = () => {
      if (remote !== undefined) void this.#stop(reached, rise, remote);
      setTimeout(() => {
        local.abort();
      }, STOP_SECONDS * 1000).unref();
    };
    signal.addEventListener("abort", stop);
    const startedAt = performance.now();
    try {
      const { code, stdout, stderr } = await runSsh(
        [...listShareArguments(reached.socket), "any", command],
        {
          input: Buffer.concat([
            Buffer.from(`${password}${nonce}\n${script}\n${nonce}\n`),
            Buffer.from(input),
          ]),
          signal: local.signal,
          onOutput: (soFar) => {
            if (remote !== undefined) return;
            remote = begun.exec(Buffer.concat(soFar).toString("latin1"))?.[1];
            if (signal.aborted && remote !== undefined) void this.#stop(reached, rise, remote);
          },
        },
      );
      signal.throwIfAborted();
      const seconds = (performance.now() - startedAt) / 1000;
      if (local.signal.aborted || ((code === 124 || code === 137) && seconds >= deadlineSeconds)) {
        throw explainDeadline(this.#connection, deadlineSeconds, stderr);
      }
      const text = stdout.toString("utf8");
      const start = begun.exec(text);
      const hasBegun = start !== null;
      if (hasBegun && code === 255 && !(await isOpen(reached.socket))) {
        throw explainLoss(this.#connection, stderr);
      }
      // What a login shell's own files print comes first.
      const output = hasBegun ? text.slice(start.index + start[0].length) : text;
      return { hasBegun, result: { code, stdout: output, stderr } };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Stops a command of ours, with all that it has started. */
  async #stop(reached: Reached, rise: Rise, process: string): Promise<void> {
    const signal = AbortSignal.timeout(STOP_SECONDS * 1000);
    await this.#attempt(reached, rise, 'kill -TERM "$1"', { arguments: [process] }, signal).catch(
      () => undefined,
    );
  }
}

/** The command line for the login's own shell, whichever it is. */
function composeCommand(
  rise: Rise,
  nonce: string,
  { arguments: arguments_ = [], user = "root", deadlineSeconds = 120 }: RunOptions,
): string {
  const limit = ["timeout", `--kill-after=${KILL_SECONDS}`, String(deadlineSeconds)];
  // Unlike sudo, runuser leaves HOME as it was. A name after ~ must not be quoted.
  const prelude = user === "root" ? PRELUDE : `HOME=~${checkUser(user)}\nexport HOME\n${PRELUDE}`;
  const shell = ["sh", "-c", prelude, "litellm", nonce, ...arguments_];
  const become = {
    "is-root": user === "root" ? [] : ["runuser", "-u", user, "--"],
    sudo: ["sudo", "-n", "-H", "-u", user, "--"],
    "sudo-with-password": ["sudo", "-S", "-p", "", "-H", "-u", user, "--"],
  }[rise];
  return ["exec", ...become, ...limit, ...shell].map(quote).join(" ");
}

function checkUser(name: string): string {
  if (!/^[A-Za-z_][\w.-]*$/.test(name)) {
    throw new Error(`"${name}" is no name of a user; correct it`);
  }
  return name;
}
