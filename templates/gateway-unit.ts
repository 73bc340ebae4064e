import { hardenService } from "./service-hardening.ts";
import { formatCommand, formatText, formatWords, renderUnit } from "./systemd-text.ts";

/** Seconds beyond the requests' grace: to write logs out (see serve-litellm.py), and for systemd to see it. */
const STOP_MARGIN_SECONDS = 35;
const START_SECONDS = 300;
const DATABASE_SECONDS = 120;

export interface GatewayUnitOptions {
  readonly description: string;
  readonly user: string;
  readonly group: string;
  /** Interpreter of LiteLLM's environment. */
  readonly python: string;
  /** Folder with the scripts `serve-litellm.py`, `reload-litellm.py` and `wait-for-database.py`. */
  readonly scripts: string;
  /** LiteLLM's config file. */
  readonly config: string;
  /** File of the secrets, which systemd reads as root. */
  readonly environmentFile: string;
  readonly workingDirectory: string;
  /** The socket unit that holds the port, such as `litellm-gateway.socket`. */
  readonly socket: string;
  /** Processes that serve. */
  readonly workers: number;
  /** Seconds that requests under way have left when the service stops or reloads. */
  readonly stopGraceSeconds: number;
  readonly readWritePaths: readonly string[];
  /** Folder with Python packages beside those of the environment. */
  readonly pythonPath?: string | undefined;
  /** Further variables, none of them secret. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly waitForDatabase?: DatabaseToWaitFor | undefined;
  /** More than this ends the process that takes it. Default: no limit. */
  readonly memoryMegabytes?: number | undefined;
  /** Whether LiteLLM starts Node, for Prisma's engine. */
  readonly usesNode: boolean;
}

export interface DatabaseToWaitFor {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Certificate authority to check its certificate with. Default: whatever it offers will do. */
  readonly caFile?: string | undefined;
  /** Whether the gateway cannot serve without it; otherwise it starts without when the wait is over. */
  readonly isRequired: boolean;
}

/**
 * The gateway's service. systemd gives it the socket, and calls it started, or reloaded, when its
 * workers serve. Without the database it is tried again for as long as it takes.
 */
export function renderGatewayUnit(options: GatewayUnitOptions): string {
  const { python, stopGraceSeconds } = options;
  const script = (name: string, ...rest: readonly string[]) =>
    formatCommand([python, `${options.scripts}/${name}.py`, ...rest]);
  const environment = {
    PYTHONUNBUFFERED: "1",
    // Nothing is to be written beside the programs.
    PYTHONDONTWRITEBYTECODE: "1",
    // No variables from a `.env` that lies in the working directory.
    LITELLM_MODE: "PRODUCTION",
    ...(options.pythonPath !== undefined && { PYTHONPATH: options.pythonPath }),
    ...options.environment,
  };
  return renderUnit({
    Unit: {
      Description: formatText(options.description),
      After: `network-online.target ${options.socket}`,
      Wants: "network-online.target",
      Requires: options.socket,
      // However long the database is away, the gateway comes back after it.
      StartLimitIntervalSec: 0,
    },
    Service: {
      Type: "notify",
      NotifyAccess: "main",
      User: options.user,
      Group: options.group,
      WorkingDirectory: formatText(options.workingDirectory),
      RuntimeDirectory: "litellm-gateway",
      RuntimeDirectoryMode: "0750",
      Environment: Object.entries(environment).map((entry) => formatWords([entry.join("=")])),
      EnvironmentFile: formatText(options.environmentFile),
      ExecStartPre: options.waitForDatabase && waitCommand(options.waitForDatabase, script),
      ExecStart: script(
        "serve-litellm",
        ...["--config", options.config, "--workers", String(options.workers)],
        ...["--graceful-timeout", String(stopGraceSeconds)],
        ...["--start-timeout", String(START_SECONDS)],
      ),
      // A variable of systemd's, which is not to be taken for a text.
      ExecReload: `${script("reload-litellm")} $MAINPID ${START_SECONDS - 10}`,
      // Requests are finished by the main process's orders, in whatever else runs.
      KillMode: "mixed",
      SuccessExitStatus: 143,
      Restart: "on-failure",
      RestartSec: 5,
      TimeoutStartSec: START_SECONDS,
      TimeoutStopSec: stopGraceSeconds + STOP_MARGIN_SECONDS,
      LimitNOFILE: 65536,
      LimitNPROC: 4096,
      LimitCORE: 0,
      MemoryMax: options.memoryMegabytes === undefined ? undefined : `${options.memoryMegabytes}M`,
      // A worker that is ended for its memory is replaced by the others' master.
      OOMPolicy: "continue",
      ...hardenService(options),
    },
    Install: { WantedBy: "multi-user.target" },
  });
}

function waitCommand(
  database: DatabaseToWaitFor,
  script: (name: string, ...rest: readonly string[]) => string,
): string {
  const command = script(
    "wait-for-database",
    ...["--host", database.host, "--port", String(database.port)],
    ...["--database", database.database, "--user", database.user],
    ...(database.caFile === undefined ? [] : ["--ca-file", database.caFile]),
    ...["--seconds", String(DATABASE_SECONDS)],
  );
  return `${database.isRequired ? "" : "-"}${command}`;
}
