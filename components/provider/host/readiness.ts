import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** How to find out that a started process can be used. */
export const readiness = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("http"),
    url: z.url().meta({ description: "Answers 200 when the process can be used." }),
    deadlineSeconds: z.number().positive().default(180),
  }),
  z.strictObject({
    kind: z.literal("postgresql"),
    url: z.string().meta({ description: "Connection string a session can be opened with." }),
    deadlineSeconds: z.number().positive().default(60),
  }),
]);

export type Readiness = z.output<typeof readiness>;

const POLL_MILLISECONDS = 200;

/**
 * Waits until the process answers.
 *
 * @throws Error with the last answer when the deadline has passed
 */
export async function waitUntilReady(target: Readiness, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.timeout(target.deadlineSeconds * 1000);
  let answer = "no answer yet";
  while (!deadline.aborted) {
    signal.throwIfAborted();
    const probed =
      target.kind === "http" ? await probeHttp(target.url) : await probeSql(target.url);
    if (probed === undefined) {
      return;
    }
    answer = probed;
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
  throw new Error(`not ready after ${target.deadlineSeconds} seconds (${answer})`);
}

/** Undefined when ready, else what came instead. */
async function probeHttp(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    return response.status === 200 ? undefined : `HTTP status ${response.status}`;
  } catch (error) {
    return describe(error);
  }
}

async function probeSql(url: string): Promise<string | undefined> {
  const { Client } = (await import("pg")).default;
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // A connection that breaks after it was made must not end the whole plugin.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return undefined;
  } catch (error) {
    return describe(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
