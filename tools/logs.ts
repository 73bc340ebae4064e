/**
 * `npm run logs [stack] [gateway|database] [-- --follow --since 1h]`: the logs of both machines in
 * the order of time, UTC.
 */
import { closeSessions } from "../components/provider/ssh/session.ts";
import { parseAge, parseCommand } from "./operations/arguments.ts";
import { formatLine, type LogLine } from "./operations/journal.ts";
import { listLogSources } from "./operations/log-sources.ts";
import { abortOnInterrupt, readMachinesStack } from "./operations/machines-stack.ts";
import { readLogs } from "./operations/read-logs.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const MACHINES = ["gateway", "database"];
const { positionals, values } = parseCommand(
  "npm run logs [stack] [gateway|database] -- [--follow] [--since 1h]",
  { follow: { type: "boolean" }, since: { type: "string", default: "1h" } },
  2,
);
const only = positionals.find(
  (word, index) => MACHINES.includes(word) && index >= positionals.length - 1,
);
const name = chooseStack(positionals.filter((word) => word !== only));
const stack = await readMachinesStack(await openPulumi(), name, "logs");
const follow = values.follow === true;
const sources = listLogSources(stack, { only, follow, seconds: parseAge(values.since) });
const signal = abortOnInterrupt();
const width = Math.max(...sources.map(({ source }) => source.length));
const print = (line: LogLine): void => {
  console.log(formatLine(line, width));
};

try {
  (await readLogs(sources, signal, follow ? print : undefined)).forEach(print);
} catch (error) {
  // Ctrl-C is how following ends.
  if (!follow || !signal.aborted) throw error;
} finally {
  await closeSessions();
}
