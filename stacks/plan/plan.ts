import type { AccessPlan } from "./access-plan.ts";
import type { Check } from "./checks.ts";
import type { ContainerPlan } from "./container-plan.ts";
import type { EdgePlan } from "./edge-plan.ts";
import { planExisting } from "./existing-plan.ts";
import { planLocal } from "./local-plan.ts";
import type { GatewayMachinePlan, MachineDatabasePlan, MachinePlan } from "./machine-plan.ts";
import type { OperationsPlan } from "./operations.ts";
import type { Settings } from "../settings/settings.ts";
import { planSingleHost } from "./single-host-plan.ts";
import { planTraefik } from "./traefik-plan.ts";
import { planTwoVm } from "./two-vm-plan.ts";

/** What the plan depends on beside the settings. */
export interface Circumstances {
  /** Name of the Pulumi stack. */
  readonly stack: string;
  /** The platform's npm name, such as `linux-x64`. */
  readonly platform: string;
  /** SHA-256 of the requirements file. */
  readonly requirementsSha256: string;
  /** User that a server which refuses root runs as; undefined when we are not root. */
  readonly serverUser: string | undefined;
  /** Texts of the project's files that run in a container, by their path in the project. */
  readonly files: Readonly<Record<string, string>>;
  /** Tells a secret's value from others and betrays none, by the name of each that the user has set. */
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly generations: RecordedGenerations;
}

/** Generations of the proxies behind Traefik, as earlier deployments have left them. */
export interface RecordedGenerations {
  /** The one that has the traffic; undefined where none has. */
  readonly serving: string | undefined;
  /** Those with a container that is not there any more, or does not run: nothing can be built on them. */
  readonly broken: readonly string[];
}

/** Everything that will exist, as plain data without secrets; a variant for each topology. */
export type Plan = LocalPlan | ContainersPlan | TwoVmPlan | ExistingPlan;

/** The topologies of containers on one Docker host. */
export type ContainersPlan = SingleHostPlan | TraefikPlan;

export interface PlanBase {
  readonly stack: string;
  /** Whether database and salt key are protected against deletion. */
  readonly protect: boolean;
  /** Whether keys and teams of a database that the settings have no more may be lost. */
  readonly discardsDatabase: boolean;
  /** Base URL of the proxy for its users. */
  readonly proxyUrl: string;
  /** Undefined where only those who run the gateway know. */
  readonly uiUsername: string | undefined;
  /** Where each process logs: a file relative to the project's folder, or the command that shows it. */
  readonly logs: Readonly<Record<string, string>>;
  /** Versions of what runs, as far as they are planned. */
  readonly versions: Readonly<Record<string, string>>;
  readonly connections: ConnectionBudget | undefined;
  /** Who may use the gateway; undefined where that is not managed here. */
  readonly access: AccessPlan | undefined;
  readonly checks: readonly Check[];
}

/** Processes on this machine. Paths are relative to the project's folder. */
export interface LocalPlan extends PlanBase {
  readonly topology: "local";
  /** Folder that holds all files of this stack. */
  readonly folder: string;
  readonly proxy: ProxyProcessPlan;
  readonly database: NoDatabasePlan | EmbeddedDatabasePlan;
}

/** Containers on one Docker host. */
export interface SingleHostPlan extends PlanBase {
  readonly topology: "single-host";
  readonly docker: DockerHostPlan;
  /** Carried by all that is made on the Docker host: they tell the stack. */
  readonly labels: Readonly<Record<string, string>>;
  readonly network: string;
  readonly proxy: ProxyContainerPlan;
  readonly database: DockerDatabasePlan;
}

/** Containers on one Docker host behind Traefik, which shifts the traffic when they change. */
export interface TraefikPlan extends PlanBase {
  readonly topology: "traefik";
  readonly docker: DockerHostPlan;
  /** Carried by all that is made on the Docker host: they tell the stack. */
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: {
    /** Of Traefik and the proxies. */
    readonly web: NetworkPlan;
    /** Of the proxies and what they use. */
    readonly internal: NetworkPlan;
  };
  readonly proxies: ProxyGenerationPlan;
  readonly database: DockerDatabasePlan;
  /** A Redis server of the stack's own. */
  readonly redis: RedisContainerPlan | undefined;
  readonly edge: EdgePlan;
  /** Where this machine reaches Traefik, whatever the name of the gateway resolves to. */
  readonly connectAddress: string;
}

