import { hardenService } from "./service-hardening.ts";
import { formatCommand, formatText, formatWords, renderUnit } from "./systemd-text.ts";

export interface TimedUnitOptions {
  readonly description: string;
  readonly user: string;
  readonly group: string;
  /** Program by its absolute path, and its arguments. No secret. */
  readonly command: readonly [string, ...string[]];
  readonly workingDirectory: string;
  /** File of the secrets, which systemd reads as root. */
  readonly environmentFile?: string | undefined;
  /** Variables, none of them secret. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly readWritePaths?: readonly string[];
  /** Seconds after which a run has failed. Default: 3600. */
  readonly deadlineSeconds?: number;
}

/** A service that runs to its end each time that its timer, see {@link renderTimerUnit}, starts it. */
export function renderTimedUnit(options: TimedUnitOptions): string {
  const environment = {
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    ...options.environment,
  };
  return renderUnit({
    Unit: {
      Description: formatText(options.description),
      After: "network-online.target",
      Wants: "network-online.target",
    },
    Service: {
      Type: "oneshot",
      User: options.user,
      Group: options.group,
      WorkingDirectory: formatText(options.workingDirectory),
      Environment: Object.entries(environment).map((entry) => formatWords([entry.join("=")])),
      EnvironmentFile:
        options.environmentFile === undefined ? undefined : formatText(options.environmentFile),
      ExecStart: formatCommand(options.command),
      TimeoutStartSec: options.deadlineSeconds ?? 3600,
      LimitCORE: 0,
      // Whoever talks to the gateway comes first.
      Nice: 10,
      IOSchedulingClass: "idle",
      ...hardenService({ readWritePaths: options.readWritePaths ?? [], usesNode: false }),
    },
  });
}

export interface TimerUnitOptions {
  readonly description: string;
  /** The unit that it starts. */
  readonly service: string;
  /** When, as `systemd-analyze calendar` takes it. Default: `daily`. */
  readonly calendar?: string;
}

/** The timer of such a service. A run that was missed, the machine being off, is made up for. */
export function renderTimerUnit(options: TimerUnitOptions): string {
  return renderUnit({
    Unit: { Description: formatText(options.description) },
    Timer: {
      Unit: options.service,
      OnCalendar: formatText(options.calendar ?? "daily"),
      RandomizedDelaySec: "15min",
      Persistent: true,
    },
    Install: { WantedBy: "timers.target" },
  });
}
