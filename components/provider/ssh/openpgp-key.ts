import { createHash } from "node:crypto";

const ARMOR =
  /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g;
const PUBLIC_KEY_TAG = 6;

/**
 * The fingerprints of the keys in an armored text (RFC 9580, version 4), without those of subkeys:
 * 40 hexadecimal digits each, upper case.
 *
 * @throws Error when it holds none that can be read
 */
export function readFingerprints(armored: string): string[] {
  const blocks = [...armored.matchAll(ARMOR)].map(([, block = ""]) => decodeArmor(block));
  const fingerprints = blocks.flatMap((block) => [...listKeys(block)].map(computeFingerprint));
  if (fingerprints.length === 0) {
    throw new Error(
      "the signing key holds no OpenPGP public key; it must be text that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----",
    );
  }
  return fingerprints;
}

/** Without headers before the empty line, and without the check sum. */
function decodeArmor(block: string): Buffer {
  const lines = block.split(/\r?\n/);
  const start = lines.findIndex((line) => line.trim() === "");
  const data = lines.slice(start + 1).filter((line) => !line.startsWith("="));
  return Buffer.from(data.join(""), "base64");
}

/** Bodies of the packets that are primary keys. */
function* listKeys(packets: Buffer): Generator<Buffer> {
  let position = 0;
  while (position < packets.length) {
    const first = packets[position] ?? 0;
    const isNewFormat = (first & 0x40) !== 0;
    const tag = isNewFormat ? first & 0x3f : (first >> 2) & 0x0f;
    const { length, size } = isNewFormat
      ? readNewLength(packets, position + 1)
      : readOldLength(packets, position + 1, first & 3);
    const start = position + 1 + size;
    if (tag === PUBLIC_KEY_TAG) {
      yield packets.subarray(start, start + length);
    }
    position = start + length;
  }
}

interface Length {
  readonly length: number;
  /** Of the length itself. */
  readonly size: number;
}

function readNewLength(packets: Buffer, at: number): Length {
  const first = packets[at] ?? 0;
  if (first < 192) {
    return { length: first, size: 1 };
  }
  return first < 224
    ? { length: ((first - 192) << 8) + (packets[at + 1] ?? 0) + 192, size: 2 }
    : { length: readNumber(packets, at + 1, 4), size: 5 };
}

function readOldLength(packets: Buffer, at: number, type: number): Length {
  return type === 3
    ? { length: packets.length - at, size: 0 }
    : { length: readNumber(packets, at, 1 << type), size: 1 << type };
}

/** What is beyond the end counts as 0. */
function readNumber(packets: Buffer, at: number, size: number): number {
  return Array.from({ length: size }, (_, index) => packets[at + index] ?? 0).reduce(
    (number, byte) => number * 256 + byte,
    0,
  );
}

function computeFingerprint(body: Buffer): string {
  const [version] = body;
  if (version !== 4) {
    throw new Error(
      `the signing key is an OpenPGP key of version ${String(version)}, and apt's repositories use version 4; give one of that version`,
    );
  }
  const header = Buffer.from([0x99, body.length >> 8, body.length & 0xff]);
  return createHash("sha1").update(header).update(body).digest("hex").toUpperCase();
}
