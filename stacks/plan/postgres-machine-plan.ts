import { renderFirewall, renderFirewallUnit } from "../../templates/nftables.ts";
import { renderPgHba } from "../../templates/pg-hba.ts";
import type { MachineDatabaseSettings } from "../settings/database-settings.ts";
import { planMachine } from "./machine.ts";
import type { MachineDatabasePlan, PostgresMachinePlan } from "./machine-plan.ts";
import { sha256 } from "../sha256.ts";

/** Name of Debian's first cluster of a version. */
const CLUSTER = "main";
const SUPERUSER = "postgres";
const LOOPBACK = "127.0.0.1";
const FIREWALL_FILE = "/etc/litellm-firewall.nft";

/** PostgreSQL's own packages for Debian and Ubuntu: https://www.postgresql.org/download/linux/debian/ */
const PGDG = {
  name: "pgdg",
  uri: "https://apt.postgresql.org/pub/repos/apt",
  suite: "{codename}-pgdg",
  components: ["main"],
  signingKeyUrl: "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
  fingerprint: "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8",
} as const;

export interface PostgresMachineContext {
  readonly stack: string;
  /** Address that the proxy comes from. */
  readonly gatewayAddress: string;
  readonly maxConnections: number;
  /** Role that the proxy logs in with, a member of the one that owns the tables. */
  readonly login: string | undefined;
  /** Where the proxy finds the authority of the server's certificate. */
  readonly certificateAuthorityFile: string;
  readonly secretNames: readonly string[];
}

/** PostgreSQL on a machine of the stack's own, with a database and a role for the proxy. */
export function planMachineDatabase(
  database: MachineDatabaseSettings,
  context: PostgresMachineContext,
): MachineDatabasePlan {
  const server = planServer(database, context);
  return {
    kind: "machine",
    name: database.name,
    role: database.role,
    login: context.login,
    admin: {
      // The end of a tunnel by SSH: the server lets nobody else in from where this machine is.
      host: LOOPBACK,
      port: server.tunnelPort,
      user: SUPERUSER,
      isSuperuser: true,
      database: "postgres",
      sslmode: "disable",
      certificateAuthorityFile: undefined,
    },
    proxy: {
      host: database.machine.address,
      port: database.port,
      parameters: {
        sslmode: "require",
        // In Prisma's words: the certificate is verified, by this authority.
        sslaccept: "strict",
        sslcert: context.certificateAuthorityFile,
      },
    },
    server,
  };
}

function planServer(
  database: MachineDatabaseSettings,
  { stack, gatewayAddress, maxConnections, secretNames }: PostgresMachineContext,
): PostgresMachinePlan {
  const { machine, version, port } = database;
  const { address } = machine;
  const toDatabase = { database: database.name, user: database.role, ofMembers: true };
  return {
    machine: planMachine("database", machine, secretNames),
    majorVersion: version,
    cluster: CLUSTER,
    port,
    packages: [
      `postgresql-${version}`,
      `postgresql-client-${version}`,
      ...(database.firewall === "nftables" ? ["nftables"] : []),
    ],
    repository: { ...PGDG, unlessAvailable: `postgresql-${version}` },
    settings: {
      listen_addresses: database.listenEverywhere ? "*" : `${LOOPBACK},${address}`,
      max_connections: String(maxConnections),
      password_encryption: "scram-sha-256",
      cluster_name: `litellm-${stack}`,
      log_connections: "on",
    },
    hba: renderPgHba([
      { type: "host", database: "all", user: SUPERUSER, address: `${LOOPBACK}/32` },
      { type: "host", ...toDatabase, address: `${LOOPBACK}/32` },
      { type: "hostssl", ...toDatabase, address: asNetwork(gatewayAddress) },
    ]),
    memoryMegabytes: database.memoryMegabytes,
    keepData: database.keepData,
    certificateNames: [address],
    authorityName: `LiteLLM gateway ${stack}`.slice(0, 64),
    tunnelPort: database.tunnelPort ?? chooseTunnelPort(stack, address, port),
    firewall:
      database.firewall === "none"
        ? undefined
        : {
            rules: {
              path: FIREWALL_FILE,
              content: renderFirewall({ port, allowed: [gatewayAddress] }),
              mode: "0644",
              group: "root",
            },
            unit: {
              name: "litellm-firewall.service",
              content: renderFirewallUnit(FIREWALL_FILE),
              enabled: true,
              active: true,
            },
          },
  };
}

/** A network of one address. */
function asNetwork(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** Below the ports that systems give out by themselves; the same each time, other for each server. */
function chooseTunnelPort(stack: string, address: string, port: number): number {
  const [FIRST, COUNT] = [15_000, 15_000];
  return FIRST + (Number.parseInt(sha256(`${stack}/${address}/${port}`).slice(0, 8), 16) % COUNT);
}
