import { X509Certificate } from "node:crypto";

import {
  type Facts,
  readFact,
  readNumber,
  readTold,
  readUnits,
  type UnitState,
} from "./host-facts.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatTime,
  PAGE_WIDTH,
  wrapText,
} from "./text.ts";

/** `bad` is what somebody must mend, `warning` what he should look at. */
type Level = "good" | "warning" | "bad";

export interface StatusLine {
  readonly level: Level;
  readonly label: string;
  readonly text: string;
}

export interface StatusSection {
  readonly title: string;
  readonly lines: readonly StatusLine[];
}

/** What the gateway's machine is expected to run. */
export interface GatewayExpectation {
  readonly service: string;
  readonly socket: string;
  readonly timers: readonly string[];
  /** `address:port` */
  readonly endpoint: string;
  /** Whether LiteLLM itself stores in the database. */
  readonly usesDatabase: boolean;
  readonly hasBackups: boolean;
  readonly hasRequestLog: boolean;
}

const DAY = 86_400;
const CERTIFICATE_WARNING_DAYS = 30;
const CERTIFICATE_BAD_DAYS = 7;
const BACKUP_WARNING_DAYS = 7;

const SIGNS: Readonly<Record<Level, string>> = { good: "✓", warning: "⚠", bad: "✗" };

/** The gateway's machine and what runs there. */
export function describeGateway(
  facts: Facts,
  expected: GatewayExpectation,
  now: Date,
): StatusLine[] {
  const uptime = readNumber(facts, "uptime") ?? 0;
  const units = new Map(readUnits(facts).map((unit) => [unit.name, unit]));
  return [
    ...describeMachine(facts),
    describeUnit(expected.service, units.get(expected.service), uptime),
    describeSocket(expected, units.get(expected.socket)),
    ...expected.timers.map((timer) =>
      describeTimer(timer, units.get(timer), units.get(timer.replace(/\.timer$/, ".service"))),
    ),
    describeReadiness(facts, expected.usesDatabase),
    ...describeCertificate("database CA", readTold(facts, "authority"), now),
    ...(expected.hasRequestLog ? [describeSpill(facts)] : []),
    ...(expected.hasBackups ? [describeBackup(readTold(facts, "backup"), now)] : []),
  ];
}

/** The database's machine and what runs there. */
export function describeDatabase(
  facts: Facts,
  expected: {
    readonly units: readonly string[];
    /** Told of where they are there. */
    readonly optionalUnits: readonly string[];
    readonly hasRequestLog: boolean;
  },
  now: Date,
): StatusLine[] {
  const uptime = readNumber(facts, "uptime") ?? 0;
  const units = new Map(readUnits(facts).map((unit) => [unit.name, unit]));
  return [
    ...describeMachine(facts),
    ...expected.units.map((name) => describeUnit(name, units.get(name), uptime)),
    ...expected.optionalUnits
      .map((name) => units.get(name))
      .filter((unit) => unit?.isLoaded === true)
      .map((unit) => describeUnit(unit?.name ?? "", unit, uptime)),
    ...describeServer(facts, expected.hasRequestLog),
    ...describeCertificate("certificate", readTold(facts, "certificate"), now),
  ];
}

/** A machine that tells nothing. */
export function describeFailure(error: unknown): StatusLine[] {
  const text = error instanceof Error ? error.message : String(error);
  return [{ level: "bad", label: "machine", text }];
}

/** Whether nothing of it must be mended. */
export function isWell(sections: readonly StatusSection[]): boolean {
  return sections.every(({ lines }) => lines.every(({ level }) => level !== "bad"));
}

/** All sections on one page. */
export function formatStatus(heading: string, sections: readonly StatusSection[]): string {
  const labels = sections.flatMap(({ lines }) => lines.map(({ label }) => label.length));
  const indent = 6 + Math.max(0, ...labels);
  const body = sections.flatMap(({ title, lines }) => [
    "",
    title,
    ...lines.flatMap(({ level, label, text }) => {
      const [first = "", ...rest] = text
        .split("\n")
        .flatMap((part) => wrapText(part, PAGE_WIDTH - indent));
      return [
        `  ${SIGNS[level]} ${label.padEnd(indent - 6)}  ${first}`.trimEnd(),
        ...rest.map((line) => `${" ".repeat(indent)}${line}`),
      ];
    }),
  ]);
  const problems = sections.flatMap(({ title, lines }) =>
    lines
      .filter(({ level }) => level === "bad")
      .map(({ label }) => `${title.split(" ")[0] ?? title}: ${label}`),
  );
  const verdict = problems.length === 0 ? "all is well" : `not well: ${problems.join(", ")}`;
  return [heading, ...body, "", ...wrapText(verdict, PAGE_WIDTH)].join("\n");
}

