import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { Connection } from "../../components/provider/ssh/connection.ts";
import { shareConnection } from "../../components/provider/ssh/session.ts";
import { quote } from "../../components/provider/ssh/shell.ts";
import { MachineCommandError } from "../../components/provider/ssh/ssh-failure.ts";

export interface StreamOptions {
  /** "$1", "$2" … of the script; never a secret. */
  readonly arguments?: readonly string[];
  /** Standard input of the script. Default: open and empty, until the reader of the output leaves. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Who runs it. Default: root. */
  readonly user?: string;
  readonly signal: AbortSignal;
}

/** As the login's user: becomes another by whichever way is open. The password is on standard input. */
const BECOME = `
user=$1; shift
if [ "$(id -u)" = 0 ]; then
  if [ "$user" = root ]; then exec "$@"; fi
  exec runuser -u "$user" -- "$@"
fi
if sudo -n true </dev/null 2>/dev/null; then exec sudo -n -H -u "$user" -- "$@"; fi
exec sudo -k -S -p '' -H -u "$user" -- "$@"
`;

/** Says that it has begun, and reads away the password that sudo has, perhaps, not read. */
const BEGIN = `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
umask 077
cd /
printf '%s\\n' "$1"
while IFS= read -r line && [ "$line" != "$1" ]; do :; done
script=$2
shift 2
exec sh -c "$script" sh "$@"
`;

/**
 * Runs a POSIX sh script on a machine and yields what it prints, as it comes and of any length:
 * a session's `run` keeps all of it. Leaving early ends the script.
 *
 * @throws MachineCommandError unless it ends with 0; SshError when the machine cannot be reached; what
 *   reading `input` throws
 */
export async function* streamScript(
  connection: Connection,
  script: string,
  { arguments: arguments_ = [], input, user = "root", signal }: StreamOptions,
): AsyncGenerator<Buffer, void, void> {
  const share = await shareConnection(connection, signal);
  const nonce = `litellm-${randomBytes(8).toString("hex")}`;
  const shell = ["sh", "-c", BEGIN, "litellm", nonce, script, ...arguments_];
  const command = ["exec", "sh", "-c", BECOME, "litellm", user, ...shell].map(quote).join(" ");
  const child = spawn("ssh", [...share, "any", command], {
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C reaches a whole group: how the remote command ends is ours to say.
    detached: true,
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  // Awaited below; an error is told there.
  closed.catch(() => undefined);
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (messages += text));
  let failure: unknown;
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${connection.sudoPassword ?? ""}\n${nonce}\n`);
  if (input !== undefined) {
    pipeline(Readable.from(input, { objectMode: false }), child.stdin).catch((error: unknown) => {
      // A script that ends without reading its input has its own message.
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE") return;
      failure = error;
      stop();
    });
  }
  try {
    yield* skipTo(`${nonce}\n`, child.stdout);
    const [code] = await closed;
    if (failure !== undefined) throw failure as Error;
    signal.throwIfAborted();
    if (code !== 0) {
      throw new MachineCommandError(connection, {
        code: code ?? 255,
        stdout: "",
        stderr: messages,
      });
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Leaves out what a login shell's own files print, up to and with the mark. */
async function* skipTo(
  mark: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, void> {
  let before: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (before === undefined) {
      yield chunk;
      continue;
    }
    before = Buffer.concat([before, chunk]);
    const start = before.indexOf(mark);
    if (start < 0) continue;
    const rest = before.subarray(start + mark.length);
    before = undefined;
    if (rest.length > 0) yield rest;
  }
}

/** Text, line by line. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let kept = "";
  for await (const chunk of chunks) {
    const lines = (kept + decoder.decode(chunk, { stream: true })).split("\n");
    kept = lines.pop() ?? "";
    yield* lines;
  }
  if (kept !== "") yield kept;
}
