import { setTimeout as sleep } from "node:timers/promises";

import { type AskedRequest, type Trouble, Unavailable } from "./api-failure.ts";
import type { Outage } from "./outage.ts";

/** Between two tries, at first; it doubles. */
const PAUSE_MILLISECONDS = 250;
const LONGEST_PAUSE_MILLISECONDS = 5000;
/** So often a failure is tried that is likely to be the same each time. */
const LASTING_ATTEMPTS = 3;
/** For an answer, while there is patience; and when there is none left. */
const LONGEST_TRY_MILLISECONDS = 60_000;
const SHORTEST_TRY_MILLISECONDS = 5000;

/** How often, and how long, one request is tried. */
export class Retries {
  readonly request: AskedRequest;
  readonly #outage: Outage;
  readonly #patienceMilliseconds: number;
  #startedAt = 0;
  #failingSince: number | undefined;
  #failures = 0;
  #lastingFailures = 0;
  #pauseMilliseconds = 0;

  constructor(request: AskedRequest, outage: Outage, patienceSeconds: number) {
    this.request = request;
    this.#outage = outage;
    this.#patienceMilliseconds = patienceSeconds * 1000;
  }

  /**
   * Begins a try.
   *
   * @returns how long to wait for its answer, in milliseconds
   * @throws Unavailable, where the gateway has just been given up
   */
  begin(): number {
    this.#outage.check();
    this.#startedAt = Date.now();
    const patience = this.#outage.deadline - this.#startedAt;
    return Math.min(Math.max(patience, SHORTEST_TRY_MILLISECONDS), LONGEST_TRY_MILLISECONDS);
  }

  /**
   * Notes that the try has failed.
   *
   * @throws Error, where there is to be no other; Unavailable, when patience is over
   */
  fail(trouble: Trouble): void {
    this.#pauseMilliseconds = 0;
    if (trouble.wasStale === true) return;
    this.#outage.begin(this.#startedAt);
    this.#failingSince ??= this.#startedAt;
    this.#lastingFailures += trouble.lasting === undefined ? 0 : 1;
    if (trouble.lasting !== undefined && this.#lastingFailures >= LASTING_ATTEMPTS) {
      throw trouble.lasting;
    }
    const own = this.#failingSince + this.#patienceMilliseconds;
    const left = Math.min(this.#outage.deadline, own) - Date.now();
    const asked = (trouble.retryAfterSeconds ?? 0) * 1000;
    if (left <= 0 || asked > left) throw this.#outage.giveUp(this.#explain(trouble));
    const pause =
      Math.min(PAUSE_MILLISECONDS * 2 ** this.#failures++, LONGEST_PAUSE_MILLISECONDS) *
      (0.5 + Math.random() / 2);
    this.#pauseMilliseconds = Math.max(Math.min(pause, left), asked);
  }

  /** Waits until the next try, unless it can be made at once. */
  async pause(signal: AbortSignal): Promise<void> {
    if (this.#pauseMilliseconds > 0) await sleep(this.#pauseMilliseconds, undefined, { signal });
  }

  #explain({ problem, retryAfterSeconds }: Trouble): Error {
    const { name, url } = this.request;
    const asked =
      retryAfterSeconds === undefined ? "" : `, and asks to wait ${Math.ceil(retryAfterSeconds)} s`;
    return new Unavailable(
      `the gateway at ${url} has not done ${name} within ${this.#patienceMilliseconds / 1000} s: ` +
        `${problem}${asked}; see: curl ${url}/health/readiness, and its log; then run the command again`,
    );
  }
}
