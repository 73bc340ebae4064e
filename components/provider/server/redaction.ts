/** Shorter ones, such as `true` or a port, are left alone: hiding them would garble every message. */
const SHORTEST_SECRET = 3;
/** What is secret only because its list or map is, must look like one. */
const SHORTEST_SECRET_IN_COLLECTION = 8;

/** Hides in texts for people every secret that this process was given. */
export class Redactor {
  readonly #texts = new Set<string>();

  /** Remembers a secret value; of a list or map every text in it. */
  learn(secret: unknown): void {
    this.#learn(secret, SHORTEST_SECRET);
  }

  #learn(secret: unknown, shortest: number): void {
    if (typeof secret === "string") {
      // An error often quotes one line of a secret file.
      for (const text of [secret, ...secret.split("\n")]) {
        const trimmed = text.trim();
        const minimum = text === secret ? shortest : SHORTEST_SECRET_IN_COLLECTION;
        if (trimmed.length >= minimum) {
          this.#texts.add(trimmed);
          this.#texts.add(encodeURIComponent(trimmed.toWellFormed()));
          this.#texts.add(JSON.stringify(trimmed).slice(1, -1));
        }
      }
    } else if (typeof secret === "number") {
      this.#learn(String(secret), SHORTEST_SECRET_IN_COLLECTION);
    } else if (typeof secret === "object" && secret !== null) {
      for (const element of Object.values(secret)) {
        this.#learn(element, SHORTEST_SECRET_IN_COLLECTION);
      }
    }
  }

  redact(text: string): string {
    // The longest first: one secret may be part of another.
    const texts = [...this.#texts].sort((a, b) => b.length - a.length);
    return texts.reduce((redacted, secret) => redacted.replaceAll(secret, "[secret]"), text);
  }
}
