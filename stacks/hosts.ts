/** The Docker host, by the name that Docker gives it inside a container. */
export const DOCKER_HOST_NAME = "host.docker.internal";

/** Whether a host name or address means the machine that uses it. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
}

/** As an address is written in a URL: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
