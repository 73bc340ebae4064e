import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { z } from "zod";

import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { type Connection, connection, formatMachine, formatSsh } from "./connection.ts";
import { listConnectionArguments, listLearningArguments } from "./master.ts";
import { runSsh } from "./ssh-command.ts";
import { explainSsh } from "./ssh-failure.ts";

const inputs = z.strictObject({ connection });

export type HostKeyInputs = z.output<typeof inputs>;

export interface HostKeyOutputs {
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
}

/**
 * The key that a machine is known by: the one that is given, or that the user's known_hosts has, or
 * else the one that it shows when it is first seen. Whatever it shows later, the key stays; only a
 * replacement learns it anew.
 */
export const hostKey = {
  token: "litellm:ssh:HostKey",
  inputs,
  computedOutputs: ["hostKey"],

  async create(context, { connection }) {
    return { id: randomUUID(), outputs: { hostKey: await learn(context, connection) } };
  },

  // It lives in the state alone: what the machine shows now is just what must not be asked.
  read: (_context, _id, { inputs: { connection }, outputs: { hostKey } }) =>
    Promise.resolve(
      connection === undefined || hostKey === undefined
        ? undefined
        : { inputs: { connection }, outputs: { hostKey } },
    ),

  update: (_context, _id, { inputs: { connection }, outputs }) =>
    Promise.resolve({ hostKey: connection.hostKey ?? outputs.hostKey }),

  delete: () => Promise.resolve(),
} satisfies ResourceDefinition<HostKeyInputs, HostKeyOutputs>;

/** With all jump hosts. */
const CONNECT_SECONDS = 60;

async function learn(context: OperationContext, connection: Connection): Promise<string> {
  const known = await findKnownKey(connection, context.signal);
  if (connection.hostKey !== undefined) return connection.hostKey;
  const folder = await mkdtemp(join(tmpdir(), "litellm-key-"));
  try {
    const file = join(folder, "known_hosts");
    await connect(connection, listLearningArguments(connection, file, known?.type), context.signal);
    const [, type = "", key = ""] = (await readFile(file, "utf8")).trim().split(" ");
    const fingerprint = computeFingerprint(key);
    if (known !== undefined && known.fingerprint !== fingerprint) {
      throw explainSsh(connection, "REMOTE HOST IDENTIFICATION HAS CHANGED");
    }
    context.log(
      `${formatMachine(connection)} is known by its key ${fingerprint} from now on` +
        (known === undefined
          ? `, which nobody has vouched for; compare it there: ${formatSsh(connection, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")}`
          : ", as your known_hosts has it"),
    );
    return `${type} ${key}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The key that it shows, if it is the one that is given or in known_hosts; undefined where that has none. */
async function findKnownKey(
  connection: Connection,
  signal: AbortSignal,
): Promise<{ type: string; fingerprint: string } | undefined> {
  // At level DEBUG1, `ssh` names the key that it was shown.
  const arguments_ = listConnectionArguments(connection, [
    ...["-v", "-o", "ClearAllForwardings=yes", "-o", "ControlPath=none"],
  ]);
  const { code, stderr } = await tryConnect(arguments_, signal);
  const isUnknown = /host key is known for/.test(stderr) && !/HAS CHANGED/.test(stderr);
  if (code !== 0 && isUnknown) return undefined;
  if (code !== 0) throw explainSsh(connection, withoutDebugging(stderr));
  const shown = [...stderr.matchAll(/Server host key: (\S+) (SHA256:\S+)/g)].at(-1);
  return { type: shown?.[1] ?? "", fingerprint: shown?.[2] ?? "" };
}

async function connect(
  connection: Connection,
  arguments_: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { code, stderr } = await tryConnect(arguments_, signal);
  if (code !== 0) throw explainSsh(connection, withoutDebugging(stderr));
}

async function tryConnect(arguments_: readonly string[], signal: AbortSignal) {
  const result = await runSsh([...arguments_, "exit 0"], {
    signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_SECONDS * 1000)]),
  });
  signal.throwIfAborted();
  return result;
}

function withoutDebugging(stderr: string): string {
  return stderr
    .split("\n")
    .filter((line) => !/^(?:debug\d|OpenSSH_|Authenticated to|Transferred|Bytes per)/.test(line))
    .join("\n");
}

function computeFingerprint(key: string): string {
  const digest = createHash("sha256").update(Buffer.from(key, "base64")).digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")}`;
}
