import type { Input } from "@pulumi/pulumi";

import type { MachineConnection } from "../components/machine.ts";
import type { Connection } from "../components/provider/ssh/connection.ts";
import type { Check } from "./plan/checks.ts";
import type { OperationsPlan } from "./plan/operations.ts";

/** What a stack tells: the contract with scripts, CI and other stacks. */
export interface StackOutputs {
  /** Of what is deployed: another one is another deployment. */
  readonly topology: string;
  /** Base URL of the proxy. */
  readonly proxyUrl: Input<string>;
  /** Admin user interface; log in as `uiUsername` with `uiPassword`. */
  readonly uiUrl: Input<string>;
  /** Absent where only those who run the gateway know. */
  readonly uiUsername?: string;
  /** Secret; absent likewise. */
  readonly uiPassword?: Input<string>;
  /** What OpenAI's clients take as base URL. */
  readonly openaiBaseUrl: Input<string>;
  /** Where this machine reaches the gateway, whatever its name resolves to. */
  readonly connectAddress?: string;
  /** Of a private certificate authority, PEM: clients must trust it. */
  readonly certificateAuthority?: Input<string>;
  /** Secret; proxy admin. */
  readonly masterKey: Input<string>;
  /** Secret; to be kept with the backups: what fits the data, by the setting that takes it. Absent without data of the stack's own. */
  readonly recovery?: Input<Readonly<Record<string, string>>>;
  /** Secret; the proxy's own role, from this machine. Absent without a database and where none is known. */
  readonly databaseUrl?: Input<string>;
  /** Why the database allows as many connections as it does. */
  readonly databaseConnections?: string;
  /** Environment of a client that talks to the gateway; the key in it is secret. */
  readonly clientEnvironment: {
    readonly LITELLM_PROXY_URL: Input<string>;
    readonly LITELLM_PROXY_API_KEY: Input<string>;
  };
  /** Secret, for a sudo password may be in it: how the machines are reached, for `npm run status` and its like. */
  readonly machines?: Input<{ readonly gateway: Connection; readonly database?: Connection }>;
  /** What the gateway is reached through by SSH; `proxyUrl` is then as that machine sees it. */
  readonly machine?: Input<MachineConnection>;
  /** Secret: API keys that are settings, by alias. */
  readonly staticKeys?: Input<Readonly<Record<string, string>>>;
  /** Secret: keys of `access.keys`, by their names there; null for one whose value nobody knows. */
  readonly virtualKeys?: Input<Readonly<Record<string, string | null>>>;
  /** What `npm run status` and its like need to know. */
  readonly operations?: OperationsPlan;
  /** Where each process logs: a file relative to the project's folder, or the command that shows it. */
  readonly logs: Readonly<Record<string, string>>;
  /** What runs. */
  readonly versions: Readonly<Record<string, Input<string>>>;
  /** The checks of this deployment, for `npm run verify`. */
  readonly checks: readonly Check[];
  /** How many of them passed in the last `up`. */
  readonly verified: Input<string>;
}
