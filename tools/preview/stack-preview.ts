import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Redactor } from "../../components/provider/server/redaction.ts";
import type { PreviewDigest } from "./preview-digest.ts";
import { describeTarget, listSecrets, type StateExport } from "./state-export.ts";
import { reportFailure, reportPreview, type StackReport } from "./stack-report.ts";

export interface StackPreview {
  readonly report: StackReport;
  /** What `pulumi preview --diff` prints, without colours. */
  readonly text: string;
}

export interface PreviewOptions {
  readonly stack: string;
  /** `Pulumi.<stack>.yaml`; it is not written to. */
  readonly settingsFile: string;
  /** Absolute path of the Pulumi CLI. */
  readonly pulumi: string;
  /** With state backend and passphrase, where there are any. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Exit code of the CLI, "part of the contract". Source: pkg/v3/cmd/pulumi/cmd/exit_codes.go. */
const STACK_NOT_FOUND = 6;

/**
 * Compares a stack's program with its recorded state, looks at nothing that is deployed, and leaves
 * nothing behind. A stack that the backend does not know gets one of its own for as long as it
 * takes: everything is new.
 */
export async function previewStack(options: PreviewOptions): Promise<StackPreview> {
  const { stack, pulumi } = options;
  const scratch = mkdtempSync(join(tmpdir(), "litellm-gateway-preview-"));
  // Pulumi completes the file with what its secrets need: here, a copy.
  const settingsFile = join(scratch, `Pulumi.${stack}.yaml`);
  const settings = ["--config-file", settingsFile];
  const environment = { ...options.environment };
  const run = (...arguments_: string[]): Promise<CommandResult> =>
    runCommand(pulumi, [...arguments_, "--stack", stack, ...UNATTENDED], environment);
  const redactor = new Redactor();
  const learn = (secrets: readonly unknown[]): void => {
    for (const secret of secrets) {
      redactor.learn(secret);
    }
  };
  let isDeployed = true;
  try {
    copyFileSync(options.settingsFile, settingsFile);
    const exported = await run("stack", "export", "--show-secrets");
    isDeployed = exported.exitCode !== STACK_NOT_FOUND;
    if (isDeployed) {
      const state = JSON.parse(expectSuccess(exported)) as StateExport;
      learn(listSecrets(state));
      Object.assign(environment, describeTarget(state));
    } else {
      Object.assign(environment, describeTarget({}), makeBackend(scratch, environment));
      const init = ["stack", "init", stack, "--no-select", "--cwd", scratch, ...UNATTENDED];
      expectSuccess(await runCommand(pulumi, init, environment));
    }
    const config = expectSuccess(await run("config", "--json", "--show-secrets", ...settings));
    learn(listSecretSettings(config));

    // Twice, because the CLI prints either what a program reads or what a person does.
    const preview = ["preview", "--refresh=false", ...settings];
    const previewed = await run(...preview, "--json");
    if (!previewed.stdout.startsWith("{")) {
      throw new Error(explain(previewed));
    }
    const digest = JSON.parse(previewed.stdout, (_key, value: unknown) =>
      typeof value === "string" ? redactor.redact(value) : value,
    ) as PreviewDigest;
    const shown = await run(...preview, "--diff");
    return {
      report: reportPreview(stack, { isDeployed, exitCode: previewed.exitCode }, digest),
      text: redactor.redact(shown.stdout + shown.stderr),
    };
  } catch (error) {
    const message = redactor.redact(error instanceof Error ? error.message : String(error));
    return { report: reportFailure(stack, isDeployed, message), text: message };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const UNATTENDED = ["--non-interactive", "--color", "never"];

interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runCommand(
  program: string,
  arguments_: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<CommandResult> {
  const child = spawn(program, arguments_, { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => (output[stream] += text));
  }
  return new Promise((succeed, fail) => {
    child.once("error", fail);
    child.once("close", (code) => {
      succeed({ exitCode: code ?? 1, ...output });
    });
  });
}

function expectSuccess(result: CommandResult): string {
  if (result.exitCode !== 0) {
    throw new Error(explain(result));
  }
  return result.stdout;
}

/** A backend for a stack that was never deployed, in a folder that is deleted afterwards. */
function makeBackend(scratch: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const backend = join(scratch, "backend");
  mkdirSync(backend);
  // The settings alone decide how secrets are encrypted; of the project only its name is needed.
  writeFileSync(join(scratch, "Pulumi.yaml"), "name: litellm-gateway\nruntime: nodejs\n");
  const hasPassphrase =
    environment["PULUMI_CONFIG_PASSPHRASE"] !== undefined ||
    environment["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined;
  return {
    PULUMI_BACKEND_URL: `file://${backend}`,
    ...(!hasPassphrase && { PULUMI_CONFIG_PASSPHRASE: randomBytes(32).toString("base64url") }),
  };
}

/** Values that were set with `--secret`. */
function listSecretSettings(json: string): unknown[] {
  const settings = JSON.parse(json) as Record<
    string,
    { value?: unknown; objectValue?: unknown; secret: boolean }
  >;
  return Object.values(settings).flatMap(({ value, objectValue, secret }) =>
    secret ? [objectValue ?? value] : [],
  );
}

/** Adds what to do to the errors that a CI server is most likely to see. */
function explain({ exitCode, stderr }: CommandResult): string {
  const message =
    stderr.replace(/^error: /, "").trim() || `pulumi ended with exit code ${exitCode}`;
  const [, advice] = ADVICE.find(([pattern]) => pattern.test(message)) ?? [];
  return advice === undefined ? message : `${message}\n${advice}`;
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /passphrase must be set|incorrect passphrase/,
    "give the passphrase that the stack was made with, on GitHub: gh secret set PULUMI_CONFIG_PASSPHRASE, elsewhere: export PULUMI_CONFIG_PASSPHRASE_FILE=<file>",
  ],
  [
    /PULUMI_ACCESS_TOKEN|pulumi login|not logged in/,
    "log in to the state backend, on GitHub: gh secret set PULUMI_ACCESS_TOKEN, elsewhere: export PULUMI_ACCESS_TOKEN=<token>",
  ],
];
