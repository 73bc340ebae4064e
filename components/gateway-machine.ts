import * as pulumi from "@pulumi/pulumi";

import type {
  GatewayMachinePlan,
  MachineFilePlan,
  MachineUnitPlan,
} from "../stacks/plan/machine-plan.ts";
import { sha256 } from "../stacks/sha256.ts";
import { renderSystemdEnvironmentFile } from "../templates/systemd-environment-file.ts";
import type { MachineConnection } from "./machine.ts";
import {
  AptPackages,
  Job,
  MachineDirectory,
  MachineFile,
  MachinePrismaClient,
  MachinePythonEnvironment,
  SystemdUnit,
  SystemUser,
} from "./machine-resources.ts";
import { requireSecret } from "./secrets.ts";

export interface GatewayMachineArgs {
  readonly plan: GatewayMachinePlan;
  readonly connection: MachineConnection;
  /** Every secret that the plan names. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  /** Secret environment variables that tell where the database is. */
  readonly databaseVariables: Readonly<Record<string, pulumi.Output<string>>>;
  /** Of the database's certificate, PEM; where the plan has none of its own. */
  readonly certificateAuthority: pulumi.Input<string> | undefined;
  /** Another value for another database: its tables are made then. */
  readonly databaseIdentity: pulumi.Input<string>;
  /** Text of static-keys.json for the keys. */
  readonly staticKeysFile: pulumi.Output<string> | undefined;
}

/** LiteLLM as a service of a machine, with all that it needs there. */
export class GatewayMachine extends pulumi.ComponentResource {
  /** Known when the service answers. */
  readonly ready: pulumi.Output<string>;
  /** Which of Prisma's engines serves the database; undefined without it. */
  readonly prismaEngine: pulumi.Output<string> | undefined;

  readonly #connection: MachineConnection;

