import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

interface CommandOptions {
  /** The whole environment of the command. */
  readonly environment: NodeJS.ProcessEnv;
  readonly folder?: string;
  /** Text for standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/** A command that could not be run or ended with another status than 0. */
export class CommandError extends Error {
  /** Its standard error, or standard output where that is empty, without credentials in URLs. */
  readonly output: string;

  constructor(program: string, reason: string, output: string) {
    super(`${program} ${reason}`);
    this.name = "CommandError";
    this.output = redactUrls(output).trim();
  }

  /** The end of the output, for an error message. */
  lastLines(count = 12): string {
    return this.output.split("\n").slice(-count).join("\n");
  }
}

/** Time between asking a cancelled command to stop and killing it. */
const STOP_MILLISECONDS = 5000;

/**
 * Runs a command to its end and returns its standard output. When `signal` is aborted
 * the command is stopped, together with whatever it has started.
 *
 * @throws CommandError; the signal's reason when cancelled
 */
export function runCommand(
  program: string,
  arguments_: readonly string[],
  { environment, folder, input, signal }: CommandOptions,
): Promise<string> {
  signal?.throwIfAborted();
  return new Promise((succeed, fail) => {
    const child = spawn(program, arguments_, {
      env: environment,
      cwd: folder,
      // A process group of its own, to be stopped as a whole.
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    let messages = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (messages += chunk.toString("utf8")));
    // A command that ends without reading its input has its own message.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);

    const stop = () => void stopGroup(child.pid, child);
    signal?.addEventListener("abort", stop);
    const finish = (error: Error | undefined) => {
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted === true) {
        fail(signal.reason as Error);
      } else if (error === undefined) {
        succeed(output);
      } else {
        fail(error);
      }
    };
    child.once("error", (error) => {
      finish(new CommandError(program, `could not be run: ${error.message}`, ""));
    });
    child.once("close", (code, killer) => {
      const how =
        code === null ? `was killed by ${killer ?? "a signal"}` : `ended with status ${code}`;
      finish(code === 0 ? undefined : new CommandError(program, how, messages || output));
    });
  });
}

async function stopGroup(
  pid: number | undefined,
  child: { exitCode: number | null; signalCode: string | null },
): Promise<void> {
  if (pid === undefined) {
    return;
  }
  signalGroup(pid, "SIGTERM");
  await sleep(STOP_MILLISECONDS, undefined, { ref: false });
  if (child.exitCode === null && child.signalCode === null) {
    signalGroup(pid, "SIGKILL");
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ended by itself
  }
}

/** Takes user names and passwords out of every URL in a text. */
function redactUrls(text: string): string {
  return text.replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]+@/gi, "$1***@");
}
