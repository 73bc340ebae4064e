/** `npm run verify [stack]`: repeats the checks of the last `up` against what is running. */
import { formatChecklist } from "../components/verification/checklist.ts";
import { formatResults } from "../components/verification/results-table.ts";
import { type CheckTarget, runChecks } from "../components/verification/run-check.ts";
import type { Check } from "../stacks/plan/checks.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const stack = chooseStack(process.argv.slice(2));
const pulumi = await openPulumi();
const outputs = JSON.parse(
  await pulumi.read("stack", "output", "--json", "--show-secrets", "--stack", stack),
) as Partial<CheckTarget> & { masterKey: string; checks: Check[] };
if (outputs.proxyUrl === undefined) {
  console.error(`stack ${stack} is not deployed; deploy it: npm start ${stack}`);
  process.exit(1);
}
const target: CheckTarget = { ...outputs, proxyUrl: outputs.proxyUrl };
const results = await runChecks(outputs.checks, target, (waiting) => {
  console.log(waiting);
});
console.log(formatResults(results));
if (target.operations !== undefined) {
  console.log(`\n${formatChecklist(outputs.checks, results, target.operations)}`);
}
if (target.machines !== undefined) {
  await (await import("../components/provider/ssh/session.ts")).closeSessions();
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
