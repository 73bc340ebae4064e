import { packFile } from "../../components/provider/docker/tar.ts";

/** One file of a backup. */
export interface ArchivedFile {
  readonly name: string;
  readonly content: Buffer;
}

const BLOCK = 512;
/** Larger than any file that we put into a backup. */
const LARGEST = 256 * 1024 * 1024;

/** A file as tar has it, readable for its owner only; others, or the end, may follow. */
export function packEntry({ name, content }: ArchivedFile): Buffer {
  return packFile({ name, content, mode: 0o600, owner: 0 }).subarray(0, -2 * BLOCK);
}

/** How tar says that nothing follows. */
export const ARCHIVE_END = Buffer.alloc(2 * BLOCK);

/**
 * Reads an archive of `packEntry`, one file after the other.
 *
 * @throws Error when it is none, or not whole
 */
export async function* readArchive(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ArchivedFile, void, void> {
  const reader = new BlockReader(chunks);
  for (;;) {
    const header = await reader.take(BLOCK);
    if (header === undefined) throw new Error("the archive in the backup ends too early");
    if (header.every((byte) => byte === 0)) return;
    const text = (start: number, length: number): string =>
      header.toString("utf8", start, start + length).split("\0", 1)[0] ?? "";
    const size = Number.parseInt(text(124, 12).trim(), 8);
    if (text(257, 5) !== "ustar" || !(size <= LARGEST)) {
      throw new Error("what the backup holds is no archive of npm run backup");
    }
    const padded = await reader.take(Math.ceil(size / BLOCK) * BLOCK);
    if (padded === undefined) throw new Error("the archive in the backup ends too early");
    yield { name: text(0, 100), content: padded.subarray(0, size) };
  }
}

/** Takes a stream apart by lengths. */
class BlockReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #kept: Buffer[] = [];
  #length = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes; undefined where there are not as many. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#length < length) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#kept.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      this.#length += next.value.byteLength;
    }
    const all = this.#kept.length === 1 ? this.#kept[0] : Buffer.concat(this.#kept);
    this.#kept = [all?.subarray(length) ?? Buffer.alloc(0)];
    this.#length -= length;
    return all?.subarray(0, length) ?? Buffer.alloc(0);
  }
}
