import { type LogLine, LogReader, mergeLines } from "./journal.ts";
import type { LogSource } from "./log-sources.ts";
import { readLines, streamScript } from "./stream.ts";

/**
 * Reads logs to their end and returns their lines in the order of time.
 *
 * @param onLine takes each line as it comes instead, for logs that are followed
 */
export async function readLogs(
  sources: readonly LogSource[],
  signal: AbortSignal,
  onLine?: (line: LogLine) => void,
): Promise<LogLine[]> {
  const kept: LogLine[] = [];
  await Promise.all(
    sources.map(async ({ source, connection, script, arguments: arguments_ }) => {
      const reader = new LogReader(source);
      const output = streamScript(connection, script, { arguments: arguments_, signal });
      for await (const text of readLines(output)) {
        const line = reader.read(text);
        if (line === undefined) continue;
        if (onLine === undefined) kept.push(line);
        else onLine(line);
      }
    }),
  );
  return mergeLines(kept);
}
