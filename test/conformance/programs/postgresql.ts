/**
 * A role with a database, a schema, an extension, and another role that may read
 * what the first one makes. CONFORMANCE holds what a test wants different.
 */
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";

export interface Arguments {
  readonly server: postgresql.ProviderArgs;
  readonly prefix: string;
  readonly password: string;
  readonly role?: postgresql.RoleArgs;
  readonly database?: postgresql.DatabaseArgs;
  readonly grant?: Partial<postgresql.GrantArgs>;
}

const { server, prefix, password, ...different } = JSON.parse(
  process.env["CONFORMANCE"] ?? "{}",
) as Arguments;
const provider = new postgresql.Provider("server", server);

const owner = new postgresql.Role(
  "owner",
  {
    name: `${prefix}_owner`,
    login: true,
    ...(different.role?.passwordWo === undefined && { password: pulumi.secret(password) }),
    ...different.role,
  },
  { provider },
);
const group = new postgresql.Role("group", { name: `${prefix}_group` }, { provider });
const reader = new postgresql.Role(
  "reader",
  { name: `${prefix}_reader`, login: true, password: pulumi.secret(password) },
  // Its memberships are the GrantRole's business.
  { provider, ignoreChanges: ["roles"] },
);
const membership = new postgresql.GrantRole(
  "membership",
  { role: reader.name, grantRole: group.name },
  { provider },
);
const database = new postgresql.Database(
  "database",
  { name: `${prefix}_db`, owner: owner.name, ...different.database },
  { provider },
);
const schema = new postgresql.Schema(
  "schema",
  { name: "app", database: database.name, owner: owner.name },
  { provider },
);
const extension = new postgresql.Extension(
  "extension",
  { name: "citext", database: database.name, schema: schema.name },
  { provider },
);
new postgresql.Grant(
  "connect",
  {
    role: group.name,
    database: database.name,
    objectType: "database",
    privileges: ["CONNECT"],
  },
  { provider },
);
const usage = new postgresql.Grant(
  "usage",
  {
    role: group.name,
    database: database.name,
    schema: schema.name,
    objectType: "schema",
    privileges: ["USAGE"],
    ...different.grant,
  },
  { provider },
);
new postgresql.DefaultPrivileges(
  "read",
  {
    role: group.name,
    database: database.name,
    owner: owner.name,
    schema: schema.name,
    objectType: "table",
    privileges: ["SELECT"],
  },
  { provider },
);

export const ids = [owner.id, database.id, schema.id, extension.id, membership.id, usage.id];
