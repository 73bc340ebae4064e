import * as pulumi from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random/randomPassword.js";

import type { Secrets } from "../stacks/config.ts";
import type { TwoVmPlan } from "../stacks/plan/plan.ts";
import { renderStaticKeys } from "../templates/static-keys.ts";
import { Database } from "./database.ts";
import { formatDatabaseUrl } from "./database-url.ts";
import type { Gateway, GatewayArgs, Machines } from "./gateway.ts";
import { GatewayMachine } from "./gateway-machine.ts";
import { connectMachine, type MachineConnection } from "./machine.ts";
import { PostgresMachine } from "./postgres-machine.ts";
import { GatewaySecrets, requireSecret } from "./secrets.ts";

/** A gateway on one machine with its database on another, both reached by SSH. */
export class TwoVmGateway extends pulumi.ComponentResource implements Gateway {
  readonly url: pulumi.Output<string>;
  readonly masterKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;
  readonly databaseUrl: pulumi.Output<string> | undefined;
  readonly data: pulumi.Resource | undefined;
  readonly prismaEngine: pulumi.Output<string> | undefined;
  readonly certificateAuthority = undefined;
  readonly machines: Machines;
  readonly staticKeys: pulumi.Output<Readonly<Record<string, string>>> | undefined;

  constructor(name: string, args: GatewayArgs<TwoVmPlan>, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Gateway", name, {}, opts);
    const { plan } = args;
    const secrets = new GatewaySecrets(
      `${name}-secrets`,
      { given: args.secrets, protect: plan.protect },
      { parent: this },
    );
    const connection = connectMachine(`${name}-machine`, plan.gateway.machine, args.secrets, this);
    const database = createDatabase(`${name}-database`, plan, {
      secrets,
      given: args.secrets,
      parent: this,
    });
    const staticKeys = provideStaticKeys(`${name}-static-key`, plan, args.secrets, this);
    const machine = new GatewayMachine(
      `${name}-proxy`,
      {
        plan: plan.gateway,
        connection,
        secrets: { ...args.secrets, ...secrets.forProxy },
        databaseVariables: database.variables,
        databaseIdentity: database.identity,
        certificateAuthority: database.certificateAuthority,
        staticKeysFile: describeStaticKeys(plan, staticKeys),
      },
      { parent: this },
    );

    this.url = machine.ready.apply(() => plan.proxyUrl);
    this.masterKey = secrets.masterKey;
    this.uiPassword = secrets.uiPassword;
    this.recovery = secrets.recovery;
    this.databaseUrl = database.url;
    this.data = database.data;
    this.prismaEngine = machine.prismaEngine;
    this.machines = {
      gateway: connection,
      ...(database.connection !== undefined && { database: database.connection }),
    };
    this.staticKeys =
      plan.gateway.staticKeys === undefined ? undefined : pulumi.secret(pulumi.all(staticKeys));
    this.registerOutputs({ url: this.url });
  }
}

interface MachineGatewayDatabase {
  /** From this machine. */
  readonly url: pulumi.Output<string> | undefined;
  /** What holds its data, where that is the stack's own. */
  readonly data?: pulumi.Resource | undefined;
  /** Secret environment variables of the proxy. */
  readonly variables: Readonly<Record<string, pulumi.Output<string>>>;
  readonly certificateAuthority: pulumi.Output<string> | undefined;
  readonly identity: pulumi.Input<string>;
  readonly connection: MachineConnection | undefined;
}

interface DatabaseContext {
  readonly secrets: GatewaySecrets;
  readonly given: Secrets;
  readonly parent: pulumi.Resource;
}

