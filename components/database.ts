import { Database as PostgresDatabase } from "@pulumi/postgresql/database.js";
import { DefaultPrivileges } from "@pulumi/postgresql/defaultPrivileges.js";
import { Grant } from "@pulumi/postgresql/grant.js";
import { Provider } from "@pulumi/postgresql/provider.js";
import { Role } from "@pulumi/postgresql/role.js";
import * as pulumi from "@pulumi/pulumi";

import type { EmbeddedDatabasePlan } from "../stacks/plan.ts";
import { File, PostgresCluster, Process } from "./resources.ts";
import { sha256 } from "./sha256.ts";

export interface DatabaseArgs {
  readonly plan: EmbeddedDatabasePlan;
  /** Protect the data against deletion. */
  readonly protect: boolean;
  readonly superuserPassword: pulumi.Input<string>;
  /** Password of the proxy's role. */
  readonly password: pulumi.Input<string>;
}

/** A PostgreSQL server of the stack's own, with the database and the role of the proxy. */
export class Database extends pulumi.ComponentResource {
  /** Connection string of the proxy's role, once it can be used. */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Database", name, {}, opts);
    const { plan } = args;
    const cluster = this.createCluster(name, args);
    const server = this.startServer(name, args, cluster);
    const provider = new Provider(
      `${name}-admin`,
      {
        host: plan.host,
        port: plan.port,
        username: plan.superuser,
        password: args.superuserPassword,
        database: "postgres",
        // Loopback only.
        sslmode: "disable",
        superuser: true,
      },
      { parent: this },
    );
    // What is in the cluster goes with it; a server that is already stopped need not be asked.
    const within = { parent: this, provider, dependsOn: server, deletedWith: cluster };
    const role = new Role(
      `${name}-role`,
      { name: plan.role, login: true, password: args.password },
      within,
    );
    const database = new PostgresDatabase(
      `${name}-database`,
      {
        name: plan.name,
        owner: plan.superuser,
        encoding: "UTF8",
        template: "template0",
        lcCollate: "C",
        lcCtype: "C",
      },
      { ...within, protect: args.protect },
    );
    const grants = createGrants(name, plan, role, database, within);

    this.url = pulumi
      .all([args.password, role.id, database.id, ...grants.map((grant) => grant.id)])
      .apply(([password]) => formatUrl(plan, plan.role, password as string));
    this.registerOutputs({ url: this.url });
  }

  private createCluster(name: string, args: DatabaseArgs): PostgresCluster {
    const { plan } = args;
    return new PostgresCluster(
      `${name}-cluster`,
      {
        dataDirectory: plan.dataDirectory,
        distribution: plan.distribution,
        majorVersion: plan.majorVersion,
        superuser: plan.superuser,
        superuserPassword: args.superuserPassword,
        ...(plan.serverUser !== undefined && { user: plan.serverUser }),
      },
      { parent: this, protect: args.protect },
    );
  }

  private startServer(name: string, args: DatabaseArgs, cluster: PostgresCluster): Process {
    const { plan } = args;
    const configuration = new File(
      `${name}-configuration`,
      { path: plan.configurationFile, content: plan.configuration },
      { parent: this },
    );
    const hba = new File(
      `${name}-hba`,
      { path: plan.hbaFile, content: plan.hba },
      { parent: this },
    );
    return new Process(
      `${name}-server`,
      {
        name: plan.processName,
        command: [
          `${plan.distribution}/bin/postgres`,
          `-D`,
          plan.dataDirectory,
          `--config-file=${plan.configurationFile}`,
          `--hba-file=${plan.hbaFile}`,
        ],
        port: plan.port,
        readiness: {
          kind: "postgresql",
          url: pulumi
            .output(args.superuserPassword)
            .apply((password) =>
              formatUrl({ ...plan, name: "postgres" }, plan.superuser, password),
            ),
        },
        // Fast shutdown: running transactions are rolled back, nothing committed is lost.
        stopSignal: "SIGINT",
        restartOn: { configuration: sha256(plan.configuration), hba: sha256(plan.hba) },
        logFile: plan.logFile,
        ...(plan.serverUser !== undefined && { user: plan.serverUser }),
      },
      { parent: this, dependsOn: [cluster, configuration, hba] },
    );
  }
}

/** The least the proxy needs: LiteLLM makes its own tables and views in schema `public`. */
function createGrants(
  name: string,
  plan: EmbeddedDatabasePlan,
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
        owner: plan.superuser,
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
        owner: plan.superuser,
        schema: "public",
        objectType: "sequence",
        privileges: ["SELECT", "UPDATE", "USAGE"],
      },
      options,
    ),
  ];
}

function formatUrl(
  { host, port, name }: Pick<EmbeddedDatabasePlan, "host" | "port" | "name">,
  user: string,
  password: string,
): string {
  const encode = encodeURIComponent;
  return `postgresql://${encode(user)}:${encode(password)}@${host}:${port}/${encode(name)}`;
}
