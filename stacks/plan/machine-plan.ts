import type { PreparedDatabasePlan } from "./plan.ts";

/** A machine that is reached by SSH. */
export interface MachinePlan {
  readonly role: "gateway" | "database";
  /** What `ssh` is told. */
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly options: readonly string[];
  /** The one public key that is accepted; `learn`: that of the first `up`; undefined: known_hosts decides. */
  readonly hostKey: string | undefined;
  /** Name of the secret that sudo asks for; undefined: it asks for none. */
  readonly sudoPassword: string | undefined;
}

export interface MachineFilePlan {
  readonly path: string;
  readonly content: string;
  readonly mode: string;
  readonly group: string;
}

interface MachineDirectoryPlan {
  readonly path: string;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

export interface MachineUnitPlan {
  readonly name: string;
  readonly content: string;
  readonly enabled: boolean;
  /** `as-needed`: something else starts it. */
  readonly active: boolean | "as-needed";
}

/** LiteLLM as a systemd service. */
export interface GatewayMachinePlan {
  readonly machine: MachinePlan;
  readonly packages: readonly string[];
  /** User and group that the service runs as. */
  readonly user: string;
  readonly home: string;
  readonly directories: readonly MachineDirectoryPlan[];
  readonly python: {
    readonly path: string;
    /** Text of the lock, every package with its hash. */
    readonly requirements: string;
    readonly requirementsSha256: string;
  };
  readonly usesPrisma: boolean;
  /** What the service runs: a change restarts it. */
  readonly programs: readonly MachineFilePlan[];
  /** What LiteLLM reads when it starts its workers: a change reloads the service. */
  readonly configuration: readonly MachineFilePlan[];
  /** Another one for configuration that only a restart takes up. */
  readonly startSettingsSha256: string;
  readonly environment: {
    readonly path: string;
    readonly variables: Readonly<Record<string, string>>;
    /** Names of secrets by environment variable. */
    readonly secretVariables: Readonly<Record<string, string>>;
  };
  /** Parameters of the URL that the request log reaches the database by, as libpq knows them. */
  readonly requestLog: { readonly parameters: Readonly<Record<string, string>> } | undefined;
  readonly staticKeys: StaticKeysPlan | undefined;
  /** What checks the database's certificate; undefined: nothing, or what the machine trusts. */
  readonly certificateAuthority:
    | {
        readonly path: string;
        /** PEM; undefined: the stack's own, which the server's certificate is of. */
        readonly content: string | undefined;
      }
    | undefined;
  /** Run one after another, by the service's user with its environment, before the service starts. */
  readonly migrations: readonly { readonly name: string; readonly command: readonly string[] }[];
  readonly socket: MachineUnitPlan;
  readonly service: MachineUnitPlan;
  readonly furtherUnits: readonly MachineUnitPlan[];
}

interface StaticKeysPlan {
  readonly path: string;
  readonly keys: readonly {
    readonly alias: string;
    readonly models: readonly string[];
    readonly expires: string | undefined;
    readonly userId: string | undefined;
    /** Name of the secret that is the key; undefined: one is generated. */
    readonly secret: string | undefined;
  }[];
}

/** PostgreSQL as Debian's service. */
export interface PostgresMachinePlan {
  readonly machine: MachinePlan;
  readonly majorVersion: number;
  readonly cluster: string;
  readonly port: number;
  readonly packages: readonly string[];
  /** Where PostgreSQL is installed from if the distribution has no such version. */
  readonly repository: {
    readonly name: string;
    readonly uri: string;
    readonly suite: string;
    readonly components: readonly string[];
    readonly signingKeyUrl: string;
    readonly fingerprint: string;
    /** Not needed where apt has this package. */
    readonly unlessAvailable: string;
  };
  readonly settings: Readonly<Record<string, string>>;
  readonly hba: string;
  readonly memoryMegabytes: number | undefined;
  readonly keepData: boolean;
  /** Names and addresses that its certificate is for. */
  readonly certificateNames: readonly string[];
  readonly authorityName: string;
  /** Port of this machine that leads to the server. */
  readonly tunnelPort: number;
  readonly firewall:
    { readonly rules: MachineFilePlan; readonly unit: MachineUnitPlan } | undefined;
}

export interface MachineDatabasePlan extends PreparedDatabasePlan {
  readonly kind: "machine";
  readonly server: PostgresMachinePlan;
}