  constructor(name: string, args: GatewayMachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:GatewayMachine", name, {}, opts);
    const { plan, connection } = args;
    this.#connection = connection;
    const packages = new AptPackages(
      `${name}-packages`,
      { connection, packages: [...plan.packages] },
      { parent: this },
    );
    const user = new SystemUser(
      `${name}-user`,
      { connection, name: plan.user, home: plan.home },
      { parent: this },
    );
    const folders = this.#makeFolders(name, plan, user);
    const python = new MachinePythonEnvironment(
      `${name}-python`,
      {
        connection,
        path: plan.python.path,
        requirements: plan.python.requirements,
        requirementsSha256: plan.python.requirementsSha256,
      },
      { parent: this, dependsOn: [packages, ...folders] },
    );
    const prisma = plan.usesPrisma
      ? new MachinePrismaClient(
          `${name}-prisma-client`,
          {
            connection,
            python: python.python,
            requirementsSha256: python.installedSha256,
          },
          { parent: this },
        )
      : undefined;
    const inFolders = { parent: this, dependsOn: folders };
    const programs = this.#placeFiles(name, plan.programs, "/opt/litellm/", inFolders);
    const configuration = this.#placeFiles(
      `${name}-configuration`,
      plan.configuration,
      "/etc/litellm/",
      inFolders,
    );
    const certificate = plan.certificateAuthority?.content ?? args.certificateAuthority;
    const authority =
      plan.certificateAuthority === undefined || certificate === undefined
        ? []
        : [
            new MachineFile(
              `${name}-database-authority`,
              { connection, path: plan.certificateAuthority.path, content: certificate },
              inFolders,
            ),
          ];
    const keys =
      plan.staticKeys === undefined || args.staticKeysFile === undefined
        ? []
        : [
            new MachineFile(
              `${name}-static-keys`,
              {
                connection,
                path: plan.staticKeys.path,
                // Digests only, and who has a key is nobody else's business.
                content: pulumi.secret(args.staticKeysFile),
                mode: "0640",
                group: plan.user,
              },
              inFolders,
            ),
          ];
    const environment = this.#composeEnvironment(args, prisma);
    const environmentFile = new MachineFile(
      `${name}-environment`,
      {
        connection,
        path: plan.environment.path,
        content: environment.content,
        mode: "0640",
        group: plan.user,
      },
      inFolders,
    );
    const prepared: pulumi.Resource[] = [
      python,
      ...(prisma === undefined ? [] : [prisma]),
      ...programs,
      ...configuration,
      ...authority,
      ...keys,
      environmentFile,
    ];
    const migrated = this.#migrate(name, args, prepared);
    const socket = this.#addUnit(`${name}-socket`, plan.socket, { dependsOn: prepared });
    const service = this.#addUnit(`${name}-service`, plan.service, {
      dependsOn: [...prepared, ...migrated, socket],
      restartOn: {
        ...digestFiles(plan.programs),
        requirements: python.installedSha256,
        startSettings: plan.startSettingsSha256,
        environment: environment.digest,
        ...(certificate !== undefined && {
          authority: pulumi.output(certificate).apply(sha256),
        }),
      },
      reloadOn: {
        ...digestFiles(plan.configuration),
        ...(args.staticKeysFile !== undefined && {
          staticKeys: pulumi.unsecret(args.staticKeysFile.apply(sha256)),
        }),
      },
    });
    for (const unit of plan.furtherUnits) {
      this.#addUnit(`${name}-${unit.name}`, unit, { dependsOn: [...prepared, ...migrated] });
    }
    this.ready = service.id;
    this.prismaEngine = prisma?.engine;
    this.registerOutputs({ ready: this.ready });
  }

  #makeFolders(name: string, plan: GatewayMachinePlan, user: SystemUser): MachineDirectory[] {
    const made = new Map<string, MachineDirectory>();
    for (const { path, mode, owner, group } of plan.directories) {
      const outer = [...made].filter(([folder]) => path.startsWith(`${folder}/`));
      made.set(
        path,
        new MachineDirectory(
          `${name}-folder-${path.slice(1).replaceAll("/", "-")}`,
          { connection: this.#connection, path, mode, owner, group },
          { parent: this, dependsOn: [user, ...outer.map(([, folder]) => folder)] },
        ),
      );
    }
    return [...made.values()];
  }

  #placeFiles(
    name: string,
    files: GatewayMachinePlan["programs"],
    root: string,
    options: pulumi.CustomResourceOptions,
  ): MachineFile[] {
    return files.map(
      ({ path, content, mode, group }) =>
        new MachineFile(
          `${name}-${path.slice(root.length).replaceAll("/", "-")}`,
          { connection: this.#connection, path, content, mode, group },
          options,
        ),
    );
  }

  /** The environment of the service as a file, and a digest that tells another one. */
  #composeEnvironment(
    { plan, secrets, databaseVariables }: GatewayMachineArgs,
    prisma: MachinePrismaClient | undefined,
  ): { readonly content: pulumi.Output<string>; readonly digest: pulumi.Output<string> } {
    const { variables, secretVariables } = plan.environment;
    const content = pulumi.secret(
      pulumi
        .all([
          pulumi.all(
            Object.fromEntries(
              Object.entries(secretVariables).map(([variable, secret]) => [
                variable,
                requireSecret(secrets, secret),
              ]),
            ),
          ),
          pulumi.all(databaseVariables),
          prisma?.environment ?? {},
        ])
        .apply(([given, database, engine]) =>
          renderSystemdEnvironmentFile({ ...variables, ...engine, ...given, ...database }),
        ),
    );
    return { content, digest: pulumi.unsecret(content.apply(sha256)) };
  }

  #migrate(
    name: string,
    { plan, databaseIdentity }: GatewayMachineArgs,
    prepared: readonly pulumi.Resource[],
  ): Job[] {
    const jobs: Job[] = [];
    for (const migration of plan.migrations) {
      jobs.push(
        new Job(
          `${name}-${migration.name}`,
          {
            connection: this.#connection,
            name: migration.name,
            command: [...migration.command],
            user: plan.user,
            environmentFile: plan.environment.path,
            folder: plan.home,
            runOn: {
              requirements: plan.python.requirementsSha256,
              database: databaseIdentity,
            },
            deadlineSeconds: MIGRATION_DEADLINE_SECONDS,
          },
          { parent: this, dependsOn: [...prepared, ...jobs] },
        ),
      );
    }
    return jobs;
  }

  #addUnit(
    name: string,
    { name: unit, content, enabled, active }: MachineUnitPlan,
    options: {
      readonly dependsOn: readonly pulumi.Resource[];
      readonly restartOn?: Readonly<Record<string, pulumi.Input<string>>>;
      readonly reloadOn?: Readonly<Record<string, pulumi.Input<string>>>;
    },
  ): SystemdUnit {
    return new SystemdUnit(
      name,
      {
        connection: this.#connection,
        name: unit,
        content,
        enabled,
        active,
        restartOn: { ...options.restartOn },
        reloadOn: { ...options.reloadOn },
      },
      { parent: this, dependsOn: [...options.dependsOn] },
    );
  }
}

function digestFiles(files: readonly MachineFilePlan[]): Record<string, string> {
  return Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)]));
}

/** Half an hour: what LiteLLM's migrations may take on a database with millions of rows. */
const MIGRATION_DEADLINE_SECONDS = 1800;