/** Machines over SSH: the gateway on one, its database on another. */
export interface TwoVmPlan extends PlanBase {
  readonly topology: "two-vm";
  readonly gateway: GatewayMachinePlan;
  readonly database: NoDatabasePlan | UrlDatabasePlan | MachineDatabasePlan | ExternalDatabasePlan;
  readonly operations: OperationsPlan;
}

/** Somebody else's gateway, of which the access is managed and nothing else. */
export interface ExistingPlan extends PlanBase {
  readonly topology: "existing";
  /** Address to connect to, whatever the URL's name resolves to; undefined: what it resolves to. */
  readonly connectAddress: string | undefined;
  /** PEM of the authorities that its certificate is to be of; undefined: the public ones. */
  readonly certificateAuthority: string | undefined;
  /** What it is reached through by SSH; `proxyUrl` is then as that machine sees it. */
  readonly machine: MachinePlan | undefined;
}

export type DockerDatabasePlan =
  NoDatabasePlan | UrlDatabasePlan | ManagedDatabasePlan | ExternalDatabasePlan;

export interface NetworkPlan {
  readonly name: string;
  /** Made by somebody else, who keeps it. */
  readonly isExisting: boolean;
  /** Without a way out. */
  readonly isInternal: boolean;
}

/** Proxies that were made together and serve together, until the next ones do. */
export interface ProxyGenerationPlan {
  /** Part of the name of all that belongs to it. Another one for everything that a proxy is started with. */
  readonly generation: string;
  /** Holds the files that the proxies mount read-only. */
  readonly configuration: ConfigurationVolumePlan;
  readonly containers: readonly ContainerPlan[];
  /** Of all generations: brings the database's schema up to date before new proxies start. */
  readonly migration:
    | { readonly configuration: ConfigurationVolumePlan; readonly container: ContainerPlan }
    | undefined;
  readonly admission: AdmissionPlan;
}

/** What a proxy must be able to do before it gets requests. */
interface AdmissionPlan {
  /** Command in its container that ends with 0 when it can. */
  readonly command: readonly string[];
  readonly deadlineSeconds: number;
}

/** A Redis server in a container. */
export interface RedisContainerPlan {
  readonly container: ContainerPlan;
  /** Holds what is to survive a restart; undefined where nothing is. */
  readonly volume: string | undefined;
  /** Leave the volume when it is deleted from the stack. */
  readonly keepVolume: boolean;
}

export interface DockerHostPlan {
  /** Undefined: DOCKER_HOST, else this machine's engine. */
  readonly host: string | undefined;
  readonly context: string | undefined;
  readonly certificateFolder: string | undefined;
  readonly sshOptions: readonly string[];
  readonly registries: readonly {
    readonly address: string;
    readonly username: string;
    /** Name of the secret. */
    readonly password: string;
  }[];
}

export interface ProxyProcessPlan {
  /** What the process is found again by; unique in the checkout. */
  readonly processName: string;
  readonly port: number;
  readonly configFile: string;
  /** Text of litellm-config.yaml; secrets appear as `os.environ/NAME` only. */
  readonly config: string;
  /** Texts of the files that the config file refers to, by path; relative to the project's folder. */
  readonly furtherFiles?: Readonly<Record<string, string>>;
  /** Arguments of the `litellm` command. */
  readonly arguments: readonly string[];
  /** LiteLLM and its companions, every package with its hash. */
  readonly requirementsFile: string;
  readonly requirementsSha256: string;
  /** Folder of its Python environment: another for other requirements, so that the old proxy runs on. */
  readonly environmentFolder: string;
  /** Environment variables that are no secrets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Environment variables that carry secrets, by the name of the secret. */
  readonly secretVariables: Readonly<Record<string, string>>;
  /** From the stop signal on; longer than the longest request. */
  readonly stopGraceSeconds: number;
  readonly readyDeadlineSeconds: number;
  readonly logFile: string;
}

interface ProxyContainerPlan {
  /** Holds the files that the containers mount read-only. */
  readonly configuration: ConfigurationVolumePlan;
  /** Runs to its end before the proxy starts; none without a database. */
  readonly migration: ContainerPlan | undefined;
  readonly container: ContainerPlan;
}

