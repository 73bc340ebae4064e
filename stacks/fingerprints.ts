import { scrypt } from "node:crypto";
import { promisify } from "node:util";

const LENGTH_BYTES = 8;

/**
 * Tells whether a secret has changed, by its name, without betraying it: the hash is slow on purpose,
 * because it is part of names that everybody may read, and a password may be one that can be guessed.
 *
 * @param salt other for each stack: equal secrets of two stacks are not seen to be equal
 */
export async function fingerprintSecrets(
  values: Readonly<Record<string, string>>,
  salt: string,
): Promise<Record<string, string>> {
  const derive = promisify<string, string, number, Buffer>(scrypt);
  const entries = await Promise.all(
    Object.entries(values).map(async ([name, value]): Promise<[string, string]> => {
      const key = await derive(value, `${salt}/${name}`, LENGTH_BYTES);
      return [name, key.toString("hex")];
    }),
  );
  return Object.fromEntries(entries);
}
