/**
 * `npm run lab`: makes sure of what tests with Docker need: an engine with `compose` and
 * `buildx`, and images. Where no engine answers, Debian's is started for as long as this
 * machine runs.
 *
 * `npm run lab -- down [--all]`: removes what the lab has made in the engine, and the engine
 * if it was started by the lab; with `--all` its downloads and data as well.
 */
import { ensureLab, removeLab } from "../test/lab/lab.ts";

const log = (line: string): void => {
  console.error(line);
};
const [command = "", option = ""] = process.argv.slice(2);
const isUp = command === "";
if ((!isUp && command !== "down") || !["", "--all"].includes(option)) {
  throw new Error("unknown arguments; there are: npm run lab, npm run lab -- down [--all]");
}
await (isUp ? ensureLab(log) : removeLab(option === "--all", log));
