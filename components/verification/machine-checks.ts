/** What the machines of a gateway tell of it, over SSH. */
import type { MachineCheck, MachineRole } from "../../stacks/plan/machine-checks.ts";
import type { Observation } from "./edge-connection.ts";
import { observeDatabase } from "./machine-database.ts";
import type { MachineTarget } from "./machine-target.ts";
import { observeTraffic } from "./machine-traffic.ts";

/** What was seen, or an error that says what came instead. */
export async function observeMachine(
  check: MachineCheck,
  target: MachineTarget,
): Promise<string | Observation> {
  switch (check.kind) {
    case "unit":
      return observeUnit(target, check);
    case "listening":
      return observePort(target, check);
    case "hardening":
      return observeHardening(target, check);
    case "file-modes":
      return check.machine === "gateway"
        ? observeGatewayFiles(target)
        : observeDatabaseFiles(target);
    case "database-server":
    case "database-role":
    case "database-link":
    case "prisma-schema":
    case "request-log-schema":
    case "database-activity":
      return observeDatabase(check, target);
    case "metrics":
    case "static-key":
    case "static-key-restricted":
    case "request-log":
    case "load":
      return observeTraffic(check, target);
    default:
      return check satisfies never;
  }
}

const UNIT = `
exec systemctl show --timestamp=utc \
  --property=LoadState,ActiveState,SubState,UnitFileState,ActiveEnterTimestamp,NRestarts,NextElapseUSecRealtime,Result \
  -- "$1"
`.trim();

/** Debian enables its clusters anew at each start of the machine. */
const STARTS_WITH_MACHINE = ["enabled", "enabled-runtime", "generated", "linked", "alias"];

async function observeUnit(
  target: MachineTarget,
  { machine, unit }: { readonly machine: MachineRole; readonly unit: string },
): Promise<string> {
  const text = await target.session(machine).run(UNIT, { arguments: [unit] });
  const property = readProperties(text);
  const help = `see \`npm run logs\` for the cause, then run \`pulumi refresh\` and \`pulumi up\``;
  if (property("LoadState") === "not-found") {
    throw new Error(`there is no such unit; run \`pulumi refresh\` and \`pulumi up\``);
  }
  const state = `${property("ActiveState")} (${property("SubState")})`;
  if (property("ActiveState") !== "active") {
    const result = property("Result");
    const cause = result === "success" || result === "" ? "" : `, ${result}`;
    throw new Error(`is ${state}${cause} — ${help}`);
  }
  const start = property("UnitFileState");
  if (!STARTS_WITH_MACHINE.includes(start)) {
    throw new Error(
      `is ${state}, but ${start || "not enabled"}: it will not start with the machine; run \`pulumi refresh\` and \`pulumi up\``,
    );
  }
  const restarts = property("NRestarts");
  const next = property("NextElapseUSecRealtime");
  return [
    `${state} since ${property("ActiveEnterTimestamp")}`,
    start,
    ...(["", "0"].includes(restarts) ? [] : [`${restarts} restarts`]),
    ...(next === "" ? [] : [`next ${next}`]),
  ].join(", ");
}

