import { setImmediate as nextTurn } from "node:timers/promises";

import { Refusal } from "./api-failure.ts";
import type { GatewayApi } from "./gateway-api.ts";
import { unlessAborted } from "../unless-aborted.ts";

/** LiteLLM sets no limit, and takes 3 ms for each of them. */
const LARGEST_BATCH = 100;

interface Waiting {
  readonly tokenId: string;
  readonly signal: AbortSignal;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Deletes keys: who asks while a request is under way waits for its end, and goes into the next one with
 * all who wait. A request costs LiteLLM several times what a key does.
 */
export class KeyDeletions {
  readonly #api: Pick<GatewayApi, "call">;
  #waiting: Waiting[] = [];
  #isWorking = false;

  constructor(api: Pick<GatewayApi, "call">) {
    this.#api = api;
  }

  /**
   * Resolves when the key is gone, also where it was not there.
   *
   * @throws as `GatewayApi.call` does
   */
  delete(tokenId: string, signal: AbortSignal): Promise<void> {
    const deleted = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ tokenId, signal, resolve, reject });
    });
    if (!this.#isWorking) void this.#work();
    return unlessAborted(deleted, signal);
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    // Who asks in the same turn is to be in the first batch.
    await nextTurn();
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      const { signal } = first;
      const batch = this.#waiting.filter((each) => each.signal === signal).slice(0, LARGEST_BATCH);
      this.#waiting = this.#waiting.filter((each) => !batch.includes(each));
      await this.#deleteBatch(batch, signal);
    }
    this.#isWorking = false;
  }

  async #deleteBatch(batch: readonly Waiting[], signal: AbortSignal): Promise<void> {
    try {
      await this.#send(
        batch.map(({ tokenId }) => tokenId),
        signal,
      );
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (error instanceof Refusal && batch.length > 1) {
        // One of them need not be the fault of all.
        await Promise.all(batch.map((each) => this.#deleteBatch([each], signal)));
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }

  async #send(tokenIds: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      await this.#api.call({ path: "/key/delete", body: { keys: tokenIds }, signal });
    } catch (error) {
      // So LiteLLM answers where not one of them is there.
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
  }
}
