-- Rendered from the stack's settings: change those, not this file.
\set ON_ERROR_STOP on
\set role 'litellm'
\set database 'litellm'
\set owner 'postgres'
\set password `printf '%s' "$ROLE_PASSWORD"`

-- A statement that fails is written to the server's log, and one of these holds a password.
SET log_min_error_statement = panic;
SET log_statement = none;
SELECT format('CREATE ROLE %I', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password' VALID UNTIL 'infinity';

SELECT format(
    'CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LC_COLLATE ''C'' LC_CTYPE ''C''',
    :'database', :'owner'
  )
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"role";

\connect :"database"
GRANT CREATE, USAGE ON SCHEMA public TO :"role";
-- What an administrator adds to the schema by hand stays usable for the proxy.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT SELECT, UPDATE, USAGE ON SEQUENCES TO :"role";
