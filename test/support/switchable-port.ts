import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A port of 127.0.0.1 that leads to another one, while it is not cut. */
export interface SwitchablePort {
  readonly port: number;
  /** Refuses connections, and breaks those that there are. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  /** Keeps the connections that there are, and hands nothing on. */
  freeze(): void;
}

export async function openSwitchablePort(target: number): Promise<SwitchablePort> {
  const sockets = new Set<Socket>();
  let server = listen(0);
  await once(server, "listening");
  const { port } = server.address() as { port: number };

  function listen(on: number): Server {
    const lead = (client: Socket) => {
      const upstream = connect(target, "127.0.0.1");
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("error", () => {
          client.destroy();
          upstream.destroy();
        });
        socket.on("close", () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
    };
    return createServer(lead).listen(on, "127.0.0.1");
  }

  return {
    port,
    async cut() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    freeze() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async mend() {
      if (server.listening) return;
      server = listen(port);
      await once(server, "listening");
    },
  };
}
