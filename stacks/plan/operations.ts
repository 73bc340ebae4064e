import type { DatabaseSettings } from "../settings/database-settings.ts";

/** What the commands of a deployment's daily work need to know of it. No secret. */
export interface OperationsPlan {
  readonly gateway: {
    readonly unit: "litellm-gateway.service";
    readonly socket: "litellm-gateway.socket";
    readonly timers: readonly string[];
    readonly user: "litellm";
    readonly program: "/opt/litellm";
    readonly configuration: "/etc/litellm";
    readonly logs: "/var/log/litellm";
    readonly state: "/var/lib/litellm";
    readonly address: string;
    readonly port: number;
  };
  /** PostgreSQL on a machine of the stack's own. */
  readonly database:
    | undefined
    | {
        /** Such as `postgresql@17-main.service`. */
        readonly unit: string;
        readonly version: number;
        readonly cluster: string;
        readonly port: number;
        readonly name: string;
        readonly role: string;
        readonly hbaFile: string;
        readonly configurationFile: string;
        readonly address: string;
      };
  readonly engine: Extract<DatabaseSettings, { kind: "machine" }>["engine"] | "none";
  readonly hasRequestLog: boolean;
  readonly staticKeys: readonly { readonly alias: string; readonly models: readonly string[] }[];
}
