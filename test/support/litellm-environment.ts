import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { pythonEnvironment } from "../../components/provider/host/python-environment.ts";
import { operationContext } from "./operation-context.ts";

const LOCK_FILE = "components/provider/litellm/requirements.lock";

export interface LitellmEnvironment {
  readonly python: string;
  readonly requirementsSha256: string;
}

/** The locked LiteLLM in an environment that later runs of the tests use again. */
export async function provideLitellmEnvironment(): Promise<LitellmEnvironment> {
  const { context } = operationContext();
  const requirementsSha256 = createHash("sha256").update(readFileSync(LOCK_FILE)).digest("hex");
  const inputs = pythonEnvironment.inputs.parse({
    path: resolve(".toolchain/test-environment"),
    requirementsFile: LOCK_FILE,
    requirementsSha256,
  });
  const state = { inputs, outputs: inputs };
  const found = (await pythonEnvironment.read(context, inputs.path, state))?.outputs;
  const outputs =
    found?.installedSha256 === requirementsSha256
      ? found
      : (await pythonEnvironment.create(context, inputs)).outputs;
  return { python: outputs.python, requirementsSha256 };
}
