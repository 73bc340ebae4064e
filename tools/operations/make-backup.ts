import type { Connection } from "../../components/provider/ssh/connection.ts";
import { openSession } from "../../components/provider/ssh/session.ts";
import type { ArchivedFile } from "./archive.ts";
import { type BackupSecrets, checkBackup, type Manifest, packBackup } from "./backup-content.ts";
import { nameBackup, removeOldBackups, writeBackup } from "./backup-files.ts";
import { openDump } from "./database-dump.ts";
import { decrypt, encrypt, type Key, type Lock } from "./encryption.ts";
import { type MachinesStack, requireDatabase } from "./machines-stack.ts";
import { streamScript } from "./stream.ts";

export interface BackupOptions {
  readonly stack: MachinesStack;
  readonly folder: string;
  /** How many of the stack's backups stay in the folder. */
  readonly keep: number;
  readonly lock: Lock;
  /** Reads the finished file back, where we have the key to it. */
  readonly key?: Key;
  /** Files of this machine that belong to it, such as the stack's settings. Default: none. */
  readonly files?: readonly ArchivedFile[];
  readonly signal: AbortSignal;
}

export interface MadeBackup {
  readonly file: string;
  /** Names of older ones that were deleted. */
  readonly removed: readonly string[];
  /** Undefined where nobody has the key to read it. */
  readonly manifest: Manifest | undefined;
}

/** All that exists of the arguments, as tar. The last one is how many bytes are too many. */
const ARCHIVE_FOLDERS = `
set -eu
cd /
for path; do
  shift
  path=\${path#/}
  for found in $path; do if [ -e "$found" ]; then set -- "$@" "$found"; fi; done
done
if [ $# -eq 0 ]; then exit 0; fi
exec tar --create --gzip --exclude='*.key' -- "$@"
`;
/** Settings are text: more is a folder of somebody else's. */
const LARGEST_CONFIGURATION = 64 * 1024 * 1024;

/** Dumps, archives, encrypts and checks; then deletes what is too old. */
export async function makeBackup(options: BackupOptions): Promise<MadeBackup> {
  const { stack, folder, keep, lock, key, files = [], signal } = options;
  const { operations, machines, versions, secrets } = stack;
  const { database, connection } = requireDatabase(stack);
  const [gatewayFiles, databaseFiles] = await Promise.all([
    archiveFolders(
      machines.gateway,
      [operations.gateway.configuration, "/etc/systemd/system/litellm-*"],
      signal,
    ),
    archiveFolders(connection, [`/etc/postgresql/${database.version}/${database.cluster}`], signal),
  ]);
  const created = new Date();
  const { name, role } = database;
  const dump = await openDump(connection, database, signal);
  const archive = packBackup({
    about: {
      created: created.toISOString(),
      stack: stack.name,
      versions,
      engine: operations.engine,
      database: { name, role },
    },
    secrets: listSecrets(secrets),
    files: [
      ...files,
      { name: "gateway.tar.gz", content: gatewayFiles },
      { name: "database.tar.gz", content: databaseFiles },
    ],
    dump,
  });
  const encrypted = await encrypt(archive, lock);
  const file = await writeBackup(folder, nameBackup(stack.name, created), encrypted);
  const manifest =
    key === undefined ? undefined : (await checkBackup(await decrypt(file, key))).manifest;
  const removed = await removeOldBackups(folder, stack.name, keep);
  await noteBackup(machines.gateway, operations.gateway.state, created, signal);
  return { file, removed, manifest };
}

function listSecrets({
  masterKey,
  uiPassword,
  recovery,
  staticKeys,
}: MachinesStack["secrets"]): BackupSecrets {
  return { settings: { ...recovery, masterKey, uiPassword }, staticKeys };
}

async function archiveFolders(
  connection: Connection,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of streamScript(connection, ARCHIVE_FOLDERS, {
    arguments: paths,
    signal,
  })) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LARGEST_CONFIGURATION) {
      throw new Error(
        `${paths.join(", ")} on ${connection.host} holds more than settings; see what: ssh ${connection.host} du -ah ${paths[0] ?? ""}`,
      );
    }
  }
  return Buffer.concat(chunks);
}

/** `npm run status` tells of it, from wherever it is run. */
async function noteBackup(
  connection: Connection,
  folder: string,
  created: Date,
  signal: AbortSignal,
): Promise<void> {
  const text = `${JSON.stringify({ created: created.toISOString() })}\n`;
  await openSession(connection, signal).run(
    'set -eu\n[ -d "$1" ] || exit 0\nfile=$(mktemp "$1/.last-backup.XXXXXX")\ncat > "$file"\nchmod 644 "$file"\nmv -f "$file" "$1/last-backup.json"',
    { arguments: [folder], input: text },
  );
}
