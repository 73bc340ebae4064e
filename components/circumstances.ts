import { readFileSync } from "node:fs";

import { RunError } from "@pulumi/pulumi/errors.js";

import { REQUIREMENTS_FILE } from "../stacks/plan/local-plan.ts";
import type { Circumstances, RecordedGenerations } from "../stacks/plan/plan.ts";
import { listRequiredFiles, type RequiredFile } from "../stacks/plan/project-files.ts";
import type { Settings } from "../stacks/settings/settings.ts";
import { sha256 } from "../stacks/sha256.ts";
import { readAbsentTarget } from "./absent-target.ts";
import { chooseServerUser } from "./provider/host/operating-system-user.ts";

export interface KnownCircumstances {
  /** Default: none is known. */
  readonly fingerprints?: Circumstances["fingerprints"];
  /** Default: there was never any. */
  readonly generations?: RecordedGenerations;
}

/** What the plan needs to know of the machine that is deployed to: this one, or what is recorded of it. */
export function observeCircumstances(
  stack: string,
  settings: Settings,
  { fingerprints = {}, generations = { serving: undefined, broken: [] } }: KnownCircumstances = {},
): Circumstances {
  const { platform, serverUser } = readAbsentTarget() ?? {};
  return {
    stack,
    requirementsSha256: sha256(readFileSync(REQUIREMENTS_FILE, "utf8")),
    platform: platform ?? `${process.platform}-${process.arch}`,
    serverUser:
      serverUser === undefined
        ? chooseServerUser(`.stacks/${stack}/postgresql/data`)
        : (serverUser ?? undefined),
    files: Object.fromEntries(
      listRequiredFiles(settings).map((file) => [file.path, readText(file)]),
    ),
    fingerprints,
    generations,
  };
}

/** @throws RunError when the user's file cannot be read */
function readText({ path, setting }: RequiredFile): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (setting === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError(
      `${setting} cannot be read: ${reason}\n  pulumi config set --path ${setting} <file>`,
    );
  }
}
