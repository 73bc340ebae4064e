import { join, resolve } from "node:path";

/** All that the lab leaves on this machine, beside what is in the engine. Outside git. */
export const LAB_FOLDER = resolve(import.meta.dirname, "../../.lab");

export function labPath(...parts: string[]): string {
  return join(LAB_FOLDER, ...parts);
}
