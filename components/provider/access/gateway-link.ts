import { ProxyClient } from "../../proxy-client.ts";
import { openTunnel } from "../ssh/tunnel.ts";
import type { GatewayConnection } from "./connection.ts";

/** A way to a gateway that many requests share. */
export interface GatewayLink {
  readonly client: ProxyClient;
  /** What comes before every path; empty, or such as `/litellm`. */
  readonly prefix: string;
  /** Ends what it holds open. */
  close(): Promise<void>;
}

/** @throws SshError, when the machine that sees the gateway cannot be reached */
export async function openLink({
  machine,
  url,
  connectAddress,
  certificateAuthority,
}: Pick<
  GatewayConnection,
  "machine" | "url" | "connectAddress" | "certificateAuthority"
>): Promise<GatewayLink> {
  const { origin, protocol, hostname, port, pathname } = new URL(url);
  const prefix = pathname.replace(/\/+$/, "");
  // Who asks again decides here, and may be cancelled meanwhile.
  const options = { keepsAlive: true, limitedAttempts: 1 };
  if (machine === undefined) {
    const client = new ProxyClient({ url: origin, connectAddress, certificateAuthority }, options);
    return {
      client,
      prefix,
      close() {
        client.close();
        return Promise.resolve();
      },
    };
  }
  const { signal } = new AbortController();
  const tunnel = await openTunnel(
    machine,
    {
      remoteHost: connectAddress ?? hostname,
      remotePort: Number(port === "" ? (protocol === "https:" ? 443 : 80) : port),
    },
    signal,
  );
  // The name stays that of the certificate.
  const throughTunnel = new URL(origin);
  throughTunnel.port = String(tunnel.port);
  const client = new ProxyClient(
    { url: throughTunnel.origin, connectAddress: "127.0.0.1", certificateAuthority },
    options,
  );
  return {
    client,
    prefix,
    async close() {
      client.close();
      await tunnel.close();
    },
  };
}