function createDatabase(
  name: string,
  plan: TwoVmPlan,
  { secrets, given, parent }: DatabaseContext,
): MachineGatewayDatabase {
  const { database } = plan;
  const nothing = { certificateAuthority: undefined, connection: undefined };
  switch (database.kind) {
    case "none":
      return { ...nothing, url: undefined, variables: {}, identity: "none" };
    case "url": {
      const url = pulumi.secret(requireSecret(given, "databaseUrl"));
      return {
        ...nothing,
        url: undefined,
        variables: { DATABASE_URL: url },
        identity: "url",
      };
    }
    case "external": {
      const prepared = new Database(
        name,
        {
          plan: database,
          protect: plan.protect,
          startServer: undefined,
          adminPassword: requireSecret(given, "databaseAdminPassword"),
          password: secrets.databasePassword,
        },
        { parent },
      );
      return {
        ...nothing,
        url: prepared.url,
        variables: { DATABASE_URL: prepared.proxyUrl },
        identity: `${database.proxy.host}:${database.proxy.port}/${database.name}`,
      };
    }
    case "machine": {
      const connection = connectMachine(`${name}-machine`, database.server.machine, given, parent);
      const server = new PostgresMachine(
        `${name}-server`,
        {
          plan: database.server,
          connection,
          superuserPassword: secrets.superuserPassword,
          protect: plan.protect,
        },
        { parent },
      );
      const prepared = new Database(
        name,
        {
          plan: database,
          protect: plan.protect,
          startServer: () => ({ data: server.service, server: server.tunnel }),
          adminPassword: secrets.superuserPassword,
          password: secrets.databasePassword,
        },
        { parent },
      );
      return {
        url: prepared.url,
        data: prepared.data,
        variables: {
          ...(plan.gateway.usesPrisma && { DATABASE_URL: prepared.proxyUrl }),
          ...(plan.gateway.requestLog !== undefined && {
            REQUEST_LOG_DATABASE_URL: formatRequestLogUrl(
              plan.gateway.requestLog.parameters,
              plan,
              pulumi
                .all([prepared.proxyUrl, secrets.databasePassword])
                .apply(([, password]) => password),
            ),
          }),
        },
        certificateAuthority: server.certificateAuthority,
        identity: server.service.systemIdentifier,
        connection,
      };
    }
    default:
      return database satisfies never;
  }
}

/** As SQLAlchemy knows it, which hands the parameters to libpq. */
function formatRequestLogUrl(
  parameters: Readonly<Record<string, string>>,
  { database }: TwoVmPlan,
  password: pulumi.Output<string>,
): pulumi.Output<string> {
  if (database.kind !== "machine") throw new Error("a request log needs PostgreSQL on a machine");
  const { name, login, role, proxy } = database;
  return pulumi.secret(
    password.apply((value) =>
      formatDatabaseUrl({
        host: proxy.host,
        port: proxy.port,
        name,
        user: login ?? role,
        password: value,
        parameters,
      }).replace(/^postgresql:/, "postgresql+psycopg:"),
    ),
  );
}

/** The keys by their aliases: the user's own, else generated once and kept. */
function provideStaticKeys(
  name: string,
  { gateway }: TwoVmPlan,
  given: Secrets,
  parent: pulumi.Resource,
): Record<string, pulumi.Output<string>> {
  return Object.fromEntries(
    (gateway.staticKeys?.keys ?? []).map(({ alias, secret }) => [
      alias,
      secret === undefined
        ? pulumi.interpolate`sk-${new RandomPassword(`${name}-${alias}`, { length: 40, special: false }, { parent }).result}`
        : pulumi.output(requireSecret(given, secret)),
    ]),
  );
}

function describeStaticKeys(
  { gateway }: TwoVmPlan,
  keys: Readonly<Record<string, pulumi.Output<string>>>,
): pulumi.Output<string> | undefined {
  const { staticKeys } = gateway;
  if (staticKeys === undefined) return undefined;
  return pulumi
    .all(keys)
    .apply((values) =>
      renderStaticKeys(
        staticKeys.keys.map((key) => ({ ...key, key: requireValue(values, key.alias) })),
      ),
    );
}

function requireValue(values: Readonly<Record<string, string>>, alias: string): string {
  const value = values[alias];
  if (value === undefined) throw new Error(`there is no static key ${alias}`);
  return value;
}
