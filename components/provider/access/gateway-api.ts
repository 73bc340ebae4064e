import { setTimeout as sleep } from "node:timers/promises";

import type { Answer } from "../../proxy-client.ts";
import { SshError } from "../ssh/ssh-failure.ts";
import { judge, Refusal, type Trouble, Unavailable } from "./api-failure.ts";
import { judgeConnection } from "./connection-failure.ts";
import type { GatewayConnection } from "./connection.ts";
import { type GatewayLink, openLink } from "./gateway-link.ts";
import { Outage } from "./outage.ts";
import { Retries } from "./retries.ts";
import { Semaphore } from "./semaphore.ts";
import { hideSent } from "./sent-secrets.ts";
import { unlessAborted } from "../unless-aborted.ts";

export interface ApiRequest {
  readonly method?: "DELETE" | "GET" | "PATCH" | "POST";
  /** Percent-encoded, with its query. It may be logged by whoever stands between: no secret in it. */
  readonly path: string;
  readonly body?: object;
  readonly signal: AbortSignal;
}

type Outcome = { readonly answer: Answer } | Error | Trouble;

/**
 * Whoever may not see it is no admin, and without its database the gateway fails at it: neither is so for
 * every path. The answer is short, and no page of a list.
 */
const PROBE_PATH = "/budget/settings?budget_id=none";
const PROBE_MILLISECONDS = 5000;
/** Whether it answers is asked once for all who want to know within this time. */
const ANSWERING_MILLISECONDS = 10_000;

/**
 * LiteLLM's admin API, with the master key. It waits for a gateway that restarts or is too busy, as long
 * as its patience lasts, and never has more requests under way than it may.
 */
export class GatewayApi {
  readonly #connection: GatewayConnection;
  readonly #semaphore: Semaphore;
  readonly #outage: Outage;
  #link: Promise<GatewayLink> | undefined;
  #admission: { readonly admitted: Promise<unknown>; readonly signal: AbortSignal } | undefined;
  #answering: { readonly until: number; readonly answers: Promise<boolean> } | undefined;
  /** Until when the gateway wants to be left alone. */
  #quietUntil = 0;
  /** How many requests were sent. */
  requests = 0;

  constructor(connection: GatewayConnection) {
    this.#connection = connection;
    this.#semaphore = new Semaphore(connection.concurrency);
    this.#outage = new Outage(connection.patienceSeconds);
  }

  /**
   * Asks, or changes something in a way that does no harm when it is done twice.
   *
   * @throws Refusal, where LiteLLM says no; Unavailable, where it says nothing, or lets nobody in with
   * this key; the signal's reason, as soon as it is aborted
   */
  async call(request: ApiRequest): Promise<unknown> {
    await this.#enter(request.signal);
    return this.#call(request);
  }

  /**
   * Makes something that must not be there twice. Where it is not certain that a try has failed,
   * `find` looks before the next one. What it finds may have been there before: look whose it is.
   *
   * @returns what LiteLLM answered, or what `find` found
   * @throws as `call` does
   */
  async create<Found>(
    request: ApiRequest,
    find: () => Promise<Found | undefined>,
  ): Promise<{ readonly answer: unknown } | { readonly found: Found }> {
    await this.#enter(request.signal);
    const retries = this.#begin(request);
    let mayBeThere = false;
    for (;;) {
      const outcome = await this.#try(request, retries);
      if ("answer" in outcome) return { answer: outcome.answer.json };
      if (outcome instanceof Error && !(outcome instanceof Refusal && mayBeThere)) throw outcome;
      mayBeThere ||= !(outcome instanceof Error) && outcome.mayHaveHappened;
      await retries.pause(request.signal);
      // What is refused now may be there by an earlier try.
      const found = mayBeThere ? await find() : undefined;
      if (found !== undefined) return { found };
      if (outcome instanceof Error) throw outcome;
    }
  }

  /**
   * Makes certain that the gateway's database answers: without it, LiteLLM says of some things that they
   * are not there.
   *
   * @throws as `call` does
   */
  async probe(signal: AbortSignal): Promise<void> {
    await this.call({ path: PROBE_PATH, signal });
  }

