import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { spawn } from "node:child_process";

import { z } from "zod";

import { findPortHolder } from "../host/process-table.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { type Connection, connection, formatMachine } from "./connection.ts";
import { closeMaster, isOpen, listShareArguments, openMaster, placeSocket } from "./master.ts";
import { exclusively, shareConnection } from "./session.ts";
import { runSsh } from "./ssh-command.ts";
import { SshError } from "./ssh-failure.ts";

const host = z.string().regex(/^[^\s:[\]/]+$/, "must be an address of IPv4, or a name");
const port = z.int().min(1).max(65_535);

const inputs = z.strictObject({
  connection,
  remoteHost: host.default("127.0.0.1").meta({ description: "As the machine itself sees it." }),
  remotePort: port,
  localPort: port.meta({ description: "Port of 127.0.0.1 on this machine." }),
});

export type TunnelInputs = z.output<typeof inputs>;

/**
 * A port of this machine that leads to one which a machine sees. It lives on when the deployment has
 * ended, and ends itself an hour after its last use; whoever looks at it opens it again.
 */
export const tunnel = {
  token: "litellm:ssh:Tunnel",
  inputs,
  computedOutputs: [],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    const id = randomUUID();
    await provide(context, id, inputs);
    return { id, outputs: {} };
  },

  async read(context, id, { inputs }) {
    if (inputs.connection === undefined) return undefined;
    await provide(context, id, inputs as TunnelInputs);
    return { inputs: inputs as TunnelInputs, outputs: {} };
  },

  async update(context, id, { inputs }) {
    await provide(context, id, inputs);
    return {};
  },

  async delete(_context, id) {
    const socket = placeTunnel(id);
    await closeMaster(socket);
    await rm(noteOf(socket), { force: true });
  },
} satisfies ResourceDefinition<TunnelInputs, object>;

const IDLE_SECONDS = 3600;
/** For a machine to answer through a tunnel that is open. */
const ANSWER_SECONDS = 10;

const placeTunnel = (id: string): string => placeSocket("tunnel", id);
/** Beside the socket: where the tunnel leads. */
const noteOf = (socket: string): string => `${socket}.to`;

function provide({ signal }: OperationContext, id: string, inputs: TunnelInputs): Promise<void> {
  return exclusively(inputs.connection, `tunnel ${id}`, async () => {
    const socket = placeTunnel(id);
    const wanted = describe(inputs);
    const found = await readFile(noteOf(socket), "utf8").catch(() => undefined);
    if (found === wanted && (await answers(socket, signal))) return;
    signal.throwIfAborted();
    await closeMaster(socket);
    await openDetachedTunnel(socket, inputs);
    await writeFile(noteOf(socket), wanted, { mode: 0o600 });
  });
}

function describe({ connection, remoteHost, remotePort, localPort }: TunnelInputs): string {
  const { host, port, user, options, hostKey } = connection;
  return JSON.stringify({ host, port, user, options, hostKey, remoteHost, remotePort, localPort });
}

/** Also notices a machine that has gone away meanwhile. */
async function answers(socket: string, signal: AbortSignal): Promise<boolean> {
  if (!(await isOpen(socket))) return false;
  const { code } = await runSsh([...listShareArguments(socket), "any", "exit 0"], {
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_SECONDS * 1000)]),
  });
  return code === 0;
}

/**
 * Opens a tunnel that lives on without us, until nobody has used it for a while.
 *
 * @throws Error that names who holds the local port
 */
export async function openDetachedTunnel(
  socket: string,
  { connection, remoteHost, remotePort, localPort }: TunnelInputs,
  idleSeconds = IDLE_SECONDS,
): Promise<void> {
  await openMaster(connection, { socket, idleSeconds });
  const route = `127.0.0.1:${localPort}:${remoteHost}:${remotePort}`;
  const { code, stderr } = await runSsh([
    ...listShareArguments(socket),
    ...["-O", "forward", "-L", route, "any"],
  ]);
  if (code === 0) return;
  await closeMaster(socket);
  const holder = findPortHolder(localPort);
  throw holder === undefined
    ? new SshError(
        `port ${localPort} of this machine cannot be used for a tunnel to ` +
          `${formatMachine(connection)}: ${stderr.trim()}; see: ss -ltn`,
        stderr,
      )
    : new Error(
        `port ${localPort} of this machine, which is to lead to ${formatMachine(connection)}, is taken by ` +
          `${holder.command}; end that, or choose another port; see: ss -ltnp 'sport = :${localPort}'`,
      );
}

export interface OpenTunnel {
  /** Port of 127.0.0.1. */
  readonly port: number;
  /** Ends what goes through it, too. */
  close(): Promise<void>;
}

/** A free port of this machine that leads to one which a machine sees, until it is closed. */
export async function openTunnel(
  connection: Connection,
  { remoteHost, remotePort }: { remoteHost: string; remotePort: number },
  signal: AbortSignal,
): Promise<OpenTunnel> {
  // Fails now, and clearly, where the machine cannot be reached.
  await shareConnection(connection, signal);
  const sockets = new Set<Socket>();
  // Who has said all may still be answered.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // Whoever called sees that the connection ends.
    socket.on("error", () => undefined);
    shareConnection(connection, signal).then(
      (share) => {
        join(socket, [...share, "-W", `${remoteHost}:${remotePort}`, "any"]);
      },
      () => {
        socket.destroy();
      },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    signal.removeEventListener("abort", abort);
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const abort = () => void close();
  signal.addEventListener("abort", abort, { once: true });
  return { port: (server.address() as AddressInfo).port, close };
}

/** Lets a connection of this machine go through an `ssh`. */
function join(socket: Socket, arguments_: readonly string[]): void {
  const child = spawn("ssh", arguments_, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  child.stdin.on("error", () => undefined);
  child.once("error", () => {
    socket.destroy();
  });
  child.once("close", () => {
    socket.destroySoon();
  });
  socket.once("close", () => {
    child.kill();
  });
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
}
