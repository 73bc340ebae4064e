import type { Session } from "./session.ts";

/** A processor that the pinned programs exist for, by Node's names. */
export type Architecture = "x64" | "arm64";

const KERNEL_NAMES: Readonly<Record<string, Architecture>> = { x86_64: "x64", aarch64: "arm64" };

/** @throws Error when there are no programs for the machine */
export async function readArchitecture(session: Session): Promise<Architecture> {
  const name = (await session.run("uname -sm")).trim();
  const architecture = KERNEL_NAMES[name.replace(/^Linux /, "")];
  if (architecture === undefined) {
    throw new Error(
      `the machine is ${name}, and LiteLLM's programs are for Linux on x86_64 or aarch64: take another machine; see: uname -sm`,
    );
  }
  return architecture;
}
