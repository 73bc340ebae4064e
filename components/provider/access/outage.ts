/** A failure of the very last moment is everybody's. */
const SHARED_MILLISECONDS = 1000;
/** Who has answered so long ago still does. */
const FRESH_MILLISECONDS = 2000;

/**
 * The time since when a gateway has not answered anybody: patience is counted for all requests together,
 * for a deployment may have hundreds.
 */
export class Outage {
  readonly #patienceMilliseconds: number;
  #since: number | undefined;
  #answeredAt = 0;
  #last: { readonly at: number; readonly error: Error } | undefined;

  constructor(patienceSeconds: number) {
    this.#patienceMilliseconds = patienceSeconds * 1000;
  }

  /** Whether the gateway has answered in the last few seconds. */
  get hasJustAnswered(): boolean {
    return this.#since === undefined && Date.now() < this.#answeredAt + FRESH_MILLISECONDS;
  }

  /** The gateway has answered. */
  end(): void {
    this.#answeredAt = Date.now();
    this.#since = undefined;
    this.#last = undefined;
  }

  /** A request has failed that began at `startedAt`: nobody may have been answered since. */
  begin(startedAt: number): void {
    this.#since ??= Math.max(startedAt, this.#answeredAt);
  }

  /** Until when there is patience. */
  get deadline(): number {
    return (this.#since ?? Date.now()) + this.#patienceMilliseconds;
  }

  /** Remembers why somebody has given up, for those who come in the next moment. */
  giveUp(error: Error): Error {
    this.#last = { at: Date.now(), error };
    return error;
  }

  /** @throws Error of who has given up just now, where patience is over */
  check(): void {
    if (this.#last !== undefined && Date.now() < this.#last.at + SHARED_MILLISECONDS) {
      throw this.#last.error;
    }
  }
}
