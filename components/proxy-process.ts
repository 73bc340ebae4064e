import { dirname } from "node:path/posix";

import * as pulumi from "@pulumi/pulumi";

import type { LocalPlan } from "../stacks/plan/plan.ts";
import { DatabaseMigration, File, PrismaClient, Process, PythonEnvironment } from "./resources.ts";
import { requireSecret } from "./secrets.ts";
import { sha256 } from "../stacks/sha256.ts";

/** Run by the environment's Python instead of the `litellm` command; its docstring says why. */
const LAUNCHER = "templates/start-litellm.py";

export interface ProxyProcessArgs {
  readonly plan: LocalPlan;
  /** Every secret that `plan.secretVariables` names. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  /** Connection string of the proxy's database; none without a database. */
  readonly databaseUrl?: pulumi.Output<string> | undefined;
}

/** The LiteLLM proxy as a process of this machine, with its Python environment, config and schema. */
export class ProxyProcess extends pulumi.ComponentResource {
  /** Base URL, once the proxy is ready. */
  readonly url: pulumi.Output<string>;
  /** Which of Prisma's engines serves the database: `native` or its stand-in `wasm`. */
  readonly prismaEngine: pulumi.Output<string>;

  constructor(name: string, args: ProxyProcessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Proxy", name, {}, opts);
    const { databaseUrl } = args;
    const { proxy: plan, proxyUrl } = args.plan;
    const environment = new PythonEnvironment(
      `${name}-python`,
      {
        path: plan.environmentFolder,
        requirementsFile: plan.requirementsFile,
        requirementsSha256: plan.requirementsSha256,
      },
      { parent: this },
    );
    const config = new File(
      `${name}-config`,
      { path: plan.configFile, content: plan.config },
      { parent: this },
    );
    const { furtherFiles = {} } = plan;
    const further = Object.entries(furtherFiles).map(
      ([path, content]) =>
        new File(
          `${name}-config-${path.slice(dirname(plan.configFile).length + 1)}`,
          { path, content },
          { parent: this },
        ),
    );
    const database =
      databaseUrl === undefined
        ? undefined
        : prepareDatabase(name, environment, databaseUrl, { parent: this });

    const process = new Process(
      `${name}-process`,
      {
        name: plan.processName,
        command: environment.python.apply((python) => [python, LAUNCHER, ...plan.arguments]),
        environment: {
          ...plan.variables,
          ...Object.fromEntries(
            Object.entries(plan.secretVariables).map(([variable, secret]) => [
              variable,
              requireSecret(args.secrets, secret),
            ]),
          ),
          ...database?.variables,
        },
        port: plan.port,
        readiness: {
          kind: "http",
          url: `${proxyUrl}/health/readiness`,
          deadlineSeconds: plan.readyDeadlineSeconds,
        },
        stopGraceSeconds: plan.stopGraceSeconds,
        restartOn: {
          config: sha256(plan.config),
          ...Object.fromEntries(
            Object.entries(furtherFiles).map(([path, content]) => [path, sha256(content)]),
          ),
          requirements: environment.installedSha256,
        },
        logFile: plan.logFile,
      },
      {
        parent: this,
        dependsOn: [config, ...further, ...(database === undefined ? [] : [database.migration])],
      },
    );

    this.url = process.pid.apply(() => proxyUrl);
    this.prismaEngine = database?.engine ?? pulumi.output("none");
    this.registerOutputs({ url: this.url, prismaEngine: this.prismaEngine });
  }
}

/** What LiteLLM's database client is configured by. */
const PRISMA_VARIABLES = [
  "CHECKPOINT_DISABLE",
  "PRISMA_BINARY_CACHE_DIR",
  "PRISMA_HIDE_UPDATE_MESSAGE",
  "PRISMA_NODEENV_CACHE_DIR",
  "PRISMA_QUERY_ENGINE_BINARY",
  "PRISMA_SCHEMA_ENGINE_BINARY",
];

/** Client and schema, in this order: the migrations are a step of their own before any proxy runs. */
function prepareDatabase(
  name: string,
  environment: PythonEnvironment,
  databaseUrl: pulumi.Output<string>,
  options: pulumi.CustomResourceOptions,
) {
  const installed = {
    python: environment.python,
    requirementsSha256: environment.installedSha256,
  };
  const client = new PrismaClient(`${name}-prisma-client`, installed, options);
  const migration = new DatabaseMigration(
    `${name}-migration`,
    { ...installed, databaseUrl, engine: client.engine, environment: client.environment },
    options,
  );
  const variables: Record<string, pulumi.Output<string>> = {
    DATABASE_URL: databaseUrl,
    ...Object.fromEntries(
      PRISMA_VARIABLES.map((variable) => [
        variable,
        client.environment.apply((all) => all[variable] ?? ""),
      ]),
    ),
  };
  return { engine: client.engine, migration, variables };
}
