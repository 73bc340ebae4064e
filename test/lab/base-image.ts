/** Root file systems of Debian, made by the machine's own apt, that images are built on. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { delimiter } from "node:path";

import { runCommand } from "../../components/provider/host/command.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { hostRelease, sourceOf, unpackPackages } from "./debian.ts";
import { docker, IMAGE_LABEL, readImageLabel } from "./docker.ts";
import { labPath } from "./folder.ts";

const RELEASE = "trixie";

/** What Debian's essential packages lack, by name of the base. */
const PACKAGES = {
  machine: [
    ...["systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "apt", "ca-certificates"],
    ...["debian-archive-keyring", "iproute2", "passwd", "procps", "python3"],
  ],
  postgres: ["libpq5", "libreadline8t64", "locales", "passwd", "tzdata", "xz-utils", "zstd"],
  python: ["ca-certificates", "libstdc++6", "python3", "python3-venv", "tzdata"],
} as const;

export type Base = keyof typeof PACKAGES;

/** Changes whenever a base comes out different. */
export function hashBase(base: Base): string {
  return sha256(JSON.stringify([RELEASE, PACKAGES[base]]));
}

const inHand = new Map<Base, Promise<string>>();

/** Makes sure of a base image, once for all who ask at the same time, and returns its name. */
export function ensureBase(base: Base, log: (line: string) => void): Promise<string> {
  const image = inHand.get(base) ?? makeBase(base, log);
  inHand.set(base, image);
  return image;
}

async function makeBase(base: Base, log: (line: string) => void): Promise<string> {
  const image = `litellm-gateway/${RELEASE}:${base}`;
  const hash = hashBase(base);
  if ((await readImageLabel(image, IMAGE_LABEL)) !== hash) {
    log(`making ${image} of Debian's packages …`);
    const archive = labPath("build", `${base}.tar`);
    mkdirSync(labPath("build"), { recursive: true });
    await archiveFileSystem(base, archive);
    await docker(["import", `--change=LABEL ${IMAGE_LABEL}=${hash}`, archive, image]);
    rmSync(archive);
  }
  return image;
}

let mmdebstrap: Promise<string> | undefined;

async function provideMmdebstrap(): Promise<string> {
  const folder = labPath("mmdebstrap");
  if (!existsSync(folder)) {
    await unpackPackages(hostRelease(), ["mmdebstrap"], `${folder}.new`);
    renameSync(`${folder}.new`, folder);
  }
  return folder;
}

async function archiveFileSystem(base: Base, archive: string): Promise<void> {
  const tool = await (mmdebstrap ??= provideMmdebstrap());
  await runCommand(
    "mmdebstrap",
    [
      "--quiet",
      "--mode=root",
      "--variant=essential",
      `--include=${PACKAGES[base].join(",")}`,
      "--dpkgopt=path-exclude=/usr/share/doc/*",
      "--dpkgopt=path-exclude=/usr/share/man/*",
      "--dpkgopt=force-unsafe-io",
      RELEASE,
      archive,
      await sourceOf(RELEASE),
    ],
    {
      environment: {
        ...process.env,
        PATH: [`${tool}/usr/bin`, process.env["PATH"]].filter(Boolean).join(delimiter),
      },
    },
  );
}