  /**
   * Finds out whether the gateway answers now, without patience.
   *
   * @throws Unavailable, where it does not
   */
  async assertAnswering(signal: AbortSignal): Promise<void> {
    if (this.#outage.hasJustAnswered) return;
    const now = Date.now();
    if (this.#answering === undefined || now > this.#answering.until) {
      this.#answering = {
        until: now + ANSWERING_MILLISECONDS,
        answers: this.#answersNow(signal),
      };
    }
    if (await this.#answering.answers) return;
    const { url } = this.#connection;
    throw new Unavailable(
      `the gateway at ${url} does not answer now; see: curl ${url}/health/readiness`,
    );
  }

  async #answersNow(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#answersProbe(await this.#open(signal), signal);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return false;
    }
  }

  /** Ends the connections, and the tunnel; the next request opens them again. */
  async close(): Promise<void> {
    const link = await this.#link?.catch(() => undefined);
    this.#link = undefined;
    await link?.close();
  }

  /**
   * Makes certain, once, that the key is an admin's. LiteLLM answers others with success too, and with
   * less: what they may not see would be taken for gone.
   */
  async #enter(signal: AbortSignal): Promise<void> {
    const admission = (this.#admission ??= {
      admitted: this.#call({ path: PROBE_PATH, signal }),
      signal,
    });
    try {
      await unlessAborted(admission.admitted, signal);
    } catch (error) {
      if (this.#admission === admission) this.#admission = undefined;
      signal.throwIfAborted();
      // Whoever asked first was cancelled, and we are not.
      if (admission.signal.aborted) return this.#enter(signal);
      throw error;
    }
  }

  async #call(request: ApiRequest): Promise<unknown> {
    const retries = this.#begin(request);
    for (;;) {
      const outcome = await this.#try(request, retries);
      if ("answer" in outcome) return outcome.answer.json;
      if (outcome instanceof Error) throw outcome;
      await retries.pause(request.signal);
    }
  }

  #begin({ method, path, body }: ApiRequest): Retries {
    const name = `${method ?? (body === undefined ? "GET" : "POST")} ${path.split("?")[0] ?? ""}`;
    const { url, patienceSeconds } = this.#connection;
    return new Retries({ name, url: url.replace(/\/+$/, "") }, this.#outage, patienceSeconds);
  }

  #try(request: ApiRequest, retries: Retries): Promise<Outcome> {
    const { signal } = request;
    return this.#semaphore.run(async () => {
      const quiet = this.#quietUntil - Date.now();
      if (quiet > 0) await sleep(quiet, undefined, { signal });
      const outcome = await this.#attempt(request, retries);
      if ("answer" in outcome || outcome instanceof Error) {
        this.#outage.end();
      } else {
        // Before the next one's turn, who may then spare himself the try.
        this.#keepQuiet(outcome);
        retries.fail(outcome);
      }
      return outcome;
    }, signal);
  }

  async #attempt(request: ApiRequest, retries: Retries): Promise<Outcome> {
    const timeoutMilliseconds = retries.begin();
    const link = await this.#open(request.signal);
    let answer: Answer;
    try {
      answer = await this.#ask(link, request, timeoutMilliseconds);
    } catch (error) {
      request.signal.throwIfAborted();
      await this.#leave(link);
      return judgeConnection(error as Error, retries.request, timeoutMilliseconds / 1000);
    }
    const outcome = judge(this.#hide(answer, request.body), retries.request);
    if (outcome === undefined) return { answer };
    if (outcome instanceof Error || outcome.lasting === undefined) return outcome;
    // LiteLLM answers 500, often without a word more, to most of what is asked while its database is away.
    if (await this.#answersProbe(link, request.signal)) return outcome;
    const { problem, mayHaveHappened } = outcome;
    return { problem: `${problem} (its database does not answer)`, mayHaveHappened };
  }

  async #answersProbe(link: GatewayLink, signal: AbortSignal): Promise<boolean> {
    const probe = { path: PROBE_PATH, signal };
    const answer = await this.#ask(link, probe, PROBE_MILLISECONDS).catch(() => undefined);
    signal.throwIfAborted();
    return answer !== undefined && answer.status < 500;
  }

  #ask(
    { client, prefix }: GatewayLink,
    { method, path, body, signal }: ApiRequest,
    timeoutMilliseconds: number,
  ): Promise<Answer> {
    this.requests++;
    return client.request(`${prefix}${path}`, {
      ...(method !== undefined && { method }),
      body,
      key: this.#connection.masterKey,
      timeoutMilliseconds,
      signal,
    });
  }

  /** The answer without what was sent in secret: it may end in a message. */
  #hide(answer: Answer, body: object | undefined): Answer {
    if (answer.status < 300) return answer;
    const hide = (text: string) => hideSent(text, this.#connection.masterKey, body);
    const json: unknown =
      answer.json === undefined
        ? undefined
        : JSON.parse(answer.text, (_, value: unknown) =>
            typeof value === "string" ? hide(value) : value,
          );
    return { ...answer, text: hide(answer.text), json };
  }

  /** What the gateway says to one of us holds for all, as long as there is patience. */
  #keepQuiet({ retryAfterSeconds = 0 }: Trouble): void {
    const until = Date.now() + retryAfterSeconds * 1000;
    if (until < this.#outage.deadline) this.#quietUntil = Math.max(this.#quietUntil, until);
  }

  /** @throws Unavailable, when the machine that sees the gateway cannot be reached */
  async #open(signal: AbortSignal): Promise<GatewayLink> {
    // It is there for later requests too, whoever asks first.
    const opening = (this.#link ??= openLink(this.#connection));
    try {
      return await unlessAborted(opening, signal);
    } catch (error) {
      if (!signal.aborted && this.#link === opening) this.#link = undefined;
      throw error instanceof SshError ? new Unavailable(error.message) : error;
    }
  }

  /** The shared connection to a machine may have ended: the next request opens another tunnel. */
  async #leave(link: GatewayLink): Promise<void> {
    if (this.#connection.machine === undefined) return;
    if ((await this.#link?.catch(() => undefined)) === link) await this.close();
  }
}
