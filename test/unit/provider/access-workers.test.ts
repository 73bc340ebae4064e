import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { findAtWorkers, waitForWorkers } from "../../../components/provider/access/workers.ts";

/** Time passes only where it is waited for. */
vi.mock(import("node:timers/promises"), async (original) => {
  const sleep = (milliseconds = 0, _value?: unknown, { signal }: { signal?: AbortSignal } = {}) => {
    signal?.throwIfAborted();
    vi.setSystemTime(Date.now() + milliseconds);
    return Promise.resolve();
  };
  return { ...(await original()), setTimeout: sleep as never };
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Answers of connections in turn: the first worker knows at once, each other after its seconds. */
function startWorkers(seconds: readonly number[]) {
  const start = Date.now();
  let asked = 0;
  return () => {
    const after = seconds[asked++ % seconds.length] ?? 0;
    return Promise.resolve(Date.now() >= start + after * 1000);
  };
}

test.each([
  { seconds: [0], result: "all", took: 0 },
  { seconds: [0, 28], result: "all", took: 28 },
  { seconds: [0, 3600], result: "some", took: 45 },
  { seconds: [3600], result: "none", took: 2 },
])(
  "workers that know after $seconds s: $result after $took s",
  async ({ seconds, result, took }) => {
    const { signal } = new AbortController();
    const start = Date.now();
    expect(await waitForWorkers(startWorkers(seconds), { signal })).toBe(result);
    expect(Date.now() - start).toBe(took * 1000);
  },
);

test("waiting ends when the deployment is cancelled", async () => {
  const signal = AbortSignal.abort(new Error("cancelled"));
  await expect(waitForWorkers(startWorkers([0, 3600]), { signal })).rejects.toThrow("cancelled");
});

test("one worker that knows is enough to find it", async () => {
  const answers = [undefined, undefined, "found"];
  expect(await findAtWorkers(() => Promise.resolve(answers.shift()))).toBe("found");
  const nothing: Promise<string | undefined> = Promise.resolve(undefined);
  expect(await findAtWorkers(() => nothing)).toBeUndefined();
});