/** Reads lines `name=value`. */
function readProperties(text: string): (name: string) => string {
  const properties = new Map(
    text.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  return (name) => properties.get(name) ?? "";
}

async function observePort(
  target: MachineTarget,
  { machine, port }: { readonly machine: MachineRole; readonly port: number },
): Promise<string> {
  const text = await target.session(machine).run(`exec ss --no-header -ltn "sport = :$1"`, {
    arguments: [String(port)],
  });
  const addresses = text
    .split("\n")
    .flatMap((line) => line.trim().split(/\s+/)[3] ?? [])
    .map((address) => address.slice(0, address.lastIndexOf(":")));
  if (addresses.length === 0) {
    throw new Error("nobody listens there; run `pulumi refresh` and `pulumi up`");
  }
  return `at ${[...new Set(addresses)].sort().join(", ")}`;
}

async function observeHardening(
  target: MachineTarget,
  { unit, limit }: { readonly unit: string; readonly limit: number },
): Promise<string> {
  const script = `exec systemd-analyze security --no-pager -- "$1"`;
  const text = await target.session("gateway").run(script, { arguments: [unit] });
  const exposure = /exposure level for \S+: ([\d.]+)/.exec(text)?.[1];
  if (exposure === undefined) {
    throw new Error(`systemd-analyze does not rate it: ${text.trim().split("\n").at(-1) ?? ""}`);
  }
  if (Number(exposure) > limit) {
    throw new Error(
      `systemd-analyze gives it ${exposure} points of exposure, at most ${limit.toFixed(1)} are planned; somebody has loosened the unit: run \`pulumi refresh\` and \`pulumi up\``,
    );
  }
  return `${exposure} points of exposure, of 10; ${limit.toFixed(1)} are allowed`;
}

/** One line per file: mode, owner, group, type, path. */
const LIST = String.raw`exec find "$1" -printf '%m %u %g %y %p\n'`;

interface FileEntry {
  readonly mode: number;
  readonly owner: string;
  readonly group: string;
  readonly isFolder: boolean;
  readonly path: string;
}

function readEntries(text: string): FileEntry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [mode = "", owner = "", group = "", type = "", ...path] = line.split(" ");
      const isFolder = type === "d";
      return { mode: Number.parseInt(mode, 8), owner, group, isFolder, path: path.join(" ") };
    });
}

/** Files that are public by their nature. */
const isCertificate = (path: string): boolean => /\.(pem|crt)$/.test(path) && !/key/.test(path);

async function observeGatewayFiles(target: MachineTarget): Promise<string> {
  const { configuration, user, program } = target.operations.gateway;
  const session = target.session("gateway");
  const entries = readEntries(await session.run(LIST, { arguments: [configuration] }));
  const faults = entries.flatMap((entry) => [
    ...(entry.owner === "root" ? [] : [`${entry.path} belongs to ${entry.owner}, not to root`]),
    ...((entry.mode & 0o022) === 0 ? [] : [`${entry.path} can be written by others than root`]),
    ...((entry.mode & 0o007) === 0 || isCertificate(entry.path)
      ? []
      : [`${entry.path} can be read by everybody`]),
    ...((entry.mode & 0o050) === 0 || ["root", user].includes(entry.group)
      ? []
      : [`${entry.path} can be read by group ${entry.group}`]),
  ]);
  const writable = await session.run(
    `exec find "$1" ! -type l '(' -perm /022 -o ! -user root ')' -print -quit`,
    { arguments: [program] },
  );
  if (writable !== "") faults.push(`${writable.trim()} can be changed by others than root`);
  refuseFaults(faults);
  const files = entries.filter(({ isFolder }) => !isFolder);
  return `${files.length} files in ${configuration}: of root, read by ${user}, changed by nobody else; ${program} is root's`;
}

async function observeDatabaseFiles(target: MachineTarget): Promise<string> {
  const { database } = target.operations;
  if (database === undefined) throw new Error("this stack has no PostgreSQL of its own");
  const script = String.raw`
set -eu
port=$1
shift
cd /tmp
ask() { runuser -u postgres -- psql -XAtq -p "$port" -d postgres -c "SHOW $1"; }
data=$(ask data_directory)
key=$(ask ssl_key_file)
case $key in /*) ;; *) key=$data/$key ;; esac
exec find "$data" "$key" "$@" -maxdepth 0 -printf '%m %u %g %y %p\n'
`;
  const text = await target.session("database").run(script, {
    arguments: [String(database.port), database.hbaFile],
  });
  const entries = readEntries(text);
  refuseFaults(
    entries.flatMap(({ mode, path }) => [
      ...((mode & 0o007) === 0 ? [] : [`${path} can be read by everybody`]),
      ...((mode & 0o022) === 0 ? [] : [`${path} can be written by others than its owner`]),
    ]),
  );
  return entries.map(({ path, mode, owner }) => `${path} ${mode.toString(8)} ${owner}`).join(", ");
}

function refuseFaults(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new Error(
    `${faults.join("; ")} — run \`pulumi refresh\` and \`pulumi up\`, which set modes and owners right`,
  );
}
