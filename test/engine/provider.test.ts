import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { beforeAll, expect, test } from "vitest";

import { nameOf, PulumiProject } from "../support/pulumi-project.ts";

const SECRET = "do-not-show-3f9c2e71";
const SALT = "8Qm2rTzVb7LkXw5NcPd3JhFs6GyAe9Ku";
const FINGERPRINT = "7751a78a5293";
const TEXT = "first\nsecond\nthird\nfourth\n";

let project: PulumiProject;
/** All that the CLI has said. */
let transcript = "";

beforeAll(async () => {
  project = await PulumiProject.create({
    links: { "program.ts": "test/engine/programs/files.ts" },
    main: "program.ts",
  });
  await project.setConfig("content", TEXT);
  await project.setConfig("secret", SECRET, { secret: true });
  await project.setConfig("salt", SALT, { secret: true });
  return () => {
    project.remove();
  };
});

const pathOf = (name: string): string => join(project.folder, "out", name);
const read = (name: string): string => readFileSync(pathOf(name), "utf8");

/** The lines of a preview that tell of one resource. */
async function previewOf(name: string, ...arguments_: string[]): Promise<string> {
  const text = await project.previewText(...arguments_);
  transcript += text;
  const blocks = text.split(/^ *(?=[~+=-]* ?\S+:\S+:\S+: \()/m);
  return blocks.findLast((block) => block.includes(`::${name}]`))?.trimEnd() ?? "";
}

test("creates what the program declares", async () => {
  transcript += await project.previewText();
  transcript += (await project.up()).output;
  expect(read("text")).toBe(TEXT);
  expect(read("secret")).toBe(`KEY=${SECRET}\n`);
  expect(statSync(pathOf("secret")).mode & 0o777).toBe(0o600);
  expect(readdirSync(pathOf(""))).toEqual(["secret", "text", `text.${FINGERPRINT}`]);
  expect(await project.readOutputs()).toEqual({ fingerprint: FINGERPRINT, value: SALT });
});

test("and then has nothing to change", async () => {
  expect(await project.preview("--expect-no-changes")).toEqual([]);
  expect(await project.preview("--refresh", "--expect-no-changes")).toEqual([]);
});

test("shows the changed line of a text and touches nothing else", async () => {
  await project.setConfig("content", TEXT.replace("third", "THIRD"));
  expect(await project.preview()).toMatchObject([
    { op: "update", detailedDiff: { content: { kind: "update", inputDiff: true } } },
  ]);
  expect(await previewOf("text")).toMatch(
    / +~ content: \n +first\n +second\n +- third\n +\+ THIRD\n +fourth/,
  );
  transcript += (await project.up()).output;
  expect(read("text")).toBe(TEXT.replace("third", "THIRD"));
});

test("sees what was edited by hand, and mends it", async () => {
  writeFileSync(pathOf("text"), read("text").replace("second", "edited"));
  writeFileSync(pathOf("secret"), "KEY=edited-by-hand\n");
  chmodSync(pathOf("secret"), 0o644);
  expect((await project.run("preview", "--refresh", "--expect-no-changes")).exitCode).not.toBe(0);
  transcript += (await project.refresh()).output;
  const changes = await project.preview();
  expect(
    changes.map((step) => [nameOf(step), step.op, Object.keys(step.detailedDiff ?? {})]),
  ).toEqual(
    expect.arrayContaining([
      ["text", "update", ["content"]],
      ["secret", "update", ["content", "mode"]],
    ]),
  );
  expect(changes).toHaveLength(2);
  expect(await previewOf("secret")).toContain("~ content: [secret] => [secret]");
  transcript += (await project.up()).output;
  expect(read("secret")).toBe(`KEY=${SECRET}\n`);
  expect(statSync(pathOf("secret")).mode & 0o777).toBe(0o600);
});

test("mends with a plain up, without a refresh before, what was deleted", async () => {
  rmSync(pathOf("text"));
  transcript += (await project.up()).output;
  expect(read("text")).toBe(TEXT.replace("third", "THIRD"));
});

test("replaces a file whose replacement was asked for", async () => {
  const text = (await project.exportState()).find((resource) => nameOf(resource) === "text");
  transcript += (await project.up("--replace", text?.urn ?? "")).output;
  expect(read("text")).toBe(TEXT.replace("third", "THIRD"));
});

test("keeps a file whose resource got another name", async () => {
  await project.setConfig("name", "renamed");
  const names = (await project.preview()).map((step) => [nameOf(step), step.op]);
  expect(names).toEqual([
    ["renamed", "create"],
    ["text", "delete"],
  ]);
  transcript += (await project.up()).output;
  expect(read("text")).toBe(TEXT.replace("third", "THIRD"));
});

test("refuses another salt key, in a preview already", async () => {
  await project.setConfig("salt", "another-salt-key-0123456789abcdef", { secret: true });
  const { exitCode, output } = await project.run("preview");
  expect(exitCode).not.toBe(0);
  expect(output).toContain(
    "litellm:index:SaltKey resource 'salt' has a problem: value: the salt key cannot be changed",
  );
  expect(output).not.toContain("another-salt-key");
  await project.setConfig("salt", SALT, { secret: true });
});

test("names a wrong input before anything changes", async () => {
  await project.setConfig("mode", "644");
  const { exitCode, output } = await project.run("up", "--yes", "--skip-preview");
  transcript += output;
  expect(exitCode).not.toBe(0);
  expect(output).toContain(
    `litellm:host:File resource 'renamed' has a problem: mode: must be an octal mode such as "0640"`,
  );
  await project.succeed("config", "rm", "mode");
});

test("imports a file, by the CLI and by the program", async () => {
  writeFileSync(pathOf("theirs"), "theirs\n");
  const options = ["--yes", "--skip-preview", "--generate-code=false", "--protect=false"];
  await project.succeed("import", ...options, "litellm:host:File", "theirs", "out/theirs");
  const imported = (await project.exportState()).find((resource) => nameOf(resource) === "theirs");
  expect(imported).toMatchObject({
    id: "out/theirs",
    inputs: {
      path: "out/theirs",
      content: { ciphertext: expect.any(String) as string },
      mode: "0644",
    },
  });
  writeFileSync(pathOf("secret-of-theirs"), `theirs ${SECRET}\n`, { mode: 0o600 });
  await project.setConfig("import", "out/secret-of-theirs");
  transcript += (await project.up()).output;
  expect(existsSync(pathOf("theirs"))).toBe(false);
  expect(await project.preview()).toEqual([]);
});

test("never shows a secret, neither in its state nor on screen", async () => {
  const state = JSON.stringify(await project.exportState());
  for (const secret of [SECRET, SALT, "edited-by-hand"]) {
    expect(state).not.toContain(secret);
    expect(transcript).not.toContain(secret);
  }
  expect(transcript).toContain("[secret]");
});

test("destroys every file", async () => {
  await project.destroy();
  expect(readdirSync(pathOf(""))).toEqual([]);
  expect((await project.exportState()).map(({ type }) => type)).toEqual([]);
});
