/**
 * `npm run maintain [stack]`: vacuums and analyzes the database, deletes what the request log keeps no
 * longer, and shows sizes, queries that take long, and indexes that nobody uses.
 */
import { closeSessions } from "../components/provider/ssh/session.ts";
import { parseCommand } from "./operations/arguments.ts";
import { abortOnInterrupt, readMachinesStack } from "./operations/machines-stack.ts";
import { maintain } from "./operations/maintain.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const { positionals } = parseCommand("npm run maintain [stack]", {}, 1);
const stack = await readMachinesStack(await openPulumi(), chooseStack(positionals), "maintain");
try {
  console.log(await maintain(stack, abortOnInterrupt()));
} finally {
  await closeSessions();
}
