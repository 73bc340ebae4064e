/**
 * Debian packages without installing them: downloaded and verified by the machine's own
 * apt, from the mirror and with the keys that it is set up for, and unpacked into a folder.
 */
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";

import { runCommand } from "../../components/provider/host/command.ts";
import { labPath } from "./folder.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Names under which a mirror offers releases, beside their code names. */
const RELEASE_NAMES = ["stable", "oldstable", "testing", "unstable"];

/** Whether packages can be unpacked here: a Debian machine, and we are its root. */
export function isDebianRoot(): boolean {
  return readRelease()["ID"] === "debian" && process.getuid?.() === 0;
}

/** Code name of the Debian release that runs this machine, such as `bookworm`. */
export function hostRelease(): string {
  return readRelease()["VERSION_CODENAME"] ?? "sid";
}

function readRelease(): NodeJS.Dict<string> {
  return existsSync("/etc/os-release") ? parseEnv(readFileSync("/etc/os-release", "utf8")) : {};
}

/**
 * The line of a `sources.list` for a release, at the mirror that this machine uses.
 *
 * @throws Error when apt has no Debian mirror
 */
export async function sourceOf(release: string): Promise<string> {
  const targets = await run("apt-get", [
    "indextargets",
    // Also before the first `apt-get update`.
    "--no-release-info",
    "--format",
    "$(REPO_URI) $(RELEASE) $(COMPONENT)",
  ]);
  const [mirror] = targets
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap(([uri = "", name = "", component]) =>
      component === "main" && [hostRelease(), ...RELEASE_NAMES].includes(name) ? [uri] : [],
    );
  if (mirror === undefined) {
    throw new Error(
      "apt knows no mirror of Debian; see what it is set up for: apt-get indextargets --no-release-info",
    );
  }
  const keys = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : "";
  return `deb ${keys}${mirror} ${release} main`;
}

/** Unpacks packages of a release by name, without what they depend on. */
export async function unpackPackages(
  release: string,
  packages: readonly string[],
  destination: string,
): Promise<void> {
  await unpack(release, ["download", ...packages], destination);
}

/**
 * Unpacks packages of the machine's own release with all they depend on, but for those
 * that are installed.
 */
export async function unpackMissing(
  packages: readonly string[],
  destination: string,
): Promise<void> {
  const options = ["--download-only", "--yes", "--no-install-recommends"];
  await unpack(hostRelease(), ["install", ...options, ...packages], destination);
}

/** Has an apt that knows one release only, with lists of its own, download packages. */
async function unpack(
  release: string,
  command: readonly string[],
  destination: string,
): Promise<void> {
  mkdirSync(labPath(), { recursive: true });
  mkdirSync(destination, { recursive: true });
  const folder = mkdtempSync(labPath("apt-"));
  const archives = join(folder, "archives");
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  mkdirSync(join(archives, "partial"), { recursive: true });
  writeFileSync(join(folder, "sources.list"), `${await sourceOf(release)}\n`);
  const options = [
    `Dir::Etc::sourcelist=${folder}/sources.list`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${folder}/lists`,
    `Dir::Cache=${folder}`,
    // The user that apt downloads as may have no way into the checkout.
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  try {
    await run("apt-get", ["-qq", ...options, "update"]);
    await run("apt-get", ["-qq", ...options, ...command], archives);
    for (const file of globSync(join(archives, "*.deb"))) {
      await run("dpkg", ["-x", file, destination]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(program: string, arguments_: readonly string[], folder?: string): Promise<string> {
  return runCommand(program, arguments_, {
    environment: process.env,
    ...(folder !== undefined && { folder }),
  });
}
