/**
 * `npm run backup [stack] -- [--to FOLDER] [--keep 7] [--recipient age1…]`: the database, the machines'
 * settings and the secrets in one file, encrypted as `age` does it: to recipients, else to the
 * passphrase in BACKUP_PASSPHRASE, which is asked for where it is not set. Older ones are deleted.
 *
 * `npm run backup -- --check FILE [--identity KEYFILE]`: whether a backup is whole, and what it holds.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { closeSessions } from "../components/provider/ssh/session.ts";
import { parseCommand } from "./operations/arguments.ts";
import { checkBackup } from "./operations/backup-content.ts";
import { describeManifest } from "./operations/backup-page.ts";
import { decrypt } from "./operations/encryption.ts";
import { chooseKey, chooseLock } from "./operations/keys.ts";
import { abortOnInterrupt, readMachinesStack } from "./operations/machines-stack.ts";
import { makeBackup } from "./operations/make-backup.ts";
import { formatBytes } from "./operations/text.ts";
import { chooseStack, openPulumi } from "./stack.ts";

const { positionals, values } = parseCommand(
  "npm run backup [stack] -- [--to FOLDER] [--keep 7] [--recipient age1…], or npm run backup -- --check FILE [--identity KEYFILE]",
  {
    to: { type: "string" },
    keep: { type: "string", default: "7" },
    recipient: { type: "string", multiple: true },
    check: { type: "string" },
    identity: { type: "string" },
  },
  1,
);

if (values.check === undefined) {
  await make();
} else {
  const key = await chooseKey(values.check, values.identity);
  const { manifest } = await checkBackup(await decrypt(values.check, key));
  console.log(describeManifest(values.check, manifest, (await stat(values.check)).size));
}

async function make(): Promise<void> {
  const name = chooseStack(positionals);
  const keep = Number(values.keep);
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new Error(
      `"${values.keep}" is no number of backups to keep; it goes: npm run backup ${name} -- --keep 7`,
    );
  }
  const stack = await readMachinesStack(await openPulumi(), name, "backup");
  const shortName = name.split("/").at(-1) ?? name;
  const settings = `Pulumi.${shortName}.yaml`;
  const lock = await chooseLock(values.recipient);
  try {
    const { file, removed, manifest } = await makeBackup({
      stack,
      folder: values.to ?? join("backups", shortName),
      keep,
      lock,
      ...("passphrase" in lock && { key: lock }),
      files: existsSync(settings) ? [{ name: settings, content: await readFile(settings) }] : [],
      signal: abortOnInterrupt(),
    });
    const { size } = await stat(file);
    console.log(
      manifest === undefined
        ? `${file}: ${formatBytes(size)}; check it with its key: npm run backup -- --check ${file} --identity KEYFILE`
        : describeManifest(file, manifest, size),
    );
    for (const old of removed) console.log(`deleted ${join(dirname(file), old)}`);
  } finally {
    await closeSessions();
  }
}
