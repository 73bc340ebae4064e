/** Where and how to connect, read off a URL with Prisma's parameters. */
export interface ConnectionTarget {
  /** Host name, address, or folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Prisma's `schema` parameter. Default: `public`. */
  readonly schema: string;
  readonly tls: TransportSecurity;
  /** Most connections at once. */
  readonly connectionLimit: number;
  /** Longest wait for a free connection; 0: no limit. */
  readonly poolTimeoutSeconds: number;
  /** Longest wait for the server to accept a connection; 0: no limit. */
  readonly connectTimeoutSeconds: number;
  /** Longest wait for an answer; 0: no limit. */
  readonly socketTimeoutSeconds: number;
  /** An idle connection is closed after this time; 0: never. */
  readonly idleLifetimeSeconds: number;
  readonly applicationName: string | undefined;
  /** Settings for the session in the form of libpq's `options`. */
  readonly options: string | undefined;
}

interface TransportSecurity {
  /** As Prisma knows them; with `prefer` a server without TLS is accepted. */
  readonly mode: "disable" | "prefer" | "require";
  /** Whether certificate and host name must be valid. */
  readonly verify: boolean;
  /** File with the certificate authority to trust. */
  readonly certificateAuthority: string | undefined;
}

/**
 * Reads a PostgreSQL URL as Prisma does, with its defaults.
 *
 * @throws Error that names the parameter and never quotes the URL.
 */
export function parseConnectionUrl(text: string): ConnectionTarget {
  const url = parseUrl(text);
  const parameters = url.searchParams;
  const seconds = (name: string, fallback: number) => readNumber(parameters, name, fallback);
  const isPooled = parameters.get("pgbouncer") === "true";
  const schema = parameters.get("schema") ?? "public";
  return {
    host: parameters.get("host") ?? (decode(url.hostname).replace(/^\[|\]$/g, "") || "localhost"),
    port: url.port === "" ? 5432 : Number(url.port),
    user: decode(url.username),
    password: decode(url.password),
    database: decode(url.pathname.slice(1)) || "postgres",
    schema,
    tls: parseTransportSecurity(parameters),
    connectionLimit: readNumber(parameters, "connection_limit", 10),
    poolTimeoutSeconds: seconds("pool_timeout", 10),
    connectTimeoutSeconds: seconds("connect_timeout", 5),
    socketTimeoutSeconds: seconds("socket_timeout", 0),
    idleLifetimeSeconds: seconds("max_idle_connection_lifetime", 300),
    applicationName: parameters.get("application_name") ?? undefined,
    // PgBouncer refuses connections that carry options.
    options: joinOptions(
      isPooled ? [] : ["-c TimeZone=UTC", ...searchPath(schema)],
      parameters.get("options"),
    ),
  };
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw new Error(
      "the database URL must have the form postgresql://user:password@host:port/database",
    );
  }
  return url;
}

function parseTransportSecurity(parameters: URLSearchParams): TransportSecurity {
  const mode = parameters.get("sslmode") ?? "prefer";
  if (mode !== "disable" && mode !== "prefer" && mode !== "require") {
    throw new Error(`sslmode of the database URL must be disable, prefer or require, not ${mode}`);
  }
  return {
    mode,
    verify: parameters.get("sslaccept") === "strict",
    certificateAuthority: parameters.get("sslcert") ?? undefined,
  };
}

function readNumber(parameters: URLSearchParams, name: string, fallback: number): number {
  const text = parameters.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (text === "" || !Number.isFinite(value) || value < 0) {
    throw new Error(`${name} of the database URL must be a number of at least 0, not "${text}"`);
  }
  return value;
}

function searchPath(schema: string): string[] {
  if (schema === "public") return [];
  const quoted = `"${schema.replaceAll('"', '""')}"`;
  return [`-c search_path=${quoted.replaceAll(/[\\ ]/g, "\\$&")}`];
}

function joinOptions(own: readonly string[], given: string | null): string | undefined {
  return [...own, ...(given === null ? [] : [given])].join(" ") || undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
