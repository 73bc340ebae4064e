import { REQUIREMENTS_FILE } from "../../stacks/plan/local-plan.ts";
import type { Circumstances } from "../../stacks/plan/plan.ts";
import {
  ADMISSION_SCRIPT,
  MIGRATION_SCRIPT,
  START_SCRIPT,
} from "../../stacks/plan/proxy-containers-plan.ts";
import {
  listRequestLogFiles,
  REQUEST_LOG_REQUIREMENTS_FILE,
} from "../../stacks/plan/request-log-files.ts";

/** What a plan needs to know beside the settings, for a stack that was never deployed; files are stubs. */
export function imagineCircumstances(changes: Partial<Circumstances> = {}): Circumstances {
  const { files = {}, ...others } = changes;
  return {
    stack: "test",
    platform: "linux-x64",
    requirementsSha256: "0".repeat(64),
    serverUser: undefined,
    fingerprints: {},
    generations: { serving: undefined, broken: [] },
    ...others,
    files: {
      [START_SCRIPT]: "# start\n",
      [MIGRATION_SCRIPT]: "# migrate\n",
      [ADMISSION_SCRIPT]: "# admit\n",
      [REQUIREMENTS_FILE]: "litellm==0\n",
      [REQUEST_LOG_REQUIREMENTS_FILE]: "sqlalchemy==0\n",
      ...Object.fromEntries(
        [
          "templates/serve-litellm.py",
          "templates/reload-litellm.py",
          "templates/wait-for-database.py",
          ...listRequestLogFiles(),
        ].map((path) => [path, `# ${path}\n`]),
      ),
      ...files,
    },
  };
}
