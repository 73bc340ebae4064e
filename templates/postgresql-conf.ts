export interface PostgresqlConf {
  /** Addresses the server listens on. */
  readonly listenAddresses: readonly string[];
  readonly port: number;
  readonly maxConnections: number;
  /** Shown in the process list and the log. */
  readonly clusterName: string;
}

/** postgresql.conf: only what differs from PostgreSQL's own defaults, and never a secret. */
export function renderPostgresqlConf(conf: PostgresqlConf): string {
  const settings: Record<string, string> = {
    listen_addresses: quote(conf.listenAddresses.join(",")),
    port: String(conf.port),
    // No socket file: its path is limited to 107 bytes, and every connection uses SCRAM over TCP.
    unix_socket_directories: quote(""),
    max_connections: String(conf.maxConnections),
    password_encryption: quote("scram-sha-256"),
    cluster_name: quote(conf.clusterName),
    timezone: quote("UTC"),
    log_timezone: quote("UTC"),
    log_line_prefix: quote("%m [%p] %q%u@%d "),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}

const quote = (value: string): string => `'${value.replaceAll("'", "''")}'`;
