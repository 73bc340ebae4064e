import { spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

import { ensureToolchain } from "../../tools/toolchain.ts";

/** One resource of a stack's state. */
interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** One step of a preview that changes something. */
interface Step {
  readonly name: string;
  readonly op: string;
  /** The properties that differ. */
  readonly changed: readonly string[];
}

/** A stack of one program under test, with a state backend of its own. */
export interface TestStack {
  /** Sets what the program finds in its environment variable CONFORMANCE. */
  configure(programArguments: object): void;
  /** Deploys, without a preview before. */
  up(): Promise<void>;
  preview(...flags: string[]): Promise<Step[]>;
  /** Runs any command on the stack. */
  run(...commandArguments: string[]): Promise<CommandResult>;
  outputs(): Promise<Record<string, unknown>>;
  /** A resource of the state by its name in the program. */
  resource(name: string): Promise<ResourceState>;
  resources(): Promise<ResourceState[]>;
  /** The state as it lies on disk, secrets encrypted. */
  stateFile(): string;
  /** Destroys what is deployed and removes all traces. */
  close(): Promise<void>;
}

interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly output: string;
}

const NAME = "test";

/** Makes a stack of a program of `programs/`. */
export async function openStack(program: "docker" | "random" | "postgresql"): Promise<TestStack> {
  const { pulumi, environment } = await ensureToolchain();
  const folder = mkdtempSync(join(tmpdir(), `conformance ${program} `));
  const backend = join(folder, "backend");
  mkdirSync(backend);
  cpSync(join(import.meta.dirname, "programs", `${program}.ts`), join(folder, "program.ts"));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const runtime = { name: "nodejs", options: { typescript: false } };
  writeFileSync(join(folder, "Pulumi.yaml"), JSON.stringify({ name: program, runtime }));
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "main": "program.ts" }');

  let programArguments: object = {};
  const run = (...commandArguments: string[]): Promise<CommandResult> =>
    new Promise((settle, reject) => {
      const child = spawn(pulumi, [...commandArguments, "--non-interactive"], {
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          ...environment,
          PULUMI_BACKEND_URL: `file://${backend}`,
          PULUMI_CONFIG_PASSPHRASE: "conformance",
          CONFORMANCE: JSON.stringify(programArguments),
        },
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      child.once("error", reject);
      child.once("close", (code) => {
        settle({ code, stdout, output: stdout + stderr });
      });
    });
  const succeed = async (...commandArguments: string[]): Promise<string> => {
    const { code, stdout, output } = await run(...commandArguments);
    if (code !== 0) {
      throw new Error(`pulumi ${commandArguments.join(" ")} failed:\n${output}`);
    }
    return stdout;
  };
  const resources = async (): Promise<ResourceState[]> => {
    const exported = JSON.parse(await succeed("stack", "export", "--show-secrets")) as {
      deployment: { resources?: ResourceState[] };
    };
    return exported.deployment.resources ?? [];
  };
  await succeed("stack", "init", NAME);

  return {
    configure(changed) {
      programArguments = changed;
    },
    async up() {
      await succeed("up", "--yes", "--skip-preview", "--stack", NAME);
    },
    async preview(...flags) {
      return parseSteps(await succeed("preview", "--json", "--diff", "--stack", NAME, ...flags));
    },
    run,
    async outputs() {
      const text = await succeed("stack", "output", "--json", "--show-secrets");
      return JSON.parse(text) as Record<string, unknown>;
    },
    resources,
    async resource(name) {
      const found = (await resources()).find(({ urn }) => urn.endsWith(`::${name}`));
      if (found === undefined) {
        throw new Error(`the state has no resource ${name}`);
      }
      return found;
    },
    stateFile: () => readFileSync(join(backend, ".pulumi/stacks", program, `${NAME}.json`), "utf8"),
    async close() {
      await succeed("destroy", "--yes", "--skip-preview", "--stack", NAME);
      rmSync(folder, { recursive: true });
    },
  };
}

function parseSteps(text: string): Step[] {
  const { steps } = JSON.parse(text) as {
    steps: { op: string; urn: string; detailedDiff?: Record<string, unknown> | null }[];
  };
  return steps
    .filter(({ op }) => op !== "same" && op !== "refresh")
    .map(({ op, urn, detailedDiff }) => ({
      name: basename(urn.replaceAll("::", "/")),
      op,
      changed: Object.keys(detailedDiff ?? {}).sort(),
    }));
}
