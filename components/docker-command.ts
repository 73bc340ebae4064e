import { execFile } from "node:child_process";
import { promisify } from "node:util";

import type { DockerHostPlan } from "../stacks/plan/plan.ts";
import { locateEngine } from "./docker-context.ts";

export interface DockerCommandOptions {
  /** Until the command is given up. Default: 20 s; 0: never. */
  readonly timeoutMilliseconds?: number;
}

/**
 * Runs the `docker` command against the engine that is deployed to.
 *
 * @throws Error with `stderr`; with `code` ENOENT where the command is not installed
 */
export async function runDocker(
  docker: DockerHostPlan,
  arguments_: readonly string[],
  { timeoutMilliseconds = 20_000 }: DockerCommandOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const { program, arguments: all, environment } = planCommand(locate(docker), arguments_);
  return promisify(execFile)(program, all, {
    timeout: timeoutMilliseconds,
    maxBuffer: 2 ** 26,
    env: { ...process.env, ...environment },
  });
}

/** The same command for a user's shell. */
export function formatDockerCommand(docker: DockerHostPlan, arguments_: readonly string[]): string {
  return formatCommand(locate(docker), arguments_);
}

/** The same for an engine whose address is known. */
export function formatCommand(engine: EngineAddress, arguments_: readonly string[]): string {
  const { program, arguments: all, environment } = planCommand(engine, arguments_);
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}`);
  return [...variables, program, ...all.map(quote)].join(" ");
}

/** Whether a command failed because there is no `docker` on this machine. */
export function isDockerMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Where an engine is, and how it is reached. */
interface EngineAddress {
  readonly host?: string | undefined;
  readonly certificateFolder?: string | undefined;
  readonly sshOptions: readonly string[];
}

function locate(docker: DockerHostPlan): EngineAddress {
  return { ...locateEngine(docker), sshOptions: docker.sshOptions };
}

interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** How `docker` is run against an engine, where need be by a shell of another machine. */
export function planCommand(
  { host, certificateFolder, sshOptions }: EngineAddress,
  arguments_: readonly string[],
): Command {
  if (host?.startsWith("ssh://") === true && sshOptions.length > 0) {
    // `docker` reaches an engine by SSH too, but passes no options on.
    return { program: "ssh", arguments: planSsh(host, sshOptions, arguments_), environment: {} };
  }
  return {
    program: "docker",
    arguments: [...(host === undefined ? [] : ["--host", host]), ...arguments_],
    environment:
      certificateFolder === undefined
        ? {}
        : { DOCKER_CERT_PATH: certificateFolder, DOCKER_TLS_VERIFY: "1" },
  };
}

/** With the engine's address in the form of Docker's client and provider: `ssh://user@host:port`. */
function planSsh(
  host: string,
  options: readonly string[],
  arguments_: readonly string[],
): string[] {
  const { hostname, port, username } = new URL(host);
  return [
    ...(username === "" ? [] : ["-l", decodeURIComponent(username)]),
    ...(port === "" ? [] : ["-p", port]),
    // Nobody is there to be asked.
    ...["-T", "-o", "BatchMode=yes", ...options, "--", hostname.replace(/^\[|\]$/g, "")],
    ["docker", ...arguments_].map(quote).join(" "),
  ];
}

/** As one word of a shell's command line. */
function quote(word: string): string {
  return /^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
