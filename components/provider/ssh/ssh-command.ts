import { spawn } from "node:child_process";

export interface SshCommandOptions {
  readonly input?: string | Uint8Array;
  /** Ends `ssh` at once. */
  readonly signal?: AbortSignal;
  /** Sees standard output as it comes. */
  readonly onOutput?: (soFar: readonly Buffer[]) => void;
}

export interface SshResult {
  /** 255: the error is of `ssh` itself, as a rule. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs the user's `ssh` to its end.
 *
 * @throws Error when it is not installed
 */
export function runSsh(
  arguments_: readonly string[],
  { input, signal, onOutput }: SshCommandOptions = {},
): Promise<SshResult> {
  return new Promise((succeed, fail) => {
    const child = spawn("ssh", arguments_, {
      stdio: ["pipe", "pipe", "pipe"],
      // Ctrl-C reaches a whole group: how the remote command ends is ours to say.
      detached: true,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout.push(chunk);
      onOutput?.(stdout);
    });
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A command that ends without reading its input has its own message.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const stop = () => child.kill("SIGKILL");
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop);
    child.once("error", (error: NodeJS.ErrnoException) => {
      fail(
        error.code === "ENOENT"
          ? new Error(
              "the ssh command is not installed, and the machines are reached by it; install it (Debian and Ubuntu): apt-get install openssh-client",
            )
          : error,
      );
    });
    child.once("close", (code) => {
      signal?.removeEventListener("abort", stop);
      succeed({
        code: code ?? 255,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString("utf8"),
      });
    });
  });
}
