/**
 * Begins a script that observes: `say name` sends what is on its standard input under that name,
 * so that one round trip brings several texts, whatever is in them.
 */
export const SAY = `say() { printf '%s ' "$1"; base64 -w0; echo; }\n`;

/** What such a script has said. */
export class Observation {
  readonly #texts: ReadonlyMap<string, string>;

  constructor(output: string) {
    this.#texts = new Map(
      output
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const [name = "", text = ""] = line.split(" ");
          return [name, Buffer.from(text, "base64").toString("utf8")];
        }),
    );
  }

  /** The text as it is; undefined where the script said nothing of it. */
  find(name: string): string | undefined {
    return this.#texts.get(name);
  }

  /** Without white space around it; empty where the script said nothing of it. */
  word(name: string): string {
    return this.find(name)?.trim() ?? "";
  }

  /** Lines that are not empty. */
  lines(name: string): string[] {
    return (this.find(name) ?? "").split("\n").filter((line) => line.trim() !== "");
  }

  /** Lines `key=value`. */
  record(name: string): Record<string, string> {
    return Object.fromEntries(
      this.lines(name).map((line) => {
        const separator = line.indexOf("=");
        return [line.slice(0, separator), line.slice(separator + 1)];
      }),
    );
  }
}
