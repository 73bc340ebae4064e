import { setTimeout as sleep } from "node:timers/promises";

import { type LoadFailure, type LoadOptions, type LoadReport, startLoad } from "./load-client.ts";

/** For `expect(report).toMatchObject(UNHARMED)`: nobody has noticed the change. */
export const UNHARMED = { failed: [], cutStreams: [] } as const satisfies Partial<LoadReport>;

/**
 * Makes a change while chats and streams go on.
 *
 * @param around seconds of load before the change begins, and after it has ended
 * @throws Error what the change throws; or when nothing was answered, which proves nothing
 */
export async function changeUnderLoad(
  options: LoadOptions,
  change: () => Promise<void>,
  around: { readonly before: number; readonly after: number },
): Promise<LoadReport> {
  const load = startLoad(options);
  try {
    await load.begun;
    await sleep(around.before * 1000);
    await change();
    await sleep(around.after * 1000);
  } catch (error) {
    await load.stop();
    throw error;
  }
  const report = await load.stop();
  const { concurrency = 8, streams = 3 } = options;
  const chatsFail = concurrency > 0 && report.requests === report.failed.length;
  const streamsFail = streams > 0 && report.streams === report.cutStreams.length;
  if (chatsFail || streamsFail) {
    throw new Error(`no ${chatsFail ? "chat" : "stream"} succeeded: ${describeLoad(report)}`);
  }
  return report;
}

/** One line. */
export function describeLoad(report: LoadReport): string {
  const { requests, failed, streams, cutStreams, latencies, longestGapMilliseconds } = report;
  const milliseconds = (time: number) => `${Math.round(time)} ms`;
  return [
    `${requests} requests, ${failed.length} failed${describeFirst(failed)}`,
    `${streams} streams, ${cutStreams.length} cut${describeFirst(cutStreams)}`,
    `p50 ${milliseconds(latencies.p50Milliseconds)}, p99 ${milliseconds(latencies.p99Milliseconds)}`,
    `longest gap ${milliseconds(longestGapMilliseconds)}`,
  ].join("; ");
}

function describeFirst([first]: readonly LoadFailure[]): string {
  return first === undefined
    ? ""
    : ` (first at ${first.when} s: ${first.what.replaceAll("\n", " ")})`;
}
