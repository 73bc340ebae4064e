import type { PreparedDatabasePlan } from "../stacks/plan/plan.ts";

/** Environment variable of psql with the password of the proxy's role. */
export const ROLE_PASSWORD_VARIABLE = "ROLE_PASSWORD";

/**
 * Script for psql that makes the proxy's role and database as `up` does through @pulumi/postgresql
 * (components/database.ts). It can be run again, and then gives the role its password anew.
 */
export function renderCreateDatabaseSql({
  admin,
  name,
  role,
}: Pick<PreparedDatabasePlan, "admin" | "name" | "role">): string {
  return `-- Rendered from the stack's settings: change those, not this file.
\\set ON_ERROR_STOP on
\\set role ${quote(role)}
\\set database ${quote(name)}
\\set owner ${quote(admin.user)}
\\set password \`printf '%s' "$${ROLE_PASSWORD_VARIABLE}"\`

-- A statement that fails is written to the server's log, and one of these holds a password.
SET log_min_error_statement = panic;
SET log_statement = none;
SELECT format('CREATE ROLE %I', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password' VALID UNTIL 'infinity';

SELECT format(
    'CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LC_COLLATE ''C'' LC_CTYPE ''C''',
    :'database', :'owner'
  )
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \\gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"role";

\\connect :"database"
GRANT CREATE, USAGE ON SCHEMA public TO :"role";
-- What an administrator adds to the schema by hand stays usable for the proxy.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT SELECT, UPDATE, USAGE ON SEQUENCES TO :"role";
`;
}

/** As psql reads an argument of a command: https://www.postgresql.org/docs/current/app-psql.html */
const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
