import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { file } from "../../components/provider/host/file.ts";
import { operationContext } from "../support/operation-context.ts";

const { context } = operationContext();
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "files with spaces "));
  path = join(folder, "made/on the way/config.yaml");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const modeOf = (of: string): string => (statSync(of).mode & 0o777).toString(8);
const parse = (inputs: object) => file.inputs.parse({ path, content: "one\ntwo ✓\n", ...inputs });
const update = (inputs: object) => {
  const previousInputs = parse({});
  const change = { inputs: parse(inputs), previousInputs, outputs: previousInputs };
  return file.update(context, path, change);
};

test("is written with its folders and mode, whatever the umask", async () => {
  const umask = process.umask(0o077);
  try {
    expect(await file.create(context, parse({}))).toEqual({ id: path, outputs: {} });
  } finally {
    process.umask(umask);
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo ✓\n");
  expect(modeOf(path)).toBe("644");
  expect(readdirSync(join(path, ".."))).toEqual(["config.yaml"]);
});

test("is observed as it is", async () => {
  await file.create(context, parse({ mode: "0600" }));
  writeFileSync(path, "edited");
  chmodSync(path, 0o640);
  expect(await file.read(context, path)).toEqual({
    inputs: { path, content: "edited", mode: "0640" },
    outputs: {},
  });
  rmSync(path);
  expect(await file.read(context, path)).toBeUndefined();
});

test("is replaced as a whole by an update", async () => {
  await file.create(context, parse({}));
  const { ino } = statSync(path);
  await update({ content: "three\n", mode: "0600" });
  expect(readFileSync(path, "utf8")).toBe("three\n");
  expect(modeOf(path)).toBe("600");
  expect(statSync(path).ino).not.toBe(ino);
});

test("does not overwrite a file that is not ours", async () => {
  path = join(folder, "theirs");
  writeFileSync(path, "theirs");
  await expect(file.create(context, parse({}))).rejects.toThrow(
    `${path} exists already and holds something else; remove it: rm '${path}', ` +
      `or take it over: pulumi import litellm:host:File <name> '${path}'`,
  );
  expect(readFileSync(path, "utf8")).toBe("theirs");
});

test("takes up what an interrupted deployment has written", async () => {
  path = join(folder, "ours");
  writeFileSync(path, "one\ntwo ✓\n", { mode: 0o600 });
  await file.create(context, parse({}));
  expect(modeOf(path)).toBe("644");
});

test("leaves nothing behind when it cannot be written", async () => {
  mkdirSync(path, { recursive: true });
  await expect(file.create(context, parse({}))).rejects.toThrow("EISDIR");
  await expect(update({})).rejects.toThrow("EISDIR");
  expect(readdirSync(join(path, ".."))).toEqual(["config.yaml"]);
});

test("is deleted by a later deployment, and once more without complaint", async () => {
  await file.create(context, parse({}));
  vi.resetModules();
  const later = await import("../../components/provider/host/file.ts");
  await later.file.delete(context, path);
  await later.file.delete(context, path);
  expect(existsSync(path)).toBe(false);
  expect(existsSync(join(path, ".."))).toBe(true);
});

test("stays when the same deployment deletes the resource it replaces", async () => {
  await file.create(context, parse({}));
  await file.delete(context, path);
  expect(existsSync(path)).toBe(true);
});

test("refuses a mode that is not octal", () => {
  const { error } = file.inputs.safeParse({ path, content: "", mode: "644" });
  expect(error?.issues.map(({ message }) => message)).toEqual([
    'must be an octal mode such as "0640"',
  ]);
});
