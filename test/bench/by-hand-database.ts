/** `psql` for by-hand.sh, because not every machine has one: role, database and what the role may do. */
import { env } from "node:process";

import pg from "pg";

const { escapeIdentifier, escapeLiteral } = pg;
const database = escapeIdentifier(env["DATABASE_NAME"] ?? "");
const role = escapeIdentifier(env["DATABASE_ROLE"] ?? "");
const superuser = escapeIdentifier(env["SUPERUSER"] ?? "");
const password = escapeLiteral(env["DATABASE_PASSWORD"] ?? "");

await execute("postgres", [
  `CREATE ROLE ${role} LOGIN PASSWORD ${password}`,
  `CREATE DATABASE ${database} OWNER ${superuser} ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`,
  `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
  `GRANT CONNECT, CREATE ON DATABASE ${database} TO ${role}`,
]);
await execute(env["DATABASE_NAME"] ?? "", [
  `GRANT CREATE, USAGE ON SCHEMA public TO ${role}`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${superuser} IN SCHEMA public
     GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLES TO ${role}`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${superuser} IN SCHEMA public
     GRANT SELECT, UPDATE, USAGE ON SEQUENCES TO ${role}`,
]);

async function execute(name: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port: Number(env["DATABASE_PORT"]),
    user: env["SUPERUSER"],
    password: env["SUPERUSER_PASSWORD"],
    database: name,
  });
  await client.connect();
  for (const statement of statements) {
    await client.query(statement);
  }
  await client.end();
}
