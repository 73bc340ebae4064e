/**
 * `npm run restore [stack] FILE -- [--replace] [--identity KEYFILE]`: puts a backup into the database
 * of a deployed stack of two machines, and starts its gateway with it.
 *
 * `npm run restore [stack] FILE -- --secrets`: sets the backup's secrets in the settings of a stack
 * that is to be deployed first: its salt key must be that of the backup.
 */
import { closeSessions } from "../components/provider/ssh/session.ts";
import { parseCommand } from "./operations/arguments.ts";
import { checkBackup } from "./operations/backup-content.ts";
import { describeManifest } from "./operations/backup-page.ts";
import { decrypt } from "./operations/encryption.ts";
import { chooseKey } from "./operations/keys.ts";
import { abortOnInterrupt, readMachinesStack } from "./operations/machines-stack.ts";
import { restoreBackup } from "./operations/restore-backup.ts";
import { setSecrets } from "./operations/set-secrets.ts";
import { chooseStack, openPulumi } from "./stack.ts";
import { stat } from "node:fs/promises";

const USAGE = "npm run restore [stack] FILE -- [--secrets] [--replace] [--identity KEYFILE]";
const { positionals, values } = parseCommand(
  USAGE,
  {
    secrets: { type: "boolean", default: false },
    replace: { type: "boolean", default: false },
    identity: { type: "string" },
  },
  2,
);
const file = positionals.at(-1);
if (file === undefined) throw new Error(`no backup is named; it goes: ${USAGE}`);
const name = chooseStack(positionals.slice(0, -1));
const { replace } = values;

const pulumi = await openPulumi();
const key = await chooseKey(file, values.identity);
const backup = await checkBackup(await decrypt(file, key));
console.log(describeManifest(file, backup.manifest, (await stat(file)).size));
if (values.secrets) {
  const names = await setSecrets(pulumi, name, backup.secrets, { replace });
  console.log(`\nset in stack ${name}: ${names.join(", ")}; deploy it: npm start ${name}`);
} else {
  const stack = await readMachinesStack(pulumi, name, "restore");
  const signal = abortOnInterrupt();
  try {
    console.log("");
    await restoreBackup({
      ...{ stack, file, key, backup, replace, signal },
      report: (step) => {
        console.log(step);
      },
    });
    console.log(
      `restored: every table has the rows of the backup, and the gateway is ready; check it: npm run verify ${name}`,
    );
  } finally {
    await closeSessions();
  }
}
