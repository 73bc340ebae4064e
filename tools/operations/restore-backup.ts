import type { Connection } from "../../components/provider/ssh/connection.ts";
import { openSession, type Session } from "../../components/provider/ssh/session.ts";
import { formatHost } from "../../stacks/hosts.ts";
import { type CheckedBackup, readDump } from "./backup-content.ts";
import { listUsed, restoreDump } from "./database-restore.ts";
import { decrypt, type Key } from "./encryption.ts";
import { type MachinesStack, requireDatabase } from "./machines-stack.ts";

export interface RestoreOptions {
  readonly stack: MachinesStack;
  readonly file: string;
  readonly key: Key;
  /** What the file was found to hold. */
  readonly backup: CheckedBackup;
  /** Whether keys, teams and logs that are there may be lost. */
  readonly replace: boolean;
  readonly signal: AbortSignal;
  /** Told what is done next. */
  readonly report: (step: string) => void;
}

const READY_SECONDS = 300;

/** Stops the gateway; what is not there needs no stopping. */
const STOP = `
set -eu
for unit; do
  if systemctl cat -- "$unit" >/dev/null 2>&1; then systemctl stop -- "$unit"; fi
done
`;
const START = `
set -eu
for unit; do
  if systemctl cat -- "$unit" >/dev/null 2>&1; then systemctl start -- "$unit"; fi
done
`;
/** Arguments: URL; seconds to wait. */
const AWAIT_READY = `
exec python3 -I - "$1" "$2" <<'PYTHON'
import sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
deadline = time.monotonic() + float(sys.argv[2])
while True:
    try:
        with opener.open(sys.argv[1], timeout=10):
            break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"not ready after {sys.argv[2]} s: {error}")
    time.sleep(1)
PYTHON
`;

/**
 * Puts the dump of a backup into a deployed stack's database while its gateway is stopped.
 *
 * @throws Error when the stack does not fit the backup, or holds something already
 */
export async function restoreBackup(options: RestoreOptions): Promise<void> {
  const { stack, file, key, backup, replace, signal, report } = options;
  const { manifest } = backup;
  const { database, connection } = requireDatabase(stack);
  assertFitting(stack, backup, file);
  if (!replace) {
    const used = await listUsed(openSession(connection, signal), database);
    const found = Object.entries(used).map(([table, rows]) => `${rows} in ${table}`);
    if (found.length > 0) {
      throw new Error(
        `database ${database.name} is in use: it has rows (${found.join(", ")}) that a restore would delete; if they may go: npm run restore ${stack.name} '${file}' -- --replace`,
      );
    }
  }
  const { gateway } = stack.operations;
  const units = [gateway.socket, gateway.unit, ...gateway.timers];
  const session = openSession(stack.machines.gateway, signal);
  report("stopping the gateway");
  await session.run(STOP, {
    arguments: [...units, ...gateway.timers.map((timer) => timer.replace(/\.timer$/, ".service"))],
    deadlineSeconds: 900,
  });
  const start = () => {
    report("starting the gateway");
    return startUnits(stack.machines.gateway, units);
  };
  try {
    const tables = Object.keys(manifest.database.tables).length;
    report(`restoring ${tables} tables into database ${database.name}`);
    await restoreDump(
      connection,
      database,
      { tables: manifest.database.tables, content: readDump(await decrypt(file, key), manifest) },
      signal,
    );
  } catch (error) {
    // Why the restore failed is what has to be told.
    await start().catch(() => undefined);
    throw error;
  }
  await start();
  await awaitReady(session, gateway);
}

/** Also when the restore was interrupted: users are waiting. */
async function startUnits(connection: Connection, units: readonly string[]): Promise<void> {
  const session = openSession(connection, new AbortController().signal);
  await session.run(START, { arguments: units, deadlineSeconds: 600 });
}

async function awaitReady(
  session: Session,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<void> {
  const url = `http://${formatHost(toReachable(address))}:${port}/health/readiness`;
  await session.run(AWAIT_READY, {
    arguments: [url, String(READY_SECONDS)],
    deadlineSeconds: READY_SECONDS + 30,
  });
}

/** The address at which the machine itself reaches what listens there. */
export function toReachable(address: string): string {
  return address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
}

/** @throws Error when the stack could not use what the backup holds */
export function assertFitting(
  { name, operations, secrets, versions }: MachinesStack,
  { manifest, secrets: kept }: CheckedBackup,
  file: string,
): void {
  const saltKey = kept.settings["saltKey"];
  if (saltKey !== undefined && saltKey !== secrets.recovery["saltKey"]) {
    throw new Error(
      `stack ${name} has another salt key than the backup, and could not read the credentials in it; deploy a new stack with that of the backup: npm run restore <new stack> '${file}' -- --secrets`,
    );
  }
  if (manifest.engine !== operations.engine) {
    throw new Error(
      `the backup is of database.engine "${manifest.engine}", and stack ${name} has "${operations.engine}"; deploy it with that of the backup: npm run pulumi -- config set --path database.engine ${manifest.engine} --stack ${name}`,
    );
  }
  for (const [program, version] of Object.entries(manifest.versions)) {
    const deployed = versions[program];
    if (!/litellm/i.test(program) || deployed === undefined || deployed === version) continue;
    throw new Error(
      `the backup is of ${program} ${version}, and stack ${name} has ${deployed}, whose tables differ; deploy with the toolkit that made the backup, restore, then deploy with this one: npm start ${name}`,
    );
  }
}
