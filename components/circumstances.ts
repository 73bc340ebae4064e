import { readFileSync } from "node:fs";

import { type Circumstances, REQUIREMENTS_FILE } from "../stacks/plan.ts";
import { chooseServerUser } from "./provider/host/operating-system-user.ts";
import { sha256 } from "./sha256.ts";

/** What the plan needs to know of this machine. */
export function observeCircumstances(stack: string): Circumstances {
  return {
    stack,
    requirementsSha256: sha256(readFileSync(REQUIREMENTS_FILE, "utf8")),
    platform: `${process.platform}-${process.arch}`,
    serverUser: chooseServerUser(`.stacks/${stack}/postgresql/data`),
  };
}
