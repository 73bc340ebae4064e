/**
 * `npm run down [stack]`: removes all that `npm start` made, default stack `dev`,
 * and the stack itself; its settings file stays. Fails on what the settings protect.
 */
import { chooseStack, openPulumi } from "./stack.ts";

const stack = chooseStack(process.argv.slice(2));
const pulumi = await openPulumi();
for (const command of [
  ["destroy", "--yes", "--stack", stack],
  ["stack", "rm", "--yes", "--preserve-config", stack],
]) {
  const exitCode = await pulumi.run(...command);
  if (exitCode !== 0) {
    process.exit(exitCode);
  }
}