function describeMachine(facts: Facts): StatusLine[] {
  const uptime = readNumber(facts, "uptime") ?? 0;
  const load = readFact(facts, "load") ?? "";
  const processors = readNumber(facts, "processors") ?? 1;
  const [memory = 0, available = 0] = readNumbers(facts, "memory");
  const isCrowded = available < memory * 0.05;
  const isLoaded = Number(load.split(" ")[1]) > processors * 4;
  return [
    {
      level: isLoaded ? "warning" : "good",
      label: "machine",
      text: `up ${formatDuration(uptime)} · load ${load} on ${formatCount(processors, "processor")}`,
    },
    {
      level: isCrowded ? "bad" : "good",
      label: "memory",
      text: `${formatBytes(memory - available)} of ${formatBytes(memory)} used`,
    },
    ...describeDisks(facts),
  ];
}

function describeDisks(facts: Facts): StatusLine[] {
  const disks = new Map(
    (facts.get("disk") ?? []).map((disk) => {
      const [size = 0, available = 0] = disk.split(" ").map(Number);
      return [disk.split(" ").slice(2).join(" "), { size, available }];
    }),
  );
  return [...disks].map(([folder, { size, available }]) => {
    const used = size === 0 ? 0 : 1 - available / size;
    return {
      level: used > 0.95 ? "bad" : used > 0.85 ? "warning" : "good",
      label: "disk",
      text: `${folder}: ${Math.round(used * 100)} % of ${formatBytes(size)} used, ${formatBytes(available)} free`,
    };
  });
}

function describeUnit(label: string, unit: UnitState | undefined, uptime: number): StatusLine {
  if (unit?.isLoaded !== true) {
    return { level: "bad", label, text: "is not there; make it: pulumi up" };
  }
  const { active, sub, enabled, result, activeSince, restarts } = unit;
  const isUp = active === "active" || active === "reloading";
  // Debian enables a cluster of PostgreSQL by a file of its own, which systemd calls generated.
  const starts = /^(enabled|enabled-runtime|static|indirect|generated)$/.test(enabled);
  const since = activeSince === undefined ? "" : ` for ${formatDuration(uptime - activeSince)}`;
  const parts = [
    isUp ? `${active} (${sub})${since}` : `${active} (${sub})${result === "" ? "" : `: ${result}`}`,
    ...(isUp ? [formatCount(restarts, "restart")] : []),
    ...(starts ? [] : [`${enabled || "not enabled"}: it does not start with the machine`]),
    ...(unit.dropIns.length === 0 ? [] : [`settings of ${unit.dropIns.join(", ")}`]),
  ];
  return {
    level: !isUp || !starts ? "bad" : restarts > 0 ? "warning" : "good",
    label,
    text: parts.join(" · "),
  };
}

function describeSocket(expected: GatewayExpectation, unit: UnitState | undefined): StatusLine {
  const line = describeUnit(expected.socket, unit, 0);
  if (line.level === "bad") return line;
  return { ...line, level: "good", text: `${unit?.sub ?? ""}, on ${expected.endpoint}` };
}

function describeTimer(
  label: string,
  timer: UnitState | undefined,
  service: UnitState | undefined,
): StatusLine {
  const line = describeUnit(label, timer, 0);
  if (line.level === "bad") return line;
  const hasFailed = service?.active === "failed";
  return {
    level: hasFailed ? "bad" : "good",
    label,
    text: [
      `next ${timer?.next ?? "time unknown"}`,
      `last ${timer?.last ?? "never"}`,
      ...(hasFailed ? [`failed: ${service.result}; see journalctl -u ${service.name}`] : []),
    ].join(" · "),
  };
}

function describeReadiness(facts: Facts, usesDatabase: boolean): StatusLine {
  const label = `LiteLLM ${readFact(facts, "litellm") ?? ""}`.trim();
  const [status = "", body = ""] = (readFact(facts, "readiness") ?? "").split("\t");
  if (status !== "200") {
    const reason = status === "0" || status === "" ? body || "no answer" : `HTTP ${status} ${body}`;
    return { level: "bad", label, text: `not ready: ${reason.slice(0, 200)}` };
  }
  const database = readDatabaseState(body);
  const isConnected = !usesDatabase || database === "connected";
  return {
    level: isConnected ? "good" : "bad",
    label,
    text: `ready, database ${usesDatabase ? (database ?? "unknown") : "not used by LiteLLM itself"}`,
  };
}

function readDatabaseState(body: string): string | undefined {
  try {
    const { db } = JSON.parse(body) as { db?: unknown };
    return typeof db === "string" ? db.toLowerCase() : undefined;
  } catch {
    return undefined;
  }
}

