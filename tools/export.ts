/**
 * `npm run export [-- [stack] [--url URL [--ca FILE]] [--against STACK_OR_URL]]`: prints who has access to a
 * live gateway as the setting `access`, default: the gateway of stack `dev`. `--against` prints instead in
 * what another gateway differs from it; exit code 1 when it does.
 *
 * The admin key of a URL is that of LITELLM_MASTER_KEY (of LITELLM_AGAINST_MASTER_KEY for the other one),
 * else it is asked for.
 */
import { closeSessions } from "../components/provider/ssh/session.ts";
import {
  type GatewayTarget,
  openContext,
  targetStack,
  targetUrl,
} from "./access/gateway-target.ts";
import { observeAccess } from "./access/observed-access.ts";
import { failPlainly } from "./plain-error.ts";
import { compareTrees, formatSettings } from "./access/settings-text.ts";
import { readProjectName } from "./stack-settings.ts";
import { writeAccess, type WrittenAccess } from "./access/write-access.ts";
import { parseCommand } from "./operations/arguments.ts";
import { abortOnInterrupt } from "./operations/machines-stack.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const { positionals, values: options } = parseCommand(
  "npm run export [-- [stack] [--url URL [--ca FILE]] [--against STACK_OR_URL]]",
  { url: { type: "string" }, ca: { type: "string" }, against: { type: "string" } },
  1,
);
if (options.url !== undefined && positionals.length > 0) {
  throw new Error("a stack and --url both say which gateway; give one of them");
}
const signal = abortOnInterrupt();
try {
  const target = await choose(options.url ?? chooseStack(positionals), "LITELLM_MASTER_KEY");
  if (options.against === undefined) {
    const { tree, notes } = await read(target);
    process.stdout.write(formatSettings(readProjectName(), tree, notes));
  } else {
    const other = await choose(options.against, "LITELLM_AGAINST_MASTER_KEY");
    const [here, there] = [await read(target), await read(other)];
    const difference = compareTrees(here.tree, there.tree);
    if (difference === "") console.error(`${target.name} and ${other.name} give the same access`);
    else console.log(`--- ${target.name}\n+++ ${other.name}\n${difference}`);
    process.exitCode = difference === "" ? 0 : 1;
  }
} finally {
  await closeSessions();
}

async function choose(stackOrUrl: string, variable: string): Promise<GatewayTarget> {
  return /^https?:\/\//.test(stackOrUrl)
    ? targetUrl(stackOrUrl, { caFile: options.ca, variable })
    : failPlainly(async () => targetStack(await openPulumi(), stackOrUrl));
}

async function read(target: GatewayTarget): Promise<WrittenAccess> {
  return writeAccess(await failPlainly(() => observeAccess(openContext(target, signal))));
}
