import { formatHost } from "../stacks/hosts.ts";

export interface DatabaseLogin {
  readonly host: string;
  readonly port: number;
  /** Name of the database. */
  readonly name: string;
  readonly user: string;
  readonly password: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** `postgresql://user:password@host:port/name?parameters`, every part percent-encoded. */
export function formatDatabaseUrl(login: DatabaseLogin): string {
  const { host, port, name, user, password, parameters = {} } = login;
  const encode = encodeURIComponent;
  const query = Object.entries(parameters).map(([key, value]) => `${key}=${encode(value)}`);
  return (
    `postgresql://${encode(user)}:${encode(password)}@${formatHost(host)}:${port}/${encode(name)}` +
    (query.length === 0 ? "" : `?${query.join("&")}`)
  );
}
