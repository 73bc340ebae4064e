/**
 * `npm run adopt [-- [stack] [--yes]]`: brings who has access to a stack's gateway under the code, default:
 * stack `dev`. It writes into the stack's settings what they do not have yet, and runs `pulumi up`, which
 * imports it: nothing in the gateway changes, and the next preview shows no change.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";

import { closeSessions } from "../components/provider/ssh/session.ts";
import { type Adoption, planAdoption } from "./access/adoption.ts";
import { openContext, targetStack } from "./access/gateway-target.ts";
import { observeAccess } from "./access/observed-access.ts";
import { failPlainly } from "./plain-error.ts";
import { readProjectName, readStackConfig, shortenStackName } from "./stack-settings.ts";
import { parseCommand } from "./operations/arguments.ts";
import { abortOnInterrupt } from "./operations/machines-stack.ts";
import { describeTextDifference } from "./preview/text-difference.ts";
import { chooseStack, openPulumi, type Pulumi, selectStack } from "./stack.ts";

const { positionals, values: options } = parseCommand(
  "npm run adopt [-- [stack] [--yes]]",
  { yes: { type: "boolean", default: false } },
  1,
);
const stack = chooseStack(positionals);
const settingsFile = `Pulumi.${shortenStackName(stack)}.yaml`;
if (!existsSync(settingsFile)) {
  throw new Error(
    `there is no ${settingsFile}; make the stack, and say which gateway: npm run pulumi -- stack init ${stack}`,
  );
}
const pulumi = await openPulumi();
await selectStack(pulumi, stack);
const text = readFileSync(settingsFile, "utf8");
const adoption = await failPlainly(plan);
const { file, imports, adopts, notes } = adoption;
for (const note of notes) console.log(`note: ${note}`);
if (Object.keys(imports).length + adopts.length === 0) {
  console.log(`all that stack ${stack} can manage in its gateway is under the code`);
} else {
  console.log(describeAdoption(adoption));
  if (!options.yes) await confirm();
  writeFileSync(settingsFile, file.text);
  process.exitCode = await bringIn();
}

async function plan(): Promise<Adoption> {
  try {
    const target = await targetStack(pulumi, stack);
    const observed = await observeAccess(openContext(target, abortOnInterrupt()));
    return planAdoption(observed, {
      project: readProjectName(),
      stack: shortenStackName(stack),
      text,
      config: await readStackConfig(pulumi, stack),
      managed: await listResources(pulumi),
    });
  } finally {
    await closeSessions();
  }
}

/** Names of the resources in the stack's state. */
async function listResources(cli: Pulumi): Promise<ReadonlySet<string>> {
  const state = JSON.parse(await cli.read("stack", "export", "--stack", stack)) as {
    deployment: { resources?: readonly { readonly urn: string }[] } | null;
  };
  const resources = state.deployment?.resources ?? [];
  return new Set(resources.map(({ urn }) => urn.split("::").slice(3).join("::")));
}

function describeAdoption({ file: merged, imports: ids, adopts: names }: Adoption): string {
  return [
    ...(merged.text === text
      ? []
      : [`${settingsFile}:`, describeTextDifference(text, merged.text)]),
    `imported, unchanged: ${Object.keys(ids).length}`,
    ...(names.length === 0
      ? []
      : [`taken over, and made what the settings say: ${names.length} (${names.join(", ")})`]),
  ].join("\n");
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new Error(
      `there is no terminal to ask at; when this is right: npm run adopt -- ${stack} --yes`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(
    `write ${settingsFile}, and deploy stack ${stack}? [y/N] `,
  );
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Error("nothing was changed");
}

/** @returns the exit code of `pulumi up` */
async function bringIn(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "litellm-gateway-adopt-"));
  const importsFile = join(folder, "imports.json");
  try {
    writeFileSync(importsFile, JSON.stringify({ imports, adopts }));
    process.env["LITELLM_ACCESS_IMPORTS"] = importsFile;
    const cli = await openPulumi();
    const code = await cli.run("up", "--stack", stack, ...(options.yes ? ["--yes"] : []));
    console.log(
      code === 0
        ? `the settings are the whole truth now: npm run pulumi -- preview --stack ${stack}`
        : `${settingsFile} is written, and not deployed: see above, mend it, and run this again`,
    );
    return code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
