import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { closeSessions } from "../../components/provider/ssh/session.ts";
import { openDetachedTunnel, openTunnel, tunnel } from "../../components/provider/ssh/tunnel.ts";
import { labMachines } from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";
import { type SshLab, startSshLab } from "../support/ssh-lab.ts";

const available = labMachines();
const { context } = operationContext();
const ECHO = 7007;

/** What a server that repeats what it is told answers, or why it does not. */
async function talk(port: number, text = "hello"): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.end(text);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "failed";
  } finally {
    socket.destroy();
  }
}

describe.skipIf(!available.available)(`a tunnel ${available.reason}`, () => {
  let lab: SshLab;
  let localPort: number;
  const parse = (changes: object = {}) =>
    tunnel.inputs.parse({
      connection: lab.connect("plain"),
      remotePort: ECHO,
      localPort,
      ...changes,
    });

  beforeAll(async () => {
    lab = await startSshLab(`ssh-tunnel-${process.pid}`);
    await startEcho();
    localPort = await findFreePort();
  });

  afterAll(async () => {
    await lab.remove();
  });

  async function startEcho() {
    await lab.machine.script(`
      cat > /run/echo.py <<'END'
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(("127.0.0.1", ${ECHO}), Handler).serve_forever()
END
      systemd-run --quiet --unit=echo python3 /run/echo.py
      until ss -ltn | grep -q :${ECHO}; do sleep 0.1; done`);
  }

  test("leads to a port that only the machine sees, until it is closed", async () => {
    const target = { remoteHost: "127.0.0.1", remotePort: ECHO };
    const opened = await openTunnel(lab.connect(), target, new AbortController().signal);
    const text = "x".repeat(1_000_000);
    const answers = await Promise.all([
      talk(opened.port, text),
      talk(opened.port),
      talk(opened.port),
    ]);
    expect(answers).toEqual([text, "hello", "hello"]);
    await opened.close();
    expect(await talk(opened.port)).toBe("ECONNREFUSED");
    const cancellation = new AbortController();
    const cancelled = await openTunnel(lab.connect(), target, cancellation.signal);
    cancellation.abort();
    expect(await talk(cancelled.port)).toBe("ECONNREFUSED");
  });

  test("lives on without us, is found again, opened again, moved, and stopped", async () => {
    const inputs = parse();
    const { id } = await tunnel.create(context, inputs);
    const stateOf = (current = inputs) => ({
      inputs: current,
      previousInputs: inputs,
      outputs: current,
    });
    expect(await talk(localPort)).toBe("hello");

    // Another process: it shares nothing but the folder with the sockets.
    vi.resetModules();
    const later = await import("../../components/provider/ssh/tunnel.ts");
    const established = () => lab.machine.script("ss -Htn state established sport = :22 | sort");
    const before = await established();
    expect(await later.tunnel.read(context, id, stateOf())).toEqual({ inputs, outputs: {} });
    expect(await established()).toBe(before);

    await lab.machine.reboot();
    await startEcho();
    expect(await later.tunnel.read(context, id, stateOf())).toEqual({ inputs, outputs: {} });
    expect(await talk(localPort)).toBe("hello");

    const moved = parse({ localPort: await findFreePort() });
    expect(await later.tunnel.update(context, id, stateOf(moved))).toEqual({});
    expect(await talk(localPort)).toBe("ECONNREFUSED");
    expect(await talk(moved.localPort)).toBe("hello");

    await later.tunnel.delete(context, id);
    await later.tunnel.delete(context, id);
    expect(await talk(moved.localPort)).toBe("ECONNREFUSED");
  });

  test("ends itself when nobody has used it for a while", async () => {
    const inputs = parse({ localPort: await findFreePort() });
    const socket = join(tmpdir(), `tunnel-test-${process.pid}`);
    await openDetachedTunnel(socket, inputs, 2);
    await closeSessions();
    for (let use = 0; use < 4; use += 1) {
      await new Promise((resolve) => setTimeout(resolve, 800));
      expect(await talk(inputs.localPort)).toBe("hello");
    }
    await new Promise((resolve) => setTimeout(resolve, 4500));
    expect(await talk(inputs.localPort)).toBe("ECONNREFUSED");
  });

  test("says who holds its port, and what is wrong with its machine", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await expect(tunnel.create(context, parse({ localPort: port }))).rejects.toThrow(
      new RegExp(
        `^port ${port} of this machine, which is to lead to plain@\\S+, is taken by .*node.*; end that, or choose another port; see: ss -ltnp 'sport = :${port}'$`,
      ),
    );
    server.close();
    const connection = lab.connect("root", { host: lab.emptyAddress });
    await expect(tunnel.create(context, parse({ connection }))).rejects.toThrow(
      "cannot be reached",
    );
    const target = { remoteHost: "127.0.0.1", remotePort: ECHO };
    await expect(openTunnel(connection, target, context.signal)).rejects.toThrow(
      "cannot be reached",
    );
  });
});
