import fc from "fast-check";
import { expect, test } from "vitest";

import { parseConnectionUrl } from "../../../tools/prisma-engine/connection-url.ts";

test("has Prisma's defaults", () => {
  expect(parseConnectionUrl("postgresql://litellm@db/litellm")).toEqual({
    host: "db",
    port: 5432,
    user: "litellm",
    password: "",
    database: "litellm",
    schema: "public",
    tls: { mode: "prefer", verify: false, certificateAuthority: undefined },
    connectionLimit: 10,
    poolTimeoutSeconds: 10,
    connectTimeoutSeconds: 5,
    socketTimeoutSeconds: 0,
    idleLifetimeSeconds: 300,
    applicationName: undefined,
    options: "-c TimeZone=UTC",
  });
});

test("reads Prisma's parameters", () => {
  const url =
    "postgres://u:p@[::1]:5433/d?schema=my%20schema&connection_limit=3&pool_timeout=60&connect_timeout=2" +
    "&socket_timeout=30&max_idle_connection_lifetime=0&application_name=proxy&options=-c%20statement_timeout%3D5s" +
    "&sslmode=require&sslaccept=strict&sslcert=%2Fca.pem";
  expect(parseConnectionUrl(url)).toMatchObject({
    host: "::1",
    port: 5433,
    schema: "my schema",
    tls: { mode: "require", verify: true, certificateAuthority: "/ca.pem" },
    connectionLimit: 3,
    poolTimeoutSeconds: 60,
    connectTimeoutSeconds: 2,
    socketTimeoutSeconds: 30,
    idleLifetimeSeconds: 0,
    applicationName: "proxy",
    options: '-c TimeZone=UTC -c search_path="my\\ schema" -c statement_timeout=5s',
  });
});

test("takes the folder of a Unix socket for a host", () => {
  expect(parseConnectionUrl("postgresql://u@localhost/d?host=/run/postgresql").host).toBe(
    "/run/postgresql",
  );
});

test("sends no options through PgBouncer", () => {
  expect(parseConnectionUrl("postgresql://u@h/d?pgbouncer=true").options).toBeUndefined();
});

test.each([
  [
    "mysql://u:hunter2@h/d",
    "the database URL must have the form postgresql://user:password@host:port/database",
  ],
  ["hunter2", "the database URL must have the form postgresql://user:password@host:port/database"],
  [
    "postgresql://u:hunter2@h/d?sslmode=verify-full",
    "sslmode of the database URL must be disable, prefer or require, not verify-full",
  ],
  [
    "postgresql://u:hunter2@h/d?connection_limit=many",
    'connection_limit of the database URL must be a number of at least 0, not "many"',
  ],
])("refuses %s without quoting the password", (url, message) => {
  expect(() => parseConnectionUrl(url)).toThrow(new Error(message));
});

test("finds user, password and database again, whatever they are", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(
    fc.property(text, text, text, (user, password, database) => {
      const path = [user, password, database].map((part) => encodeURIComponent(part));
      // A path of dots means another path in every URL.
      fc.pre(!/^(\.|%2e)+$/i.test(path[2] ?? ""));
      const url = `postgresql://${String(path[0])}:${String(path[1])}@h:1/${String(path[2])}`;
      expect(parseConnectionUrl(url)).toMatchObject({ user, password, database });
    }),
  );
});
