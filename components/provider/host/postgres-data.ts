import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Major version of the cluster in a data directory, or undefined when there is none. */
export async function readMajorVersion(dataDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(dataDirectory, "PG_VERSION"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

/** What to say of a data directory that another major version made. */
export function describeOtherVersion(dataDirectory: string, found: number, wanted: number): string {
  return (
    `${dataDirectory} holds data of PostgreSQL ${found}, and this deployment runs PostgreSQL ${wanted}; ` +
    `dump it with PostgreSQL ${found}, or set it aside: mv '${dataDirectory}' '${dataDirectory}.${found}'`
  );
}
