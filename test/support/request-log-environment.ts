import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

import { pythonEnvironment } from "../../components/provider/host/python-environment.ts";
import { REQUEST_LOG_REQUIREMENTS_FILE } from "../../stacks/plan/request-log-files.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { operationContext } from "./operation-context.ts";

const LOCKS = ["components/provider/litellm/requirements.lock", REQUEST_LOG_REQUIREMENTS_FILE];

/**
 * The interpreter of an environment with the locked LiteLLM and what the request log needs, which later
 * runs of the tests use again.
 */
export async function provideRequestLogEnvironment(): Promise<string> {
  const { context } = operationContext();
  const path = resolve(".toolchain/request-log-environment");
  const requirements = LOCKS.map((lock) => readFileSync(lock, "utf8")).join("\n");
  const requirementsFile = `${path}.lock`;
  writeFileSync(requirementsFile, requirements);
  const requirementsSha256 = sha256(requirements);
  const inputs = pythonEnvironment.inputs.parse({ path, requirementsFile, requirementsSha256 });
  const state = { inputs, outputs: inputs };
  const found = (await pythonEnvironment.read(context, path, state))?.outputs;
  const outputs =
    found?.installedSha256 === requirementsSha256
      ? found
      : (await pythonEnvironment.create(context, inputs)).outputs;
  return outputs.python;
}
