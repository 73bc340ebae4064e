import fc from "fast-check";
import { expect, test } from "vitest";

import { packFile, unpackFile } from "../../../components/provider/docker/tar.ts";

const BLOCK = 512;
const file = { name: "routes.yaml", content: Buffer.from("grün ✓\n"), mode: 0o640, owner: 1000 };

/** A header as tar programs write it, by the offsets of POSIX. */
const header = (type: string, size: number): Buffer => {
  const block = Buffer.alloc(BLOCK);
  block.write("name", 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write(size.toString(8).padStart(11, "0"), 124);
  block.write(" ".repeat(8), 148);
  block.write(type, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
};

const padded = (text: string): Buffer => {
  const block = Buffer.alloc(Math.ceil(text.length / BLOCK) * BLOCK);
  block.write(text);
  return block;
};

test("a packed file has POSIX's header", () => {
  const archive = packFile(file);
  expect(archive.length).toBe(4 * BLOCK);
  expect(archive.toString("latin1", 257, 265)).toBe("ustar\x0000");
  expect(archive.toString("latin1", 100, 108)).toBe("0000640\0");
  expect(archive.toString("latin1", 108, 124)).toBe("0001750\x000001750\0");
  expect(archive.toString("latin1", 124, 136)).toBe("00000000012\0");
  expect(archive.subarray(2 * BLOCK).every((byte) => byte === 0)).toBe(true);
});

test("whatever is packed is unpacked", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 3 * BLOCK }),
      fc.integer({ min: 0, max: 0o777 }),
      fc.integer({ min: 0, max: 0o7777777 }),
      (bytes, mode, owner) => {
        const packed = { name: "a", content: Buffer.from(bytes), mode, owner };
        const archive = packFile(packed);
        expect(archive.length % BLOCK).toBe(0);
        expect(unpackFile(archive)).toEqual(packed);
      },
    ),
  );
});

test("what Go and GNU write before a file is skipped", () => {
  const long = "x".repeat(BLOCK + 1);
  for (const type of ["x", "g", "L"]) {
    const before = Buffer.concat([header(type, long.length), padded(long)]);
    expect(unpackFile(Buffer.concat([before, packFile(file)]))).toEqual(file);
  }
});

test("the type of the oldest tar is a file, a folder or a link is none", () => {
  const content = padded("abc");
  expect(unpackFile(Buffer.concat([header("\0", 3), content]))?.content.toString()).toBe("abc");
  expect(unpackFile(header("5", 0))).toBeUndefined();
  expect(unpackFile(header("2", 0))).toBeUndefined();
});

test("half an archive, and none, are refused", () => {
  expect(() => unpackFile(packFile(file).subarray(0, BLOCK + 4))).toThrow("ends before the file");
  expect(() => unpackFile(Buffer.alloc(0))).toThrow("no tar archive");
  expect(() => unpackFile(Buffer.from("x".repeat(BLOCK)))).toThrow("no tar archive");
});

test("a name that does not fit is refused", () => {
  expect(() => packFile({ ...file, name: "n".repeat(101) })).toThrow("longer than 100 bytes");
});
