import { execFile } from "node:child_process";

import { z } from "zod";

import { planCommand } from "../../docker-command.ts";

/** Where a Docker engine is, for the `docker` command. */
export const engine = z.strictObject({
  host: z.string().min(1).optional().meta({
    description: "Address such as ssh://user@host. Default: DOCKER_HOST, else this machine's.",
  }),
  certificateFolder: z.string().min(1).optional().meta({
    description: "Folder with the certificates to reach it by TLS.",
  }),
  sshOptions: z.array(z.string()).default([]).meta({
    description: "Options of ssh, for an address of SSH.",
  }),
});

export type Engine = z.output<typeof engine>;

/** A `docker` command that ended with another status than 0. */
export class DockerError extends Error {
  /** What it wrote to standard error. */
  readonly stderr: string;
  /** What it wrote before it failed. */
  readonly stdout: Buffer;

  constructor(command: string, stdout: Buffer, stderr: string, reason: string) {
    super(`docker ${command} failed: ${stderr.trim() || reason}`);
    this.name = "DockerError";
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Whether there is no container of that name. */
  get isContainerMissing(): boolean {
    return /no such container/i.test(this.stderr);
  }

  /** Whether the container does not run, so that no command can be run in it. */
  get isContainerStopped(): boolean {
    return /is not running|is paused|is restarting/i.test(this.stderr);
  }
}

export interface EngineCommandOptions {
  /** For standard input. */
  readonly input?: Buffer;
  /** Ends the command at once. */
  readonly signal: AbortSignal;
  /** Returns what it wrote to standard error as well, after the rest. Default: no. */
  readonly mergeOutput?: boolean;
}

/**
 * Runs `docker` against an engine and returns what it prints.
 *
 * @throws DockerError; the signal's reason when aborted
 */
export function runOnEngine(
  engine: Engine,
  arguments_: readonly string[],
  { input, signal, mergeOutput = false }: EngineCommandOptions,
): Promise<Buffer> {
  signal.throwIfAborted();
  const { program, arguments: all, environment } = planCommand(engine, arguments_);
  return new Promise((succeed, fail) => {
    const child = execFile(
      program,
      all,
      {
        encoding: "buffer",
        maxBuffer: 2 ** 28,
        env: { ...process.env, ...environment },
        signal,
      },
      (error, stdout, stderr) => {
        if (error === null) {
          succeed(mergeOutput ? Buffer.concat([stdout, stderr]) : stdout);
        } else if (signal.aborted) {
          fail(signal.reason as Error);
        } else if (error.code === "ENOENT") {
          fail(
            new Error(
              `the ${program} command is not installed, and the deployment needs it; install it, then run: pulumi up`,
            ),
          );
        } else {
          fail(
            new DockerError(arguments_[0] ?? "", stdout, stderr.toString("utf8"), error.message),
          );
        }
      },
    );
    // A command that ends without reading its input has its own message.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
