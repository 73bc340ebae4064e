import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { afterEach, beforeEach, expect, test } from "vitest";

import { withFileLock } from "../../../tools/file-lock.mjs";

let folder: string;
let lock: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "file lock "));
  lock = join(folder, "deep", "lock");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("lets one work at a time, and says whom the others wait for", async () => {
  const waitedFor: number[] = [];
  let working = 0;
  const work = async () => {
    working += 1;
    expect(working).toBe(1);
    await wait(20);
    working -= 1;
    return "done";
  };
  const all = [1, 2, 3].map(() => withFileLock(lock, (holder) => waitedFor.push(holder), work));
  expect(await Promise.all(all)).toEqual(["done", "done", "done"]);
  expect(waitedFor).toEqual([process.pid, process.pid]);
  expect(existsSync(lock)).toBe(false);
});

test("is released by work that fails", async () => {
  const failing = withFileLock(
    lock,
    () => undefined,
    () => {
      throw new Error("no luck");
    },
  );
  await expect(failing).rejects.toThrow("no luck");
  expect(existsSync(lock)).toBe(false);
});

test("is taken over from a process that died", async () => {
  const { pid } = spawnSync("true");
  await withFileLock(
    lock,
    () => undefined,
    () => undefined,
  );
  writeFileSync(lock, String(pid));
  const announced: number[] = [];
  expect(
    await withFileLock(
      lock,
      (holder) => announced.push(holder),
      () => "mine",
    ),
  ).toBe("mine");
  expect(announced).toEqual([]);
});
