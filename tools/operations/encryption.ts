import { open, readFile } from "node:fs/promises";
import { Readable } from "node:stream";

import { Decrypter, Encrypter } from "age-encryption";

/** For whom a backup is encrypted: who knows a passphrase, or who has the key to a recipient. */
export type Lock = { readonly passphrase: string } | { readonly recipients: readonly string[] };

/** What opens it. */
export type Key = { readonly passphrase: string } | { readonly identities: readonly string[] };

const SHORTEST_PASSPHRASE = 12;

/**
 * Encrypts a stream as `age` does (age-encryption.org/v1): its command decrypts it.
 *
 * @throws Error for a passphrase that is too short, or a recipient that is none
 */
export async function encrypt(chunks: AsyncIterable<Uint8Array>, lock: Lock): Promise<Readable> {
  const encrypter = new Encrypter();
  if ("passphrase" in lock) {
    if (lock.passphrase.length < SHORTEST_PASSPHRASE) {
      throw new Error(
        `the passphrase has ${lock.passphrase.length} characters and needs ${SHORTEST_PASSPHRASE}; choose a longer one: BACKUP_PASSPHRASE=… npm run backup`,
      );
    }
    encrypter.setPassphrase(lock.passphrase);
  } else {
    for (const recipient of lock.recipients) {
      try {
        encrypter.addRecipient(recipient);
      } catch {
        throw new Error(
          `${recipient} is no recipient of age; make one, and keep its key safe: age-keygen -o key.txt`,
        );
      }
    }
  }
  return Readable.fromWeb(await encrypter.encrypt(toWeb(Readable.from(chunks))));
}

/** How a file is locked, by its first lines. @throws Error when age has not made it */
export async function readLockKind(file: string): Promise<"passphrase" | "recipients"> {
  const handle = await open(file).catch((error: unknown) => {
    throw new Error(
      `${file} cannot be read (${error instanceof Error ? error.message : String(error)}); see what there is: ls -l backups`,
      { cause: error },
    );
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(300), 0, 300, 0);
    const [first = "", second = ""] = buffer.toString("latin1", 0, bytesRead).split("\n");
    if (first !== "age-encryption.org/v1") {
      throw new Error(`${file} is no backup of npm run backup; see what it is: file '${file}'`);
    }
    return second.startsWith("-> scrypt ") ? "passphrase" : "recipients";
  } finally {
    await handle.close();
  }
}

/**
 * Decrypts what `encrypt` has made. What was cut or changed ends in an error.
 *
 * @throws Error when the key does not fit
 */
export async function decrypt(file: string, key: Key): Promise<AsyncIterable<Uint8Array>> {
  const decrypter = new Decrypter();
  if ("passphrase" in key) decrypter.addPassphrase(key.passphrase);
  else for (const identity of key.identities) decrypter.addIdentity(identity);
  const handle = await open(file);
  const encrypted = handle.createReadStream({ highWaterMark: 1024 * 1024 });
  try {
    return Readable.fromWeb(await decrypter.decrypt(toWeb(encrypted)));
  } catch (error) {
    encrypted.destroy();
    const wanted = "passphrase" in key ? "the passphrase" : "the identity";
    throw new Error(
      `${wanted} does not open ${file}, or the file is damaged; try again, or check it: npm run backup -- --check '${file}'`,
      { cause: error },
    );
  }
}

/** The secret keys in a file of `age-keygen`. @throws Error when there is none */
export async function readIdentities(file: string): Promise<string[]> {
  const lines = (await readFile(file, "utf8")).split(/\r?\n/).map((line) => line.trim());
  const identities = lines.filter((line) => line.startsWith("AGE-SECRET-KEY-"));
  if (identities.length === 0) {
    throw new Error(`${file} has no secret key of age; it is made by: age-keygen -o '${file}'`);
  }
  return identities;
}

function toWeb(stream: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
}
