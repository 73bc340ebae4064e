import { z } from "zod";

import type { Connection } from "./connection.ts";

/** Schema of the absolute path of a file or folder on a machine. */
export const machinePath = z
  .string()
  .regex(
    /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0\n]+)+$/,
    'must be an absolute path without "..", such as "/etc/litellm/litellm.env"',
  )
  .meta({ description: "Absolute." });

/** Schema of the name of a user or group of a machine. */
export const accountName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be the name of a user or group, such as "litellm"');

/** What a resource of this process has made under names that another resource may have had. */
export class Made {
  readonly #names = new Set<string>();

  add(connection: Connection, name: string): void {
    this.#names.add(identify(connection, name));
  }

  /**
   * Whether it was made by this deployment: Pulumi deletes what was replaced or renamed last, when
   * the same name is in use again.
   */
  has(connection: Connection, name: string): boolean {
    return this.#names.has(identify(connection, name));
  }
}

function identify({ host, port }: Connection, name: string): string {
  return JSON.stringify([host, port, name]);
}
