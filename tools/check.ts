/** `npm run check`: formatting, lint, types, generated files, workflows and unused code; all of them, then the verdict. */
import { spawnSync } from "node:child_process";

const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ["prettier", "--check", "--log-level=warn", "."],
  ["eslint", "."],
  ["tsc", "--noEmit"],
  ["node", "tools/generate.ts", "--check"],
  ["node", "tools/lint-workflows.ts"],
  ["knip"],
];

const failed = COMMANDS.filter(([program, ...arguments_]) => {
  console.log(`▸ ${[program, ...arguments_].join(" ")}`);
  return spawnSync(`node_modules/.bin/${program}`, arguments_, { stdio: "inherit" }).status !== 0;
});
for (const command of failed) {
  console.error(`✗ ${command.join(" ")}`);
}
process.exit(failed.length === 0 ? 0 : 1);
