/** Traefik, built from its Go module where its image cannot be pulled. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { labPath } from "./folder.ts";

export const TRAEFIK_VERSION = "v3.6.12";
const MODULE = "github.com/traefik/traefik/v3";
/** What go.sum would hold. The module's own go.sum, which is in it, vouches for everything else. */
const MODULE_SUM = "h1:6pe4s7aaDTQs+AsF7KP3sM/xnq7zOVvibRQe5tw9eFo=";

const FOLDER = labPath("traefik");
/** Our stand-in for a package of lego's, and where it goes in the module. */
const DNS_PROVIDERS = resolve(import.meta.dirname, "images/traefik/dns/providers.go");
const DNS_PACKAGE = "pkg/provider/acme/dns";
const LEGO_PACKAGE = "github.com/go-acme/lego/v4/providers/dns";
/** The only file that imports it. */
const DNS_USER = "pkg/provider/acme/provider.go";

const VARIABLES = {
  Version: TRAEFIK_VERSION.slice(1),
  Codename: "ramequin",
  BuildDate: "2026-03-26T09:54:04Z",
};
const FLAGS = [
  ...["-trimpath", "-buildvcs=false", "-ldflags"],
  `-s -w ${Object.entries(VARIABLES)
    .map(([name, value]) => `-X ${MODULE}/pkg/version.${name}=${value}`)
    .join(" ")}`,
];

/** Changes whenever the program comes out different. */
export function hashTraefik(): string {
  const inputs = [process.arch, MODULE_SUM, FLAGS, readFileSync(DNS_PROVIDERS, "utf8")];
  return sha256(JSON.stringify(inputs));
}

/**
 * Makes sure of the program `traefik`, and returns the folder that it is in. It is built once
 * for all: that takes minutes.
 *
 * @throws Error when there is no Go, or the build fails
 */
export async function ensureTraefik(log: (line: string) => void): Promise<string> {
  const folder = join(FOLDER, hashTraefik().slice(0, 12));
  if (existsSync(folder)) {
    return folder;
  }
  log(`building Traefik ${TRAEFIK_VERSION} with Go; the first time takes minutes …`);
  rmSync(FOLDER, { recursive: true, force: true });
  const sources = join(FOLDER, "sources");
  const built = `${folder}.new`;
  mkdirSync(built, { recursive: true });
  await layOutSources(sources);
  await go(["build", ...FLAGS, "-o", `${built}/`, "./cmd/traefik"], sources);
  rmSync(sources, { recursive: true });
  renameSync(built, folder);
  return folder;
}

/** A copy of the module that can be written to, without the DNS providers that nobody here asks for. */
async function layOutSources(folder: string): Promise<void> {
  const listing = await go(["mod", "download", "-json", `${MODULE}@${TRAEFIK_VERSION}`], FOLDER);
  const { Dir, Sum } = JSON.parse(listing) as { readonly Dir: string; readonly Sum: string };
  if (Sum !== MODULE_SUM) {
    throw new Error(`${MODULE}@${TRAEFIK_VERSION} is not what it was: ${Sum}, not ${MODULE_SUM}`);
  }
  mkdirSync(folder);
  const parts = ["cmd", "internal", "pkg", "webui", "go.mod", "go.sum"];
  const command = ["-r", "--no-preserve=mode", ...parts.map((name) => join(Dir, name)), folder];
  await runCommand("cp", command, { environment: process.env });
  mkdirSync(join(folder, DNS_PACKAGE));
  copyFileSync(DNS_PROVIDERS, join(folder, DNS_PACKAGE, "providers.go"));
  const user = join(folder, DNS_USER);
  const text = readFileSync(user, "utf8");
  writeFileSync(user, text.replace(`"${LEGO_PACKAGE}"`, `"${MODULE}/${DNS_PACKAGE}"`));
}

async function go(command: readonly string[], folder: string): Promise<string> {
  try {
    // Politely: other images are made at the same time.
    return await runCommand("nice", ["-n", "10", "go", ...command], {
      environment: { ...process.env, CGO_ENABLED: "0" },
      folder,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    throw new Error(
      `Traefik cannot be pulled here, so it is built with Go, but \`go ${command[0] ?? ""}\` fails: ${error.lastLines(10)}\ninstall Go 1.25 or newer, or mend that, and run again: npm run lab`,
    );
  }
}
