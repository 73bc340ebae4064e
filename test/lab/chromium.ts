/** Chromium: the one of the machine, or Debian's unpacked into the lab's folder. */
import { existsSync, globSync, renameSync, rmSync } from "node:fs";
import { delimiter } from "node:path";

import { type Browser, chromium } from "playwright-core";

import { isDebianRoot, unpackMissing } from "./debian.ts";
import { labPath } from "./folder.ts";

/** Where distributions and installers put it. */
const INSTALLED = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const FOLDER = labPath("chromium");

/** A browser's program, and what it needs in its environment on top of ours. */
interface Program {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts a browser without a window. The first time on a machine, it is downloaded, in half a minute. */
export async function launchChromium(): Promise<Browser> {
  const { path, environment } = await provideChromium();
  return chromium.launch({
    executablePath: path,
    env: { ...process.env, ...environment },
    args: [
      // Root has no sandbox, nor has most of CI. It visits our own pages only.
      "--no-sandbox",
      "--disable-gpu",
    ],
  });
}

/** @throws Error that says what to install */
async function provideChromium(): Promise<Program> {
  const installed = INSTALLED.find((path) => existsSync(path));
  if (installed !== undefined) return { path: installed, environment: {} };
  if (!existsSync(FOLDER)) {
    if (!isDebianRoot()) {
      throw new Error(
        `there is no Chromium or Chrome here; install one of ${INSTALLED.join(", ")}`,
      );
    }
    const unpacked = `${FOLDER}.new`;
    rmSync(unpacked, { recursive: true, force: true });
    await unpackMissing(["chromium"], unpacked);
    renameSync(unpacked, FOLDER);
  }
  // PulseAudio has a folder of its own for what its library needs.
  const libraries = globSync(`${FOLDER}/usr/lib/*-linux-gnu{,/pulseaudio}`);
  return {
    path: `${FOLDER}/usr/lib/chromium/chromium`,
    environment: {
      LD_LIBRARY_PATH: libraries.join(delimiter),
      ...(existsSync(`${FOLDER}/etc/fonts`) && { FONTCONFIG_SYSROOT: FOLDER }),
    },
  };
}
