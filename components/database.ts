import { Database as PostgresDatabase } from "@pulumi/postgresql/database.js";
import { DefaultPrivileges } from "@pulumi/postgresql/defaultPrivileges.js";
import { Grant } from "@pulumi/postgresql/grant.js";
import { Provider } from "@pulumi/postgresql/provider.js";
import { Role } from "@pulumi/postgresql/role.js";
import * as pulumi from "@pulumi/pulumi";

import type { PreparedDatabasePlan } from "../stacks/plan/plan.ts";
import { formatDatabaseUrl } from "./database-url.ts";

/** A server that was started for the database, and the resource that holds its data. */
interface StartedServer {
  readonly data: pulumi.CustomResource;
  readonly server: pulumi.CustomResource;
  /** Where this machine reaches it, if that is not planned. */
  readonly address?: pulumi.Output<string>;
}

export interface DatabaseArgs {
  readonly plan: PreparedDatabasePlan;
  /** Starts the server, as children of the database; undefined for one that exists. */
  readonly startServer: ((name: string, parent: pulumi.Resource) => StartedServer) | undefined;
  /** Protect the data against deletion. */
  readonly protect: boolean;
  /** Password of `plan.admin.user`; never used by the proxy. */
  readonly adminPassword: pulumi.Input<string>;
  /** Password of the proxy's role. */
  readonly password: pulumi.Input<string>;
}

/** The database and the role of the proxy, on a PostgreSQL server of the stack's own or an existing one. */
export class Database extends pulumi.ComponentResource {
  /** Connection string of the proxy's role from this machine, once it can be used. */
  readonly url: pulumi.Output<string>;
  /** Connection string for the proxy. */
  readonly proxyUrl: pulumi.Output<string>;
  /** What holds the data of a server of the stack's own. */
  readonly data: pulumi.CustomResource | undefined;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Database", name, {}, opts);
    const { plan } = args;
    const { admin } = plan;
    const started = args.startServer?.(name, this);
    this.data = started?.data;
    const adminHost = started?.address ?? requireHost(admin.host);
    const provider = new Provider(
      `${name}-admin`,
      {
        host: adminHost,
        port: admin.port,
        username: admin.user,
        password: args.adminPassword,
        database: admin.database,
        sslmode: admin.sslmode,
        ...(admin.certificateAuthorityFile !== undefined && {
          sslrootcert: admin.certificateAuthorityFile,
        }),
        superuser: admin.isSuperuser,
        // The provider's own is 3 minutes: a server that hangs is to be an error soon.
        connectTimeout: 20,
      },
      { parent: this },
    );
    const within: pulumi.CustomResourceOptions = {
      parent: this,
      provider,
      // What is in a server of our own goes with its data; one that is already stopped need not be asked.
      ...(started !== undefined && { dependsOn: started.server, deletedWith: started.data }),
    };
    const role = new Role(
      `${name}-role`,
      plan.login === undefined
        ? { name: plan.role, login: true, password: args.password }
        : { name: plan.role, login: false },
      within,
    );
    const database = new PostgresDatabase(
      `${name}-database`,
      {
        name: plan.name,
        owner: admin.user,
        encoding: "UTF8",
        template: "template0",
        lcCollate: "C",
        lcCtype: "C",
      },
      // Dropped before its role, which owns what is in it.
      { ...within, protect: args.protect, dependsOn: role },
    );
    const grants = createGrants(name, plan, role, database, within);
    const login =
      plan.login === undefined
        ? []
        : [
            new Role(
              // Another role is another resource: the old one goes last, when nobody logs in with it.
              `${name}-login-${plan.login}`,
              {
                name: plan.login,
                login: true,
                password: args.password,
                roles: [role.name],
                assumeRole: role.name,
              },
              within,
            ),
          ];

    const password = pulumi
      .all([args.password, ...[role, database, ...grants, ...login].map(({ id }) => id)])
      .apply(([value]) => value as string);
    const user = { name: plan.name, user: plan.login ?? plan.role };
    this.url = pulumi.all([password, adminHost]).apply(([value, host]) =>
      formatDatabaseUrl({
        ...user,
        host,
        port: admin.port,
        password: value,
        parameters: describeTransportSecurity(plan),
      }),
    );
    this.proxyUrl = password.apply((value) =>
      formatDatabaseUrl({ ...user, ...plan.proxy, password: value }),
    );
    this.registerOutputs({ url: this.url, proxyUrl: this.proxyUrl });
  }
}

function requireHost(host: string | undefined): string {
  if (host === undefined) throw new Error("the plan does not say where the database server is");
  return host;
}

/** In libpq's words; none on one machine. */
function describeTransportSecurity({ kind, admin }: PreparedDatabasePlan): Record<string, string> {
  if (kind !== "external") return {};
  return {
    sslmode: admin.sslmode,
    ...(admin.certificateAuthorityFile !== undefined && {
      sslrootcert: admin.certificateAuthorityFile,
    }),
  };
}

/** The least the proxy needs: LiteLLM makes its own tables and views in schema `public`. */
function createGrants(
  name: string,
  plan: PreparedDatabasePlan,
  role: Role,
  database: PostgresDatabase,
  within: pulumi.CustomResourceOptions,
): pulumi.CustomResource[] {
  // Two grants on one object, a new one beside the old, would undo each other.
  const options = { ...within, deleteBeforeReplace: true };
  const common = { database: database.name, role: role.name };
  return [
    new Grant(
      `${name}-revoke-public`,
      { ...common, role: "public", objectType: "database", privileges: [] },
      options,
    ),
    new Grant(
      `${name}-grant-database`,
      { ...common, objectType: "database", privileges: ["CONNECT", "CREATE"] },
      options,
    ),
    new Grant(
      `${name}-grant-schema`,
      { ...common, objectType: "schema", schema: "public", privileges: ["CREATE", "USAGE"] },
      options,
    ),
    // What an administrator adds to the schema by hand stays usable for the proxy.
    new DefaultPrivileges(
      `${name}-default-tables`,
      {
        ...common,
        owner: plan.admin.user,
        schema: "public",
        objectType: "table",
        privileges: ["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"],
      },
      options,
    ),
    new DefaultPrivileges(
      `${name}-default-sequences`,
      {
        ...common,
        owner: plan.admin.user,
        schema: "public",
        objectType: "sequence",
        privileges: ["SELECT", "UPDATE", "USAGE"],
      },
      options,
    ),
  ];
}
