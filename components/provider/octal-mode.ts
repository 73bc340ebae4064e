import { z } from "zod";

/**
 * Schema of the permissions of a file or folder, octal text such as `0640`.
 *
 * @param example for the message on what is none
 */
export function octalMode(defaultMode: string, example: string) {
  return z
    .string()
    .regex(/^0[0-7]{3}$/, `must be an octal mode such as "${example}"`)
    .default(defaultMode)
    .meta({ description: "Permissions, octal." });
}

/** `0o640` → `0640`. */
export function formatMode(mode: number): string {
  return `0${mode.toString(8).padStart(3, "0")}`;
}
