import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { parseEnvFile, renderEnvFile } from "../../templates/env-file.ts";

/** What every docker-compose.yaml of ours says of itself. */
const MARK = "npm run compose";

/**
 * The secrets that an earlier run has written into the folder; none in a new one.
 *
 * @throws Error when what is there is not ours to replace
 */
export function readSecrets(folder: string): Record<string, string> {
  const composeFile = join(folder, "docker-compose.yaml");
  if (existsSync(composeFile) && !readFileSync(composeFile, "utf8").includes(MARK)) {
    throw new Error(
      `${composeFile} was not written by \`${MARK}\` and stays as it is; choose another folder: ${MARK} -- --output <folder>`,
    );
  }
  const file = join(folder, ".env");
  if (!existsSync(file)) return {};
  try {
    return parseEnvFile(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}; mend that line, or choose another folder: ${MARK} -- --output <folder>`,
      { cause: error },
    );
  }
}

/** Writes the files, and the secrets into .env, which no other user can read and git never takes. */
export function writeProject(
  folder: string,
  files: Readonly<Record<string, string>>,
  secrets: {
    readonly values: Readonly<Record<string, string>>;
    readonly comment: readonly string[];
  },
): void {
  mkdirSync(folder, { recursive: true });
  ignoreSecrets(join(folder, ".gitignore"));
  write(join(folder, ".env"), renderEnvFile(secrets.values, secrets.comment), 0o600);
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    if (dirname(path) !== ".") {
      // A container's root without capabilities is anybody.
      mkdirSync(dirname(file), { recursive: true });
      chmodSync(dirname(file), 0o755);
    }
    write(file, text, 0o644);
  }
}

/** All at once: a container may be reading the file. */
function write(file: string, text: string, mode: number): void {
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, text, { mode: 0o600 });
  chmodSync(unfinished, mode);
  renameSync(unfinished, file);
}

function ignoreSecrets(file: string): void {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const lines = text.split(/\r?\n/);
  if (lines.includes(".env") || lines.includes("*")) return;
  writeFileSync(file, `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}.env\n`);
}
