/** A line of a log, and when it was written. */
export interface LogLine {
  /** Milliseconds since 1970; of a line without a time, that of the one before. */
  readonly time: number;
  readonly source: string;
  readonly text: string;
}

/** `2026-11-22T06:55:12.123456+0000 host unit[1]: text`, as journalctl prints it. */
const JOURNAL = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d+)([+-]\d\d):?(\d\d) /;
/** `2026-11-22 06:55:12.123 UTC [77] text`, as Debian sets up PostgreSQL. */
const SERVER = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) \S+ /;

/**
 * Reads the lines of one machine's logs in turn. PostgreSQL names its zone by letters that only
 * its machine knows, so the machine tells the difference first: `#offset +0100`.
 */
export class LogReader {
  readonly #source: string;
  #offset = "+00:00";
  #time = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** Undefined for what is no line of a log. */
  read(line: string): LogLine | undefined {
    const [, hours, minutes] = /^#offset ([+-]\d\d)(\d\d)$/.exec(line) ?? [];
    if (hours !== undefined) {
      this.#offset = `${hours}:${minutes ?? "00"}`;
      return undefined;
    }
    if (line === "" || line.startsWith("-- ")) return undefined;
    const journal = JOURNAL.exec(line);
    const server = SERVER.exec(line);
    if (journal !== null) {
      const [, time = "", hour = "", minute = ""] = journal;
      this.#time = Date.parse(`${time.replace(",", ".").slice(0, 23)}${hour}:${minute}`);
    } else if (server !== null) {
      const [, day = "", time = ""] = server;
      this.#time = Date.parse(`${day}T${time.slice(0, 12)}${this.#offset}`);
    }
    return {
      time: this.#time,
      source: this.#source,
      text: line.slice((journal ?? server)?.[0].length ?? 0),
    };
  }
}

/** In the order of their times; lines of one source keep theirs. */
export function mergeLines(lines: readonly LogLine[]): LogLine[] {
  return [...lines].sort((one, other) => one.time - other.time);
}

/** `06:55:12.123 gateway  │ text` */
export function formatLine({ time, source, text }: LogLine, width: number): string {
  const clock = new Date(time).toISOString().slice(5, 23).replace("T", " ");
  return `${clock} ${source.padEnd(width)} │ ${text}`;
}
