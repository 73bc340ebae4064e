/** A tar archive of one regular file, as `docker cp` reads and writes it. */
export interface ArchivedFile {
  /** Without folders, at most 100 bytes. */
  readonly name: string;
  readonly content: Buffer;
  /** Permissions alone, such as 0o644. */
  readonly mode: number;
  /** Number of the user and of the group that it belongs to. */
  readonly owner: number;
}

const BLOCK = 512;

/** Field of a header: where it begins, and how many bytes it has. */
const NAME = [0, 100] as const;
const MODE = [100, 8] as const;
const USER = [108, 8] as const;
const GROUP = [116, 8] as const;
const SIZE = [124, 12] as const;
const MODIFIED = [136, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = [156, 1] as const;
const MAGIC = [257, 8] as const;

type Field = readonly [offset: number, length: number];

/** POSIX's ustar format. */
export function packFile({ name, content, mode, owner }: ArchivedFile): Buffer {
  if (Buffer.byteLength(name) > NAME[1]) {
    throw new Error(`the name ${name} is longer than ${NAME[1]} bytes`);
  }
  const header = Buffer.alloc(BLOCK);
  header.write(name, NAME[0]);
  writeOctal(header, MODE, mode);
  writeOctal(header, USER, owner);
  writeOctal(header, GROUP, owner);
  writeOctal(header, SIZE, content.length);
  writeOctal(header, MODIFIED, Math.floor(Date.now() / 1000));
  header.write("0", TYPE[0]);
  header.write("ustar\x0000", MAGIC[0]);
  writeOctal(header, CHECKSUM, sumUp(header));
  const padding = Buffer.alloc(-content.length & (BLOCK - 1));
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK)]);
}

/**
 * The first file of an archive; undefined where it holds something else, such as a folder.
 *
 * @throws Error when it is no whole archive
 */
export function unpackFile(archive: Buffer): ArchivedFile | undefined {
  for (let offset = 0; ;) {
    const header = archive.subarray(offset, offset + BLOCK);
    if (header.length < BLOCK || readOctal(header, CHECKSUM) !== sumUp(header)) {
      throw new Error("what docker cp printed is no tar archive");
    }
    const size = readOctal(header, SIZE);
    const type = readText(header, TYPE);
    const content = archive.subarray(offset + BLOCK, offset + BLOCK + size);
    if (content.length < size) {
      throw new Error("what docker cp printed ends before the file does");
    }
    // What Go's and GNU's tar put before a file whose properties do not fit into its header.
    if (type === "x" || type === "g" || type === "L") {
      offset += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
      continue;
    }
    if (type !== "0" && type !== "") return undefined;
    return {
      name: readText(header, NAME),
      content,
      mode: readOctal(header, MODE) & 0o7777,
      owner: readOctal(header, USER),
    };
  }
}

/** Of all bytes of a header, its own checksum taken for blanks. */
function sumUp(header: Buffer): number {
  const [start, length] = CHECKSUM;
  return header.reduce(
    (sum, byte, index) => sum + (index >= start && index < start + length ? 0x20 : byte),
    0,
  );
}

function writeOctal(header: Buffer, [offset, length]: Field, value: number): void {
  header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset);
}

function readOctal(header: Buffer, field: Field): number {
  return Number.parseInt(readText(header, field).trim() || "0", 8);
}

function readText(header: Buffer, [offset, length]: Field): string {
  return header.toString("utf8", offset, offset + length).split("\0", 1)[0] ?? "";
}
