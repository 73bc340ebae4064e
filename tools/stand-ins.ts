import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { PinnedVersions } from "./pinned-versions.ts";

/** What a build leaves on disk, the build cache included, with room to spare. */
const DISK_SPACE_BYTES = 6e9;
const PROGRESS_MILLISECONDS = 20_000;

/** no_compose leaves out Compose, which the docker plugin does not serve and which needs C on macOS. */
export const BUILD_FLAGS = ["-trimpath", "-buildvcs=false", "-tags=no_compose"];

const OTHER_WAYS =
  "or install the Pulumi CLI yourself: https://www.pulumi.com/docs/install, or run this once where get.pulumi.com can be reached";

/** The Go module that the stand-ins are built from. */
function moduleOf(checkout: string): string {
  return join(checkout, "tools", "toolchain");
}

/** The name of the Go package of a plugin's stand-in. */
export function nameStandIn(plugin: string): string {
  return `pulumi-resource-${plugin}`;
}

export function hasStandIn(checkout: string, plugin: string): boolean {
  return existsSync(join(moduleOf(checkout), "cmd", nameStandIn(plugin)));
}

/** A hash of all that goes into the stand-ins. */
export function hashSources(checkout: string, versions: PinnedVersions): string {
  const module = moduleOf(checkout);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([process.platform, process.arch, versions, BUILD_FLAGS]));
  const files = globSync("**/{*.go,go.mod,go.sum}", { cwd: module })
    .filter((file) => !file.endsWith("_test.go"))
    .sort();
  for (const file of files) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(module, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

/**
 * Builds stand-ins from their Go module into `destination`: `pulumi`,
 * `pulumi-language-nodejs` or `pulumi-resource-NAME`. The first build takes minutes.
 *
 * @throws Error when Go is missing or too old, the disk is nearly full, or the build fails
 */
export async function buildStandIns(
  checkout: string,
  names: readonly string[],
  versions: PinnedVersions,
  destination: string,
  environment: NodeJS.ProcessEnv,
  log: (line: string) => void,
): Promise<void> {
  const module = moduleOf(checkout);
  requireGo(module, environment);
  mkdirSync(destination, { recursive: true });
  requireDiskSpace(destination);
  log(`building ${names.join(", ")} with Go; the first time takes minutes …`);
  const started = Date.now();
  // The CLI is the module's one tool.
  const packages = names.map((name) => (name === "pulumi" ? "tool" : `./cmd/${name}`));
  const go = spawn(
    "go",
    [
      ...["build", "-v", ...BUILD_FLAGS, "-ldflags", formatLinkerFlags(versions)],
      ...["-o", `${destination}/`, ...packages],
    ],
    {
      cwd: module,
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...environment, CGO_ENABLED: "0" },
    },
  );
  let downloaded = 0;
  let compiled = 0;
  const complaints: string[] = [];
  createInterface(go.stderr).on("line", (line) => {
    if (line.startsWith("go: downloading ")) {
      downloaded += 1;
    } else if (/^[\w./~-]+$/.test(line)) {
      compiled += 1;
    } else {
      complaints.push(line);
    }
  });
  const progress = setInterval(() => {
    log(
      `… ${formatElapsed(started)}: ${downloaded} modules downloaded, ${compiled} packages compiled`,
    );
  }, PROGRESS_MILLISECONDS);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      go.once("error", reject);
      go.once("close", resolve);
    });
    if (code !== 0) {
      throw new Error(
        `the Pulumi toolchain could not be built: ${complaints.slice(-10).join("\n")}\nmend that and try again, ${OTHER_WAYS}`,
      );
    }
  } finally {
    clearInterval(progress);
  }
  log(`built in ${formatElapsed(started)}`);
}

function formatLinkerFlags({ cli, plugins }: PinnedVersions): string {
  const variables = {
    "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": `v${cli}`,
    ...Object.fromEntries(
      Object.entries(plugins).map(([name, version]) => [
        `litellm-gateway/toolchain/internal/version.${name.charAt(0).toUpperCase()}${name.slice(1)}`,
        version,
      ]),
    ),
  };
  const sets = Object.entries(variables).map(([name, value]) => `-X ${name}=${value}`);
  return ["-s", "-w", ...sets].join(" ");
}

function requireGo(module: string, environment: NodeJS.ProcessEnv): void {
  const [, needed = ""] = /^go (\S+)$/m.exec(readFileSync(join(module, "go.mod"), "utf8")) ?? [];
  // In the module's folder, where Go may choose a newer toolchain than the one installed.
  const { status, stdout, stderr, error } = spawnSync("go", ["version"], {
    cwd: module,
    encoding: "utf8",
    env: environment,
  });
  const problem = "Pulumi cannot be downloaded here, so it is built with Go, but";
  const advice = `install Go ${needed} or newer: https://go.dev/dl, ${OTHER_WAYS}`;
  if (error !== undefined) {
    throw new Error(`${problem} there is no Go on this machine; ${advice}`);
  }
  if (status !== 0) {
    throw new Error(`${problem} \`go version\` fails: ${stderr.trim()}; ${advice}`);
  }
  const [, found = "0"] = /go(\d+(?:\.\d+)*)/.exec(stdout) ?? [];
  if (found.localeCompare(needed, "en", { numeric: true }) < 0) {
    throw new Error(`${problem} Go ${found} is too old; ${advice}`);
  }
}

function requireDiskSpace(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free < DISK_SPACE_BYTES) {
    const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
    throw new Error(
      `only ${gigabytes(free)} GB are free in ${folder}; building the Pulumi toolchain needs ${gigabytes(DISK_SPACE_BYTES)} GB; make room (\`go clean -cache\` may help), ${OTHER_WAYS}`,
    );
  }
}

function formatElapsed(since: number): string {
  const seconds = Math.round((Date.now() - since) / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