/** A volume with files that are no secrets, and the container that they are put in through. */
export interface ConfigurationVolumePlan {
  readonly volume: string;
  /** Never started: Docker writes files into a container's volumes without that. */
  readonly container: string;
  readonly image: string;
  /** Where the volume is mounted. */
  readonly folder: string;
  /** Texts by file name. */
  readonly files: Readonly<Record<string, string>>;
}

interface NoDatabasePlan {
  readonly kind: "none";
}

/** A database known by its URL alone, which is the secret `databaseUrl`. */
interface UrlDatabasePlan {
  readonly kind: "url";
}

/** A database and a role that are made for the proxy, on a server of the stack's own or an existing one. */
export interface PreparedDatabasePlan {
  readonly kind: "embedded" | "managed" | "machine" | "external";
  /** Name of the database. */
  readonly name: string;
  /** Role that owns what the proxy stores. */
  readonly role: string;
  /**
   * Role that the proxy logs in with, to become `role`: another one for another password, so that those
   * who know the old one go on. Undefined: `role` itself.
   */
  readonly login: string | undefined;
  /** How this machine administers the server. */
  readonly admin: {
    /** Undefined: the address of the server's container. */
    readonly host: string | undefined;
    readonly port: number;
    readonly user: string;
    readonly isSuperuser: boolean;
    readonly database: string;
    readonly sslmode: "disable" | "require" | "verify-full";
    /** Relative to the project's folder. */
    readonly certificateAuthorityFile: string | undefined;
  };
  /** How the proxy reaches the server. */
  readonly proxy: {
    readonly host: string;
    readonly port: number;
    /** Parameters of the URL, as Prisma knows them. */
    readonly parameters: Readonly<Record<string, string>>;
  };
}

export interface EmbeddedDatabasePlan extends PreparedDatabasePlan {
  readonly kind: "embedded";
  readonly admin: PreparedDatabasePlan["admin"] & { readonly host: string };
  readonly server: PostgresProcessPlan;
}

export interface ManagedDatabasePlan extends PreparedDatabasePlan {
  readonly kind: "managed";
  readonly server: PostgresContainerPlan;
}

export interface ExternalDatabasePlan extends PreparedDatabasePlan {
  readonly kind: "external";
}

/** A PostgreSQL server as a process of this machine. */
export interface PostgresProcessPlan {
  /** What the process is found again by; unique in the checkout. */
  readonly processName: string;
  readonly port: number;
  readonly majorVersion: number;
  /** Folder of PostgreSQL's binaries. */
  readonly distribution: string;
  readonly dataDirectory: string;
  readonly configurationFile: string;
  readonly configuration: string;
  readonly hbaFile: string;
  readonly hba: string;
  readonly serverUser: string | undefined;
  readonly logFile: string;
}

/** A PostgreSQL server in a container. */
export interface PostgresContainerPlan {
  readonly majorVersion: number;
  /** Holds the data. */
  readonly volume: string;
  /** Leave the volume when it is deleted from the stack. */
  readonly keepVolume: boolean;
  readonly container: ContainerPlan;
}

/** Why the server allows as many connections as it does. */
export interface ConnectionBudget {
  readonly workers: number;
  /** Connections that each worker opens at most. */
  readonly perWorker: number;
  /** Proxies with that many workers. */
  readonly replicas: number;
  /** How many such sets of proxies there are at once, while they are replaced. */
  readonly generations: number;
  /** For migrations, checks, the deployment, and PostgreSQL's own reserve for superusers. */
  readonly reserved: number;
  /** The sum. */
  readonly used: number;
  /** What the server allows: `used`, or some more. */
  readonly total: number;
}

/** Decides what will exist. Pure: the same settings and circumstances give the same plan. */
export function planDeployment(settings: Settings, circumstances: Circumstances): Plan {
  const { deployment } = settings;
  switch (deployment.topology) {
    case "local":
      return planLocal(settings, deployment, circumstances);
    case "single-host":
      return planSingleHost(settings, deployment, circumstances);
    case "traefik":
      return planTraefik(settings, deployment, circumstances);
    case "two-vm":
      return planTwoVm(settings, deployment, circumstances);
    case "existing":
      return planExisting(settings, deployment, circumstances);
    default:
      return deployment satisfies never;
  }
}
