import { type Key, type Lock, readIdentities, readLockKind } from "./encryption.ts";
import { askHidden } from "./passphrase.ts";

const VARIABLE = "BACKUP_PASSPHRASE";

/** Recipients where there are any, else the passphrase of the environment, else one that is asked for. */
export async function chooseLock(recipients: readonly string[] | undefined): Promise<Lock> {
  if (recipients !== undefined) return { recipients };
  const given = process.env[VARIABLE] ?? "";
  if (given !== "") return { passphrase: given };
  const alternative = `${VARIABLE}=… npm run backup, or encrypt to a recipient: npm run backup -- --recipient age1…`;
  const passphrase = await askHidden("passphrase for the backup: ", alternative);
  if (passphrase !== (await askHidden("the same again: ", alternative))) {
    throw new Error("the two passphrases differ; try again: npm run backup");
  }
  return { passphrase };
}

/**
 * What opens a backup.
 *
 * @param identity file of `age-keygen`, for one that is encrypted to a recipient
 */
export async function chooseKey(file: string, identity: string | undefined): Promise<Key> {
  const kind = await readLockKind(file);
  if (kind === "recipients") {
    if (identity === undefined) {
      throw new Error(
        `${file} is encrypted to a recipient; name the file with its secret key: --identity KEYFILE`,
      );
    }
    return { identities: await readIdentities(identity) };
  }
  const given = process.env[VARIABLE] ?? "";
  if (given !== "") return { passphrase: given };
  return {
    passphrase: await askHidden(`passphrase of ${file}: `, `${VARIABLE}=… before the command`),
  };
}
