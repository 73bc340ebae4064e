/**
 * `npm run status [stack]`: both machines of a stack on one page, and what runs on them.
 * Exit code 1 when something must be mended.
 */
import { closeSessions } from "../components/provider/ssh/session.ts";
import { parseCommand } from "./operations/arguments.ts";
import { abortOnInterrupt, readMachinesStack } from "./operations/machines-stack.ts";
import { formatStatus, isWell } from "./operations/status-page.ts";
import { readStatus } from "./operations/read-status.ts";
import { formatTime } from "./operations/text.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const { positionals } = parseCommand("npm run status [stack]", {}, 1);
const stack = await readMachinesStack(await openPulumi(), chooseStack(positionals), "status");
try {
  const sections = await readStatus(stack, abortOnInterrupt());
  console.log(formatStatus(`stack ${stack.name}, ${formatTime(new Date())}`, sections));
  process.exitCode = isWell(sections) ? 0 : 1;
} finally {
  await closeSessions();
}
