import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Environment variables, by name. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Says where Pulumi keeps its state and what it encrypts secrets with: whatever the
 * user has set or is logged in to; else the folder `.stacks/backend` of this checkout
 * and a passphrase generated once into `.stacks/passphrase`.
 *
 * @returns what to add to the environment
 * @throws Error when there are stacks but the passphrase that opens them is gone
 */
export function ensureStateBackend(
  environment: Environment,
  checkout: string = resolve(import.meta.dirname, ".."),
): Record<string, string> {
  const stacks = join(checkout, ".stacks");
  const backend = join(stacks, "backend");
  // Pulumi decodes a path that needs it, and leaves a space alone.
  const url = `file://${backend.replaceAll(/[%#?]/g, encodeURIComponent)}`;
  const chosen = isSet(environment["PULUMI_BACKEND_URL"])
    ? environment["PULUMI_BACKEND_URL"]
    : readLogin(environment);
  if (chosen !== undefined && chosen !== url) {
    return {};
  }
  // The folder above holds data of servers that may run as other users.
  mkdirSync(stacks, { recursive: true });
  mkdirSync(backend, { recursive: true, mode: 0o700 });
  const hasPassphrase =
    environment["PULUMI_CONFIG_PASSPHRASE"] !== undefined ||
    isSet(environment["PULUMI_CONFIG_PASSPHRASE_FILE"]);
  return {
    PULUMI_BACKEND_URL: url,
    ...(!hasPassphrase && {
      PULUMI_CONFIG_PASSPHRASE_FILE: ensurePassphrase(join(stacks, "passphrase"), backend),
    }),
  };
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

/** The backend that `pulumi login` chose. */
function readLogin(environment: Environment): string | undefined {
  const folder = [environment["PULUMI_CREDENTIALS_PATH"], environment["PULUMI_HOME"]].find(isSet);
  const file = join(folder ?? join(homedir(), ".pulumi"), "credentials.json");
  if (!existsSync(file)) {
    return undefined;
  }
  const { current } = JSON.parse(readFileSync(file, "utf8")) as { current?: string };
  return isSet(current) ? current : undefined;
}

function ensurePassphrase(file: string, backend: string): string {
  if (existsSync(file)) {
    return file;
  }
  const stack = findStack(backend);
  if (stack !== undefined) {
    throw new Error(
      `${file} is missing, the passphrase of the stacks in ${backend} (${stack} …); put it back, or give it in PULUMI_CONFIG_PASSPHRASE. Without it their secrets are lost: if nothing of them runs any more, start anew: rm -r ${quote(dirname(backend))}`,
    );
  }
  const unique = `${file}.${process.pid}`;
  writeFileSync(unique, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  try {
    // Unlike a rename it leaves the file alone that another process made meanwhile.
    linkSync(unique, file);
  } catch (error) {
    if (!existsSync(file)) {
      throw error;
    }
  } finally {
    rmSync(unique);
  }
  return file;
}

/** A stack of a file backend, if it has any: PROJECT/STACK. */
function findStack(backend: string): string | undefined {
  const folder = join(backend, ".pulumi", "stacks");
  if (!existsSync(folder)) {
    return undefined;
  }
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .find((path) => /\.json(\.gz)?$/.test(path))
    ?.replace(/\.json(\.gz)?$/, "");
}

function quote(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
