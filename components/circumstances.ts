import { readFileSync } from "node:fs";

import { RunError } from "@pulumi/pulumi/errors.js";

import { REQUIREMENTS_FILE } from "../stacks/local-plan.ts";
import type { Circumstances } from "../stacks/plan.ts";
import type { Settings } from "../stacks/settings.ts";
import { listRequiredFiles } from "../stacks/single-host-plan.ts";
import { readAbsentTarget } from "./absent-target.ts";
import { chooseServerUser } from "./provider/host/operating-system-user.ts";
import { sha256 } from "../stacks/sha256.ts";

/** What the plan needs to know of the machine that is deployed to: this one, or what is recorded of it. */
export function observeCircumstances(stack: string, settings: Settings): Circumstances {
  const { platform, serverUser } = readAbsentTarget() ?? {};
  return {
    stack,
    requirementsSha256: sha256(readFileSync(REQUIREMENTS_FILE, "utf8")),
    platform: platform ?? `${process.platform}-${process.arch}`,
    serverUser:
      serverUser === undefined
        ? chooseServerUser(`.stacks/${stack}/postgresql/data`)
        : (serverUser ?? undefined),
    files: Object.fromEntries(listRequiredFiles(settings).map((path) => [path, readText(path)])),
  };
}

/** @throws RunError when the user's file cannot be read */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError(
      `database.certificateAuthorityFile cannot be read: ${reason}\n  pulumi config set --path database.certificateAuthorityFile <file>`,
    );
  }
}
