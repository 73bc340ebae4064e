import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";

import { type PostgresServer, querySql, startPostgres } from "../support/postgres-server.ts";
import type { Arguments } from "./programs/postgresql.ts";
import { openStack, type TestStack } from "./stack.ts";

const PASSWORD = "old 'quoted' \\ pass%word";
const NEW_PASSWORD = "new-password-of-the-owner";

let server: PostgresServer;
let admin: URL;
let stack: TestStack;
let base: Arguments;

beforeAll(async () => {
  server = await startPostgres();
  admin = new URL(await server.createDatabase("somewhere"));
  admin.pathname = "/postgres";
  await querySql(admin.href, "ALTER SYSTEM SET log_statement = 'all'");
  await querySql(admin.href, "SELECT pg_reload_conf()");
  base = {
    server: connection("postgres", decodeURIComponent(admin.password)),
    prefix: "app",
    password: PASSWORD,
  };
  stack = await openStack("postgresql");
  stack.configure(base);
  await stack.up();
});

afterAll(async () => {
  try {
    await stack.close();
    const left = await asAdmin(
      `SELECT rolname FROM pg_roles WHERE rolname LIKE 'app\\_%'
       UNION SELECT datname FROM pg_database WHERE datname LIKE 'app\\_%'`,
    );
    expect(left).toEqual([]);
  } finally {
    await server.stop();
  }
});

function connection(username: string, password: string): Arguments["server"] {
  return { host: admin.hostname, port: Number(admin.port), username, password, sslmode: "disable" };
}

function urlOf(user: string, password: string, database = "app_db"): string {
  const url = new URL(admin);
  url.username = user;
  url.password = encodeURIComponent(password);
  url.pathname = `/${database}`;
  return url.href;
}

const asOwner = <Row extends object>(sql: string, password = PASSWORD) =>
  querySql<Row>(urlOf("app_owner", password), sql);
const asReader = <Row extends object>(sql: string) =>
  querySql<Row>(urlOf("app_reader", PASSWORD), sql);
const asAdmin = <Row extends object>(sql: string, database = "postgres") =>
  querySql<Row>(urlOf("postgres", decodeURIComponent(admin.password), database), sql);

/** Makes a change by hand and checks that a refresh shows exactly it and `up` mends it. */
async function expectDrift(
  sql: string,
  name: string,
  property: string,
  database?: string,
): Promise<void> {
  await asAdmin(sql, database);
  expect(await stack.preview("--refresh")).toEqual([
    { name, op: "update", changed: [expect.stringMatching(`^${property}`) as string] },
  ]);
  const { code, output } = await stack.run("up", "--yes", "--skip-preview", "--refresh");
  expect(code, output).toBe(0);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
}

test("grants what the program says, and no more", async () => {
  onTestFinished(async () => {
    await asOwner("DROP TABLE app.notes");
  });
  await asOwner("CREATE TABLE app.notes (name app.citext)");
  await asOwner("INSERT INTO app.notes VALUES ('Hello')");
  expect(
    await asReader("SELECT name FROM app.notes WHERE name OPERATOR(app.=) 'hello'::app.citext"),
  ).toEqual([{ name: "Hello" }]);
  await expect(asReader("INSERT INTO app.notes VALUES ('no')")).rejects.toThrow(
    "permission denied",
  );
  await expect(asReader("CREATE TABLE app.mine ()")).rejects.toThrow("permission denied");
});