function describeServer(facts: Facts, hasRequestLog: boolean): StatusLine[] {
  const failure = readFact(facts, "failure");
  const server = readFact(facts, "server");
  if (server === undefined) {
    return [{ level: "bad", label: "PostgreSQL", text: failure ?? "does not answer" }];
  }
  const [used = 0, maximum = 0, own = 0] = readNumbers(facts, "connections");
  const [commits = "", rollbacks = "", deadlocks = "", hits = ""] = (
    readFact(facts, "transactions") ?? ""
  ).split(" ");
  const long = readNumber(facts, "long") ?? 0;
  const unapplied = (readNumber(facts, "unapplied") ?? 0) + (readNumber(facts, "rules") ?? 0);
  const lines: StatusLine[] = [
    {
      level: unapplied > 0 ? "bad" : "good",
      label: `PostgreSQL ${server.split(" ")[0] ?? ""}`,
      text: [
        `up ${formatDuration(readNumber(facts, "started") ?? 0)}`,
        `database ${formatBytes(readNumber(facts, "size") ?? 0)}`,
        ...(unapplied > 0 ? [`${formatCount(unapplied, "setting")} not applied: pulumi up`] : []),
      ].join(" · "),
    },
    {
      level: used > maximum * 0.9 ? "bad" : used > maximum * 0.75 ? "warning" : "good",
      label: "connections",
      text: `${used} of ${maximum} in use, ${own} of them in this database`,
    },
    {
      level: long > 0 ? "warning" : "good",
      label: "transactions",
      text: [
        `${Number(commits).toLocaleString("en-US")} committed`,
        `${Number(rollbacks).toLocaleString("en-US")} rolled back`,
        `${deadlocks} deadlocks`,
        `${hits} % from memory`,
        ...(long > 0 ? [`${long} older than 5 min: npm run maintain`] : []),
      ].join(" · "),
    },
  ];
  if (hasRequestLog) lines.push(describeRequestLog(facts));
  return lines;
}

function describeRequestLog(facts: Facts): StatusLine {
  const label = "request log";
  const logged = readFact(facts, "logged");
  if (logged === undefined) {
    return { level: "bad", label, text: "its tables are missing; make them: pulumi up" };
  }
  const [rows, age] = logged.split(" ");
  const last = age === "-" ? "" : `, the last ${formatDuration(Number(age))} ago`;
  return { level: "good", label, text: `${formatCount(Number(rows), "row")}${last}` };
}

function describeSpill(facts: Facts): StatusLine {
  const [files = 0, bytes = 0] = readNumbers(facts, "spill");
  return {
    level: bytes > 0 ? "warning" : "good",
    label: "spill file",
    text:
      bytes > 0
        ? `${formatBytes(bytes)} in ${formatCount(files, "file")}: rows that wait for the database`
        : "empty",
  };
}

function describeCertificate(label: string, pem: string | undefined, now: Date): StatusLine[] {
  if (pem === undefined) return [];
  try {
    const { validTo } = new X509Certificate(pem);
    const end = new Date(validTo);
    const days = (end.getTime() - now.getTime()) / 1000 / DAY;
    const date = end.toISOString().slice(0, 10);
    const left = days < 0 ? "ended" : `${formatDuration(days * DAY)} left`;
    return [
      {
        level:
          days < CERTIFICATE_BAD_DAYS
            ? "bad"
            : days < CERTIFICATE_WARNING_DAYS
              ? "warning"
              : "good",
        label,
        text: `until ${date}, ${left}${days < CERTIFICATE_WARNING_DAYS ? "; renew it: pulumi up" : ""}`,
      },
    ];
  } catch {
    return [{ level: "bad", label, text: "is no certificate; mend it: pulumi up" }];
  }
}

function describeBackup(text: string | undefined, now: Date): StatusLine {
  const label = "last backup";
  const made = text === undefined ? undefined : readBackupTime(text);
  if (made === undefined) {
    return { level: "warning", label, text: "none; make one: npm run backup" };
  }
  const age = (now.getTime() - made.getTime()) / 1000;
  return {
    level: age > BACKUP_WARNING_DAYS * DAY ? "warning" : "good",
    label,
    text: `${formatTime(made)}, ${formatDuration(age)} ago`,
  };
}

function readBackupTime(text: string): Date | undefined {
  try {
    const { created } = JSON.parse(text) as { created?: unknown };
    const time = new Date(typeof created === "string" ? created : NaN);
    return Number.isNaN(time.getTime()) ? undefined : time;
  } catch {
    return undefined;
  }
}

function readNumbers(facts: Facts, name: string): number[] {
  return (readFact(facts, name) ?? "").split(" ").map(Number);
}
