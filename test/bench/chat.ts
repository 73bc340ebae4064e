import { setTimeout as sleep } from "node:timers/promises";

import type { Endpoint } from "./benchmark.ts";

/** Models of every benchmarked gateway; LiteLLM answers them by itself. */
export const MODELS = [
  { name: "hello", provider: "mock", response: "Hello." },
  { name: "vector", provider: "mock", mode: "embedding" },
];

const POLL_MILLISECONDS = 50;
const REQUEST_MILLISECONDS = 10_000;
const DEADLINE_MILLISECONDS = 15 * 60_000;

/** A chat that is answered as a whole, not streamed. */
export function composeChat({ url, masterKey, host, chat }: Endpoint) {
  return {
    url: `${url}/v1/chat/completions`,
    method: "POST" as const,
    headers: {
      authorization: `Bearer ${masterKey}`,
      "content-type": "application/json",
      ...(host !== undefined && { host }),
    },
    body: JSON.stringify({
      model: "hello",
      messages: [{ role: "user", content: "Hi" }],
      ...chat,
    }),
  };
}

/** Waits until a chat is answered; ends with the error of `launched` if that comes first. */
export async function waitForChat(
  endpoint: Endpoint,
  launched: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failures: unknown[] = [];
  launched.catch((error: unknown) => failures.push(error));
  const deadline = Date.now() + DEADLINE_MILLISECONDS;
  while (!(await isAnswered(endpoint, signal))) {
    if (failures.length > 0) {
      throw failures[0];
    }
    if (Date.now() > deadline) {
      throw new Error(`${endpoint.url} answers no chat`);
    }
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

async function isAnswered(endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
  const { url, ...request } = composeChat(endpoint);
  try {
    const response = await fetch(url, {
      ...request,
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MILLISECONDS)]),
    });
    const { choices } = (await response.json()) as {
      choices?: { message: { content: string } }[];
    };
    return response.ok && choices?.[0]?.message.content === "Hello.";
  } catch {
    signal.throwIfAborted();
    return false; // not up yet
  }
}
