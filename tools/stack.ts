import { spawn } from "node:child_process";

import { ensureStateBackend } from "./state-backend.ts";
import { ensureToolchain } from "./toolchain.ts";

/** Runs the Pulumi CLI of this checkout with its state backend. */
export interface Pulumi {
  /** Exit code of a command that shares our terminal. */
  run(...arguments_: string[]): Promise<number>;
  /** Standard output of a command; its errors go to our terminal. */
  read(...arguments_: string[]): Promise<string>;
}

/** The CLI, installed first where it is missing. */
export async function openPulumi(): Promise<Pulumi> {
  const toolchain = await ensureToolchain();
  const environment = { ...process.env, ...toolchain.environment };
  const env = { ...environment, ...ensureStateBackend(environment) };
  const launch = (arguments_: string[], stdout: "inherit" | "pipe") => {
    const child = spawn(toolchain.pulumi, arguments_, {
      env,
      stdio: ["inherit", stdout, "inherit"],
    });
    process.once("SIGTERM", () => child.kill("SIGTERM"));
    return child;
  };
  // The terminal sends Ctrl-C to Pulumi as well, which then ends what it is doing in good order.
  process.on("SIGINT", () => undefined);
  const ended = (child: ReturnType<typeof launch>): Promise<number> =>
    new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        resolve(code ?? 1);
      });
    });
  return {
    run: (...arguments_) => ended(launch(arguments_, "inherit")),
    async read(...arguments_) {
      const child = launch(arguments_, "pipe");
      const chunks: Buffer[] = [];
      child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
      const code = await ended(child);
      if (code !== 0) {
        throw new Error(`pulumi ${arguments_.join(" ")} ended with exit code ${code}`);
      }
      return Buffer.concat(chunks).toString("utf8");
    },
  };
}

/** The stack that a script works on: its first argument, else `dev`. */
export function chooseStack(arguments_: readonly string[]): string {
  return arguments_[0] ?? "dev";
}

/** Makes a stack the one that commands are about; a new one where there is none. @throws Error where that fails */
export async function selectStack(pulumi: Pulumi, stack: string): Promise<void> {
  if ((await pulumi.run("stack", "select", "--create", stack)) !== 0) {
    throw new Error(`stack ${stack} cannot be used; see above, then: npm run pulumi -- stack ls`);
  }
}
