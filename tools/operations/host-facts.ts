/** What a machine tells of itself: lines of a name, a tab and a value. */
export type Facts = ReadonlyMap<string, readonly string[]>;

/**
 * Beginning of a script that tells facts: the machine's own. Needs what every Debian has.
 * `say NAME VALUE` is for the lines that follow.
 */
export const HOST_FACTS = `
export LC_ALL=C TZ=UTC
cd /
say() { printf '%s\\t%s\\n' "$1" "$2"; }
say host "$(hostname)"
say uptime "$(cut -d ' ' -f 1 /proc/uptime)"
say load "$(cut -d ' ' -f 1-3 /proc/loadavg)"
say processors "$(getconf _NPROCESSORS_ONLN)"
say memory "$(awk '/^MemTotal:/ {t=$2} /^MemAvailable:/ {a=$2} END {printf "%d %d", t*1024, a*1024}' /proc/meminfo)"
tell_disk() {
  df -P -k "$1" 2>/dev/null |
    awk 'NR==2 {printf "disk\\t%.0f %.0f %s\\n", $2*1024, $4*1024, $6}'
}
tell_unit() {
  printf 'unit\\t%s\\n' "$(systemctl show --property=Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,ActiveEnterTimestampMonotonic,NextElapseUSecRealtime,LastTriggerUSec,DropInPaths -- "$1" | tr '\\n' '\\t')"
}
tell_file() {
  if [ -r "$2" ]; then say "$1" "$(base64 -w 0 < "$2")"; fi
}
`;

/** Reads what such a script has printed; other lines are left out. */
export function parseFacts(text: string): Facts {
  const facts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab <= 0) continue;
    const name = line.slice(0, tab);
    facts.set(name, [...(facts.get(name) ?? []), line.slice(tab + 1)]);
  }
  return facts;
}

/** The one value of a fact. */
export function readFact(facts: Facts, name: string): string | undefined {
  return facts.get(name)?.[0];
}

/** The one value of a fact that is a number. */
export function readNumber(facts: Facts, name: string): number | undefined {
  const text = readFact(facts, name);
  if (text === undefined || text === "") return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** The content of a file that was told. */
export function readTold(facts: Facts, name: string): string | undefined {
  const text = readFact(facts, name);
  return text === undefined ? undefined : Buffer.from(text, "base64").toString("utf8");
}

/** A systemd unit, as `systemctl show` prints it. */
export interface UnitState {
  readonly name: string;
  readonly isLoaded: boolean;
  /** `active`, `inactive`, `failed` … */
  readonly active: string;
  /** `running`, `listening`, `waiting`, `dead` … */
  readonly sub: string;
  /** `enabled`, `disabled`, `static` … */
  readonly enabled: string;
  /** `success`, or why it ended. */
  readonly result: string;
  /** How often systemd has started it again by itself. */
  readonly restarts: number;
  /** Seconds since the machine's start at which it became active. */
  readonly activeSince: number | undefined;
  /** Of a timer. */
  readonly next: string | undefined;
  readonly last: string | undefined;
  /** Settings that somebody has added beside the unit's own file. */
  readonly dropIns: readonly string[];
}

export function readUnits(facts: Facts): UnitState[] {
  return (facts.get("unit") ?? []).map((line) => {
    const fields = new Map(
      line.split("\t").map((field) => {
        const equals = field.indexOf("=");
        return [field.slice(0, equals), field.slice(equals + 1)];
      }),
    );
    const field = (name: string): string => fields.get(name) ?? "";
    const since = Number(field("ActiveEnterTimestampMonotonic"));
    return {
      name: field("Id"),
      isLoaded: field("LoadState") === "loaded",
      active: field("ActiveState"),
      sub: field("SubState"),
      enabled: field("UnitFileState"),
      result: field("Result"),
      restarts: Number(field("NRestarts") || "0"),
      activeSince: since > 0 ? since / 1e6 : undefined,
      next: readTime(field("NextElapseUSecRealtime")),
      last: readTime(field("LastTriggerUSec")),
      dropIns: field("DropInPaths").split(" ").filter(Boolean),
    };
  });
}

/** `Sun 2026-11-22 06:55:12 UTC` without the day of the week and the seconds. */
function readTime(text: string): string | undefined {
  const [, time] = /(\d{4}-\d\d-\d\d \d\d:\d\d)/.exec(text) ?? [];
  return time === undefined ? undefined : `${time} UTC`;
}
