import { createHash } from "node:crypto";

/** Hexadecimal SHA-256 of a text: what a process that has read it is restarted on. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
