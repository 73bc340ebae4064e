import type { ExternalDatabaseSettings } from "../settings/database-settings.ts";
import type { ExternalDatabasePlan } from "./plan.ts";

/** A database and a role of the proxy's own on a server that exists. */
export function planExternalDatabase(
  database: ExternalDatabaseSettings,
  options: {
    /** Where this machine reaches the server, unless the settings say. */
    readonly adminHost: string;
    /** Role that the proxies log in with; undefined: the one that owns what is in the database. */
    readonly login: string | undefined;
    /** Where the proxy finds `certificateAuthorityFile`. */
    readonly certificateAuthorityFile: string;
  },
): ExternalDatabasePlan {
  const { host, port, sslmode } = database;
  return {
    kind: "external",
    name: database.name,
    role: database.role,
    login: options.login,
    admin: {
      host: database.adminHost ?? options.adminHost,
      port: database.adminPort ?? port,
      user: database.adminUser,
      isSuperuser: database.adminIsSuperuser,
      database: database.adminDatabase,
      sslmode,
      certificateAuthorityFile: database.certificateAuthorityFile,
    },
    proxy: {
      host,
      port,
      parameters: planTransportSecurity(database, options.certificateAuthorityFile),
    },
  };
}

/** In Prisma's words: it knows no `verify-full`, and checks certificates only when told to. */
function planTransportSecurity(
  { sslmode, certificateAuthorityFile }: ExternalDatabaseSettings,
  path: string,
): Record<string, string> {
  if (sslmode !== "verify-full") return { sslmode };
  return {
    sslmode: "require",
    sslaccept: "strict",
    ...(certificateAuthorityFile !== undefined && { sslcert: path }),
  };
}
