import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { readPinnedVersions } from "../../../tools/pinned-versions.ts";
import { hasStandIn } from "../../../tools/stand-ins.ts";
import { ensureToolchain } from "../../../tools/toolchain.ts";

const OTHER_WAYS =
  "or install the Pulumi CLI yourself: https://www.pulumi.com/docs/install, or run this once where get.pulumi.com can be reached";

let folder: string;
let checkout: string;
let bin: string;
let log: string[];

/** A checkout with one plugin, an empty PATH, and a `go` that makes empty programs. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tool chain "));
  checkout = join(folder, "check out");
  bin = join(folder, "bin");
  log = [];
  write(
    "check out/package.json",
    '{"dependencies": {"@pulumi/pulumi": "3.0.0", "@pulumi/thing": "1.2.3"}}',
  );
  write("check out/node_modules/@pulumi/pulumi/package.json", '{"version": "3.259.0"}');
  write(
    "check out/node_modules/@pulumi/thing/package.json",
    '{"version": "1.2.3", "pulumi": {"resource": true, "name": "thing"}}',
  );
  write("check out/tools/toolchain/go.mod", "module m\n\ngo 1.26\n");
  write("check out/tools/toolchain/cmd/pulumi-resource-thing/main.go", "package main\n");
  writeProgram(
    "go",
    `
    echo "$@" >> '${folder}/go.log'
    case $1 in version) echo go version go1.26.8 linux/amd64; exit;; esac
    while [ "$1" != -o ]; do shift; done
    out=$2; shift 2
    for package in "$@"; do
      case $package in tool) package=pulumi;; esac
      echo '#!/bin/sh' > "$out\${package##*/}"
    done`,
  );
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function writeProgram(name: string, script: string): void {
  write(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function writeUserPulumi(version: string): void {
  writeProgram("pulumi", `echo run >> '${folder}/pulumi.log'; echo ${version}`);
}

const ensure = (environment: Record<string, string> = {}) =>
  ensureToolchain({
    checkout,
    environment: {
      PATH: `${bin}:/bin:/usr/bin`,
      PULUMI_HOME: join(folder, "user home"),
      ...environment,
    },
    log: (line) => log.push(line),
  });
const countRuns = (program: string, pattern: RegExp): number => {
  const file = join(folder, `${program}.log`);
  return existsSync(file) ? (readFileSync(file, "utf8").match(pattern) ?? []).length : 0;
};
const BUILT = { LITELLM_GATEWAY_TOOLCHAIN: "built" };
const ownHome = () => join(checkout, ".toolchain/pulumi");
const standIn = () => join(ownHome(), "plugins/resource-thing-v1.2.3/pulumi-resource-thing");

test("prefers the user's own CLI and plugins, and asks it for its version once", async () => {
  writeUserPulumi("v3.300.1");
  write("user home/plugins/resource-thing-v1.2.3/pulumi-resource-thing", "");
  const toolchain = await ensure();
  expect(toolchain).toEqual({
    pulumi: join(bin, "pulumi"),
    origin: "user",
    environment: {
      PATH: `${bin}:${join(checkout, "node_modules/.bin")}:${bin}:/bin:/usr/bin`,
      PULUMI_SKIP_UPDATE_CHECK: "true",
    },
  });
  expect(await ensure()).toEqual(toolchain);
  expect(countRuns("pulumi", /run/g)).toBe(1);
  expect(log).toEqual([]);
});

test.each(["v3.258.9", "v4.0.0"])(
  "does not take a CLI of version %s for the user's own",
  async (version) => {
    writeUserPulumi(version);
    await expect(ensure({ LITELLM_GATEWAY_TOOLCHAIN: "user" })).rejects.toThrow(
      `${join(bin, "pulumi")} is not there or not of version 3.259.0 or newer (below 4); install it: https://www.pulumi.com/docs/install, or unset LITELLM_GATEWAY_TOOLCHAIN`,
    );
  },
);

