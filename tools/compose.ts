/**
 * `npm run compose [-- --stack NAME] [--output FOLDER]`: writes what `up` would run as a project for
 * `docker compose`, for Docker hosts without Pulumi: docker-compose.yaml, the files that it mounts, and
 * .env with the secrets. Default: stack `dev`, folder `compose/<stack>`.
 *
 * Secrets are those of the stack: set by the user, or generated when it was deployed. Those of a stack
 * that was never deployed are generated here once; a second run keeps them.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { observeCircumstances } from "../components/circumstances.ts";
import { readProjectFile } from "../components/project-file.ts";
import { planDeployment, type SingleHostPlan } from "../stacks/plan/plan.ts";
import { parseSettings } from "../stacks/settings/settings.ts";
import { selectSecrets } from "../stacks/settings/stored-config.ts";
import { renderComposeProject } from "../templates/docker-compose.ts";
import { readSecrets, writeProject } from "./compose/project-folder.ts";
import { chooseSecrets } from "./compose/secret-values.ts";
import { failPlainly } from "./plain-error.ts";
import { readStackConfig, shortenStackName } from "./stack-settings.ts";
import { openPulumi, type Pulumi } from "./stack.ts";

const { values: options } = parseArgs({
  options: { stack: { type: "string", default: "dev" }, output: { type: "string" } },
});
/** A backend with organizations knows the stack by a longer name. */
const stack = shortenStackName(options.stack);
const folder = options.output ?? join("compose", stack);
if (!existsSync(`Pulumi.${stack}.yaml`)) {
  throw new Error(
    `there is no Pulumi.${stack}.yaml; make the stack: npm run pulumi -- stack init ${stack}`,
  );
}

const pulumi = await openPulumi();
const exitCode = await pulumi.run("stack", "select", "--create", options.stack);
if (exitCode !== 0) process.exit(exitCode);
const { plan, given } = await failPlainly(() => readStack(pulumi));
const { deployed, isRunning } = await readDeployed(pulumi);
const project = renderComposeProject(plan);
const values = chooseSecrets(project.secrets, plan, {
  given,
  deployed,
  previous: readSecrets(folder),
});
writeProject(folder, project.files, {
  values,
  comment: [
    `Secrets of stack ${stack}, by the names of its settings. databaseUrl holds databasePassword.`,
    'In a value, \\ stands before each \\ " and $.',
  ],
});
console.log(describeUse());

/** The plan, and the secrets that the user has set. */
async function readStack(
  cli: Pulumi,
): Promise<{ plan: SingleHostPlan; given: Record<string, string> }> {
  const raw = await readStackConfig(cli, options.stack);
  const settings = parseSettings(raw, readProjectFile);
  const planned = planDeployment(settings, observeCircumstances(stack, settings));
  if (planned.topology !== "single-host") {
    throw new Error(
      `stack ${stack} has topology "${planned.topology}", which ${planned.topology === "existing" ? "deploys no gateway" : "needs no Docker"}: there is nothing to compose; choose a stack with topology "single-host": npm run compose -- --stack prod`,
    );
  }
  return { plan: planned, given: selectSecrets(settings.secretNames, raw) };
}

async function readDeployed(
  cli: Pulumi,
): Promise<{ deployed: Record<string, string>; isRunning: boolean }> {
  const text = await cli.read(
    ...["stack", "output", "--json", "--show-secrets", "--stack", options.stack],
  );
  const { masterKey, uiPassword, recovery, topology } = JSON.parse(text) as {
    masterKey?: string;
    uiPassword?: string;
    recovery?: Record<string, string>;
    topology?: string;
  };
  return {
    deployed: {
      ...recovery,
      ...(masterKey !== undefined && { masterKey }),
      ...(uiPassword !== undefined && { uiPassword }),
    },
    isRunning: topology === "single-host",
  };
}

function describeUse(): string {
  const lines = [
    ["docker compose up --detach --wait", plan.proxyUrl],
    ["grep masterKey .env", "the master key"],
    ["docker compose down", "data stays"],
  ];
  return [
    `${folder} has docker-compose.yaml, the files it mounts, and the secrets in .env`,
    ...(isRunning
      ? [
          `stack ${stack} is deployed, and Docker gives each name once: on the same host, end it first: npm run down ${stack}`,
        ]
      : []),
    "",
    `cd ${/[^\w./-]/.test(folder) ? `'${folder.replaceAll("'", `'\\''`)}'` : folder}`,
    ...lines.map(([command = "", meaning = ""]) => `${command.padEnd(33)}  # ${meaning}`),
  ].join("\n");
}
