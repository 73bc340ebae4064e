import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:tls";

import type { CertificateAuthority } from "./certificate-authority.ts";

export interface DockerByTls {
  /** `tcp://…`, for clients that the authority vouches for. */
  readonly host: string;
  /** Connections so far, but for those that were refused. */
  countConnections(): number;
  close(): Promise<void>;
}

/** Offers this machine's engine on a TCP port of 127.0.0.1, as one set up for TLS with client certificates is. */
export async function offerDockerByTls(
  socket: string,
  authority: CertificateAuthority,
): Promise<DockerByTls> {
  const { certificateFile, keyFile } = await authority.issue("docker-engine", ["IP:127.0.0.1"]);
  let connections = 0;
  const server = createServer(
    {
      cert: readFileSync(certificateFile),
      key: readFileSync(keyFile),
      ca: readFileSync(authority.certificateFile),
      requestCert: true,
      rejectUnauthorized: true,
      // Docker's client says it has sent all, and still reads.
      allowHalfOpen: true,
    },
    (client) => {
      connections += 1;
      const engine = connect({ path: socket, allowHalfOpen: true });
      client.pipe(engine).pipe(client);
      client.on("error", () => engine.destroy());
      engine.on("error", () => client.destroy());
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    countConnections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}