test("changes nothing when nothing changed", async () => {
  expect(await stack.preview("--expect-no-changes")).toEqual([]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
});

test("has the official ids and defaults in state", async () => {
  expect((await stack.outputs())["ids"]).toEqual([
    ...["app_owner", "app_db", "app_db.app", "app_db.citext"],
    ...["app_reader_app_group_false", "app_group_app_db_app_schema"],
  ]);
  expect((await stack.resource("connect")).id).toBe("app_group_app_db_database");
  expect((await stack.resource("read")).id).toBe("app_group_app_db_app_app_owner_table");
  expect((await stack.resource("owner")).outputs).toMatchObject({
    bypassRowLevelSecurity: false,
    connectionLimit: -1,
    createDatabase: false,
    createRole: false,
    encryptedPassword: true,
    inherit: true,
    login: true,
    replication: false,
    skipDropRole: false,
    skipReassignOwned: false,
    superuser: false,
    validUntil: "infinity",
  });
  expect((await stack.resource("database")).outputs).toMatchObject({
    allowConnections: true,
    alterObjectOwnership: false,
    connectionLimit: -1,
    encoding: "UTF8",
    isTemplate: false,
    lcCollate: "C",
    lcCtype: "C",
    owner: "app_owner",
    tablespaceName: "pg_default",
    template: "template0",
  });
  expect((await stack.resource("schema")).outputs).toMatchObject({
    dropCascade: false,
    ifNotExists: true,
  });
  expect((await stack.resource("extension")).outputs).toMatchObject({
    ...{ createCascade: false, dropCascade: false, schema: "app" },
    version: expect.stringMatching(/^\d/) as string,
  });
  expect((await stack.resource("usage")).outputs).toMatchObject({ withGrantOption: false });
  expect((await stack.resource("read")).outputs).toMatchObject({ withGrantOption: false });
  expect((await stack.resource("membership")).outputs).toMatchObject({ withAdminOption: false });
});

test("stores passwords as SCRAM verifiers, and shows them nowhere", async () => {
  const [stored] = await asAdmin<{ rolpassword: string }>(
    "SELECT rolpassword FROM pg_authid WHERE rolname = 'app_owner'",
  );
  expect(stored?.rolpassword).toMatch(/^SCRAM-SHA-256\$/);
  const [{ data_directory: data } = { data_directory: "" }] = await asAdmin<{
    data_directory: string;
  }>("SHOW data_directory");
  const log = readFileSync(join(dirname(data), "server.log"), "utf8");
  expect(log).toContain('CREATE ROLE "app_owner"');
  for (const text of [stack.stateFile(), log]) {
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain("pass%word");
  }
});

test("updates only the property that changed", async () => {
  onTestFinished(async () => {
    stack.configure(base);
    await stack.up();
  });
  stack.configure({ ...base, role: { connectionLimit: 3, searchPaths: ["app", "public"] } });
  expect(await stack.preview()).toEqual([
    { name: "owner", op: "update", changed: ["connectionLimit", "searchPaths"] },
  ]);
  await stack.up();
  expect(await asOwner("SHOW search_path")).toEqual([{ search_path: "app, public" }]);
  expect(await asAdmin("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'app_owner'")).toEqual([
    { rolconnlimit: 3 },
  ]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
});

test("changes a password", async () => {
  onTestFinished(async () => {
    stack.configure(base);
    await stack.up();
  });
  stack.configure({ ...base, role: { password: NEW_PASSWORD } });
  expect(await stack.preview()).toEqual([{ name: "owner", op: "update", changed: ["password"] }]);
  await stack.up();
  expect(await asOwner("SELECT 1 AS one", NEW_PASSWORD)).toEqual([{ one: 1 }]);
  await expect(asOwner("SELECT 1")).rejects.toThrow("password authentication failed");
});

test("sets a password that the state never holds", async () => {
  onTestFinished(async () => {
    stack.configure(base);
    await stack.up();
  });
  stack.configure({ ...base, role: { passwordWo: NEW_PASSWORD, passwordWoVersion: "1" } });
  await stack.up();
  expect(await asOwner("SELECT 1 AS one", NEW_PASSWORD)).toEqual([{ one: 1 }]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
  expect(JSON.stringify((await stack.resource("owner")).outputs)).not.toContain(NEW_PASSWORD);
});

test("sees what was changed by hand, and mends it", async () => {
  await expectDrift("ALTER ROLE app_owner NOLOGIN", "owner", "login");
  await expectDrift("ALTER ROLE app_owner PASSWORD 'by hand'", "owner", "password");
  expect(await asOwner("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await expectDrift("ALTER DATABASE app_db CONNECTION LIMIT 7", "database", "connectionLimit");
  await expectDrift("REVOKE CONNECT ON DATABASE app_db FROM app_group", "connect", "privileges");
  await expectDrift("GRANT CREATE ON SCHEMA app TO app_group", "usage", "privileges", "app_db");
  await expectDrift(
    "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA app GRANT INSERT ON TABLES TO app_group",
    ...(["read", "privileges", "app_db"] as const),
  );
});

test("sees what was removed by hand, and makes it again", async () => {
  await asAdmin("REVOKE app_group FROM app_reader");
  await asAdmin("DROP EXTENSION citext CASCADE", "app_db");
  const steps = await stack.preview("--refresh");
  expect(steps.filter(({ op }) => op === "create").map(({ name }) => name)).toEqual([
    "membership",
    "extension",
  ]);
  const { code, output } = await stack.run("up", "--yes", "--skip-preview", "--refresh");
  expect(code, output).toBe(0);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
});

test("deletes a grant before it makes the one in its place, so the privilege stays", async () => {
  onTestFinished(async () => {
    stack.configure(base);
    await stack.up();
  });
  stack.configure({ ...base, grant: { withGrantOption: true } });
  expect(await stack.preview()).toEqual([
    { name: "usage", op: "replace", changed: ["withGrantOption"] },
  ]);
  await stack.up();
  expect(
    await asAdmin(
      "SELECT has_schema_privilege('app_group', 'app', 'USAGE WITH GRANT OPTION') AS may",
      "app_db",
    ),
  ).toEqual([{ may: true }]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
});

test("replaces a database whose template changed", async () => {
  stack.configure({ ...base, database: { template: "template1" } });
  const steps = await stack.preview();
  expect(steps.filter(({ op }) => op === "replace")).toContainEqual({
    ...{ name: "database", op: "replace", changed: ["template"] },
  });
  stack.configure(base);
});

test("takes over what exists", async () => {
  for (const [type, name, id] of [
    ["role:Role", "imported-role", "app_group"],
    ["database:Database", "imported-database", "app_db"],
    ["schema:Schema", "imported-schema", "app_db.app"],
    ["extension:Extension", "imported-extension", "app_db.citext"],
  ] as const) {
    const { urn: provider } = await stack.resource("server");
    const { code, output } = await stack.run(
      ...["import", `postgresql:index/${type}`, name, id, "--provider", `server=${provider}`],
      ...["--yes", "--protect=false", "--generate-code=false"],
    );
    expect(code, output).toBe(0);
    expect((await stack.resource(name)).id).toBe(id);
    // Forgotten again: it has an owner in the program.
    const { urn } = await stack.resource(name);
    expect((await stack.run("state", "delete", urn, "--yes")).code).toBe(0);
  }
});

test("refuses a privilege that does not exist, before anything changes", async () => {
  stack.configure({ ...base, grant: { privileges: ["TRUNCATE"] } });
  const { code, output } = await stack.run("preview");
  stack.configure(base);
  expect(code).not.toBe(0);
  expect(output).toMatch(/TRUNCATE/);
});

test("works for an administrator who is no superuser", async () => {
  await asAdmin("CREATE ROLE plain LOGIN CREATEROLE CREATEDB PASSWORD 'plain'");
  const other = await openStack("postgresql");
  onTestFinished(async () => {
    await other.close();
    await asAdmin("DROP ROLE plain");
  });
  // Extensions need a superuser or one that PostgreSQL trusts; citext is trusted.
  other.configure({
    server: { ...connection("plain", "plain"), superuser: false },
    prefix: "plain",
    password: PASSWORD,
  });
  await other.up();
  expect(await other.preview("--refresh", "--expect-no-changes")).toEqual([]);
  const asOther = (user: string, sql: string) => querySql(urlOf(user, PASSWORD, "plain_db"), sql);
  await asOther("plain_owner", "CREATE TABLE app.notes ()");
  expect(await asOther("plain_reader", "SELECT * FROM app.notes")).toEqual([]);
  await asOther("plain_owner", "DROP TABLE app.notes");
});
