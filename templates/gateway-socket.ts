import { formatText, renderUnit } from "./systemd-text.ts";

export interface GatewaySocketOptions {
  readonly description: string;
  /** IP address to listen at; `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly port: number;
  /** The unit that is given the socket, such as `litellm-gateway.service`. */
  readonly service: string;
}

/**
 * The socket unit that holds the gateway's port. systemd keeps it open while the service is replaced:
 * clients that connect meanwhile wait in its queue, and nobody is refused.
 */
export function renderGatewaySocket(options: GatewaySocketOptions): string {
  const { address, port } = options;
  return renderUnit({
    Unit: { Description: formatText(options.description) },
    Socket: {
      ListenStream: `${address.includes(":") ? `[${address}]` : address}:${port}`,
      Service: options.service,
      // As long as the kernel allows by default.
      Backlog: 4096,
      NoDelay: true,
      KeepAlive: true,
      // At boot the address may come later than the socket.
      FreeBind: true,
    },
    Install: { WantedBy: "sockets.target" },
  });
}
