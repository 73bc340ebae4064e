import { setTimeout as sleep } from "node:timers/promises";

/**
 * Requests that are sent at once to reach several workers: each takes another connection, and a
 * connection stays with its worker.
 */
const CONNECTIONS = 4;
const PAUSE_MILLISECONDS = 1000;
/** So often nobody may know before it is taken for a failure; one worker knows what it has just written. */
const TRIES_UNTIL_SOMEBODY_KNOWS = 3;

export interface Patience {
  readonly signal: AbortSignal;
  /** Default: 45, for workers read the database every 30 s. Source: litellm, proxy_config_reload_interval_seconds. */
  readonly seconds?: number;
}

/**
 * Each of LiteLLM's workers has models and credentials in its memory, and reads them from the database
 * only now and then. Without more than one worker the first answer is that of all.
 *
 * @param isKnown - asks whichever worker answers whether it knows what was written
 * @returns `all` as soon as all that were asked know it, `some` where that takes too long, `none` where
 *   nobody knows it though one has written it
 */
export async function waitForWorkers(
  isKnown: () => Promise<boolean>,
  { signal, seconds = 45 }: Patience,
): Promise<"all" | "none" | "some"> {
  const deadline = Date.now() + seconds * 1000;
  for (let attempt = 1; ; attempt++) {
    const answers = await askWorkers(isKnown);
    if (answers.every(Boolean)) return "all";
    const isKnownToSome = answers.some(Boolean);
    if (!isKnownToSome && attempt >= TRIES_UNTIL_SOMEBODY_KNOWS) return "none";
    if (Date.now() + PAUSE_MILLISECONDS > deadline) return isKnownToSome ? "some" : "none";
    await sleep(PAUSE_MILLISECONDS, undefined, { signal });
  }
}

/** Asks several workers at once for what the one that answered first did not know. */
export async function findAtWorkers<Thing>(
  find: () => Promise<Thing | undefined>,
): Promise<Thing | undefined> {
  return (await askWorkers(find)).find((thing) => thing !== undefined);
}

function askWorkers<Result>(ask: () => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, ask));
}