test("builds stand-ins into a PULUMI_HOME of the checkout, once", async () => {
  write("user home/credentials.json", "{}");
  const toolchain = await ensure(BUILT);
  expect(toolchain).toEqual({
    pulumi: join(ownHome(), "versions/3.259.0/bin/pulumi"),
    origin: "built",
    environment: {
      PATH: `${join(ownHome(), "versions/3.259.0/bin")}:${join(checkout, "node_modules/.bin")}:${bin}:/bin:/usr/bin`,
      PULUMI_HOME: ownHome(),
      PULUMI_CREDENTIALS_PATH: join(folder, "user home"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    },
  });
  expect(existsSync(toolchain.pulumi)).toBe(true);
  expect(existsSync(join(dirname(toolchain.pulumi), "pulumi-language-nodejs"))).toBe(true);
  expect(existsSync(standIn())).toBe(true);
  expect(await ensure()).toEqual(toolchain);
  expect(countRuns("go", /^build/gm)).toBe(1);
});

test("builds again after a change of the sources, the versions, or a loss", async () => {
  await ensure(BUILT);
  write("check out/tools/toolchain/cmd/pulumi-resource-thing/main.go", "package main // changed\n");
  await ensure(BUILT);
  expect(countRuns("go", /^build/gm)).toBe(2);
  rmSync(dirname(standIn()), { recursive: true });
  await ensure(BUILT);
  expect(countRuns("go", /^build/gm)).toBe(3);
  expect(existsSync(standIn())).toBe(true);
  write("check out/node_modules/@pulumi/pulumi/package.json", '{"version": "3.260.0"}');
  expect((await ensure(BUILT)).pulumi).toBe(join(ownHome(), "versions/3.260.0/bin/pulumi"));
});

test("takes an interrupted build for none", async () => {
  writeProgram(
    "go",
    `case $1 in version) echo go1.26;; *) echo 'disk is on fire' >&2; exit 1;; esac`,
  );
  await expect(ensure(BUILT)).rejects.toThrow(
    `the Pulumi toolchain could not be built: disk is on fire\nmend that and try again, ${OTHER_WAYS}`,
  );
  expect(existsSync(join(checkout, ".toolchain/toolchain.json"))).toBe(false);
  expect(existsSync(standIn())).toBe(false);
  expect(existsSync(join(ownHome(), "incoming-build"))).toBe(false);
});

test("builds once for two that come at the same time", async () => {
  const [first, second] = await Promise.all([ensure(BUILT), ensure(BUILT)]);
  expect(first).toEqual(second);
  expect(countRuns("go", /^build/gm)).toBe(1);
  expect(log).toContain(`waiting for process ${process.pid}, which installs Pulumi …`);
});

test("names the ways out when Go is missing or too old", async () => {
  rmSync(join(bin, "go"));
  const advice = `install Go 1.26 or newer: https://go.dev/dl, ${OTHER_WAYS}`;
  await expect(ensure({ ...BUILT, PATH: bin })).rejects.toThrow(
    `Pulumi cannot be downloaded here, so it is built with Go, but there is no Go on this machine; ${advice}`,
  );
  writeProgram("go", "echo go version go1.9.1 linux/amd64");
  await expect(ensure(BUILT)).rejects.toThrow(
    `Pulumi cannot be downloaded here, so it is built with Go, but Go 1.9.1 is too old; ${advice}`,
  );
});

test("refuses an origin that there is not", async () => {
  await expect(ensure({ LITELLM_GATEWAY_TOOLCHAIN: "homemade" })).rejects.toThrow(
    'LITELLM_GATEWAY_TOOLCHAIN is "homemade"; set it to user, official, built, or unset it: unset LITELLM_GATEWAY_TOOLCHAIN',
  );
});

test("the Go module builds the CLI of package.json, and a stand-in for every plugin", () => {
  const versions = readPinnedVersions(".");
  expect(Object.keys(versions.plugins)).toEqual(["docker", "postgresql", "random"]);
  expect(readFileSync("tools/toolchain/go.mod", "utf8")).toContain(
    `github.com/pulumi/pulumi/pkg/v3 v${versions.cli}\n`,
  );
  for (const plugin of Object.keys(versions.plugins)) {
    expect(hasStandIn(".", plugin)).toBe(true);
  }
});
