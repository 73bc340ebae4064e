import type { Circumstances } from "../stacks/plan.ts";
import { chooseServerUser } from "./provider/operating-system-user.ts";

/** What the plan needs to know of this machine. */
export function observeCircumstances(stack: string): Circumstances {
  return {
    stack,
    platform: `${process.platform}-${process.arch}`,
    serverUser: chooseServerUser(`.stacks/${stack}/postgresql/data`),
  };
}
