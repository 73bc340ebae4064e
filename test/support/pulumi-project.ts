import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { stringify } from "yaml";

import { ensureToolchain } from "../../tools/toolchain.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");

export interface PulumiProjectOptions {
  /**
   * What of the checkout the project sees, as links: place in the project → place in
   * the checkout. `node_modules` is always there.
   */
  readonly links: Readonly<Record<string, string>>;
  /** Program to run, a path in the project; left out when `Pulumi.yaml` is among the links. */
  readonly main?: string;
  readonly stack?: string;
  readonly passphrase?: string;
  /** Variables for the CLI and all it starts, on top of the toolchain's. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  /** Standard output and standard error in the order they came. */
  readonly output: string;
}

/** One resource in `pulumi preview --json`. */
export interface PreviewStep {
  readonly op: string;
  readonly urn: string;
  readonly detailedDiff: Readonly<Record<string, { kind: string; inputDiff: boolean }>> | null;
}

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly initErrors?: readonly string[];
}

/** A Pulumi project of its own in a temporary folder, with its own state, driven by the real CLI. */
export class PulumiProject {
  /** Its path has spaces, as the path of a user's checkout may. */
  readonly folder: string;
  readonly stack: string;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly #pulumi: string;
  readonly #root: string;

  private constructor(root: string, pulumi: string, stack: string, environment: NodeJS.ProcessEnv) {
    this.#root = root;
    this.#pulumi = pulumi;
    this.folder = join(root, "project");
    this.stack = stack;
    this.environment = environment;
  }

  /** Makes the project and its stack. */
  static async create(options: PulumiProjectOptions): Promise<PulumiProject> {
    const toolchain = await ensureToolchain();
    const root = mkdtempSync(join(tmpdir(), "pulumi project "));
    const backend = join(root, "backend");
    mkdirSync(backend);
    const project = new PulumiProject(root, toolchain.pulumi, options.stack ?? "test", {
      ...process.env,
      ...toolchain.environment,
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE: options.passphrase ?? "passphrase of a test",
      ...options.environment,
    });
    try {
      project.#link({ node_modules: "node_modules", ...options.links });
      if (options.main !== undefined) {
        project.#writeManifests(options.main);
      }
      await project.succeed("stack", "init");
      return project;
    } catch (error) {
      project.remove();
      throw error;
    }
  }

  #link(links: Readonly<Record<string, string>>): void {
    for (const [place, target] of Object.entries(links)) {
      const link = join(this.folder, place);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(CHECKOUT, target), link);
    }
  }

  #writeManifests(main: string): void {
    const project = {
      name: "test",
      main,
      runtime: { name: "nodejs", options: { packagemanager: "npm", typescript: false } },
      plugins: {
        providers: [{ name: "litellm", path: join(CHECKOUT, "components/provider") }],
      },
    };
    writeFileSync(join(this.folder, "Pulumi.yaml"), stringify(project));
    writeFileSync(join(this.folder, "package.json"), JSON.stringify({ type: "module" }));
  }

  /** Starts the CLI, for tests that interfere while it runs; `finished` never rejects for its exit code. */
  launch(...arguments_: string[]) {
    const child = spawn(
      this.#pulumi,
      [...arguments_, "--stack", this.stack, "--non-interactive", "--color", "never"],
      { cwd: this.folder, env: this.environment, stdio: ["pipe", "pipe", "pipe"] },
    );
    let stdout = "";
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
      output += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    const finished = new Promise<CommandResult>((succeed, fail) => {
      child.once("error", fail);
      child.once("close", (code) => {
        succeed({ exitCode: code ?? -1, stdout, output });
      });
    });
    return { child, finished };
  }

  /** Runs a CLI command, whatever comes of it. */
  run(...arguments_: string[]): Promise<CommandResult> {
    const { child, finished } = this.launch(...arguments_);
    child.stdin.end();
    return finished;
  }

  /** Runs a CLI command that must succeed. */
  succeed(...arguments_: string[]): Promise<CommandResult> {
    return expectSuccess(arguments_, this.run(...arguments_));
  }

  /** By way of standard input: a value on the command line is for all to see. */
  async setConfig(
    key: string,
    value: string,
    options: { secret?: boolean; isPath?: boolean } = {},
  ): Promise<void> {
    const kind = options.secret === true ? "--secret" : "--plaintext";
    const path = options.isPath === true ? ["--path"] : [];
    const { child, finished } = this.launch("config", "set", kind, "--raw", ...path, key);
    child.stdin.end(value);
    await expectSuccess(["config", "set", key], finished);
  }

  up(...arguments_: string[]): Promise<CommandResult> {
    return this.succeed("up", "--yes", "--skip-preview", ...arguments_);
  }

  refresh(...arguments_: string[]): Promise<CommandResult> {
    return this.succeed("refresh", "--yes", "--skip-preview", ...arguments_);
  }

  destroy(...arguments_: string[]): Promise<CommandResult> {
    return this.succeed("destroy", "--yes", "--skip-preview", ...arguments_);
  }

  /** The preview as people see it, every change in full. */
  async previewText(...arguments_: string[]): Promise<string> {
    return (await this.succeed("preview", "--diff", ...arguments_)).output;
  }

  /** What would change: the steps of a preview but those that leave a resource as it is. */
  async preview(...arguments_: string[]): Promise<PreviewStep[]> {
    const { stdout } = await this.succeed("preview", "--json", ...arguments_);
    const { steps } = JSON.parse(stdout) as { steps: PreviewStep[] };
    return steps.filter(({ op }) => op !== "same" && op !== "refresh");
  }

  /** Resources in the state, secrets encrypted. */
  async exportState(): Promise<StateResource[]> {
    const { stdout } = await this.succeed("stack", "export");
    const { deployment } = JSON.parse(stdout) as {
      deployment: { resources?: StateResource[] };
    };
    return deployment.resources ?? [];
  }

  /** Outputs of the stack, secrets in clear. */
  async readOutputs(): Promise<Record<string, unknown>> {
    const { stdout } = await this.succeed("stack", "output", "--json", "--show-secrets");
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Deletes the project's folder and state; what is deployed must be destroyed before. */
  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

async function expectSuccess(
  arguments_: readonly string[],
  finished: Promise<CommandResult>,
): Promise<CommandResult> {
  const result = await finished;
  if (result.exitCode !== 0) {
    throw new Error(
      `pulumi ${arguments_.join(" ")} ended with exit code ${result.exitCode}:\n${result.output}`,
    );
  }
  return result;
}

/** The last part of a URN: the name of the resource. */
export function nameOf({ urn }: { readonly urn: string }): string {
  return urn.split("::").at(-1) ?? urn;
}
