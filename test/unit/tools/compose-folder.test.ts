import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { readSecrets, writeProject } from "../../../tools/compose/project-folder.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compose folder "));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const files = {
  "docker-compose.yaml": "# render it again: npm run compose\n",
  "litellm/litellm-config.yaml": "{}\n",
};
const write = (values: Record<string, string> = { masterKey: "sk-0123" }): void => {
  writeProject(folder, files, { values, comment: ["Secrets."] });
};
const mode = (path: string): string => (statSync(join(folder, path)).mode & 0o777).toString(8);
const read = (path: string): string => readFileSync(join(folder, path), "utf8");

test("secrets are for their owner, and files for whoever a container's user is", () => {
  writeFileSync(join(folder, ".env"), "");
  chmodSync(join(folder, ".env"), 0o644);
  const umask = process.umask(0o077);
  try {
    write();
  } finally {
    process.umask(umask);
  }
  expect(mode(".env")).toBe("600");
  expect(mode("litellm")).toBe("755");
  expect(mode("litellm/litellm-config.yaml")).toBe("644");
});

test("what was written is read again, and replaced as a whole", () => {
  write();
  expect(readSecrets(folder)).toEqual({ masterKey: "sk-0123" });
  write({ saltKey: "salt" });
  expect(readSecrets(folder)).toEqual({ saltKey: "salt" });
  expect(readdirSync(folder).sort()).toEqual([
    ".env",
    ".gitignore",
    "docker-compose.yaml",
    "litellm",
  ]);
});

test("git never takes the secrets, and keeps what else it ignores", () => {
  writeFileSync(join(folder, ".gitignore"), "*.log");
  write();
  write();
  expect(read(".gitignore")).toBe("*.log\n.env\n");
});

test("a new folder knows no secrets", () => {
  expect(readSecrets(join(folder, "new"))).toEqual({});
});

test("somebody else's files stay as they are", () => {
  writeFileSync(join(folder, ".env"), "MASTER_KEY=sk-0123\n");
  expect(() => readSecrets(folder)).toThrow(
    `${join(folder, ".env")} cannot be read: line 1 is not NAME="value", with a \\ before each \\ " and $ of the value (not shown); mend that line, or choose another folder: npm run compose -- --output <folder>`,
  );
  writeFileSync(join(folder, "docker-compose.yaml"), "services: {}\n");
  expect(() => readSecrets(folder)).toThrow(
    `${join(folder, "docker-compose.yaml")} was not written by \`npm run compose\` and stays as it is; choose another folder: npm run compose -- --output <folder>`,
  );
});
