/**
 * Lints the workflows of GitHub Actions with actionlint, a part of `npm run check`. Go builds it
 * from its module, once. Without Go nothing is linted, which is an error in CI only.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

const ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
// Of what else is installed it would lint the scripts with, no two machines have the same.
const ARGUMENTS = ["-color=false", "-shellcheck=", "-pyflakes="];

if (spawnSync("go", ["version"]).error !== undefined) {
  console.error(
    "the workflows in .github/ are not linted: actionlint is built by Go, which is not installed; install it: https://go.dev/dl",
  );
  process.exit(process.env["CI"] === undefined ? 0 : 1);
}
const workflows = globSync(".github/workflows/*.{yaml,yml}");
const { status } = spawnSync("go", ["run", ACTIONLINT, ...ARGUMENTS, ...workflows], {
  stdio: "inherit",
});
process.exit(status ?? 1);
