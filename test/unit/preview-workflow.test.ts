import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";

import { renderMarkdown } from "../../tools/preview/markdown.ts";

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly if?: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly "timeout-minutes": number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const files = globSync(".github/workflows/*.{yaml,yml}");
const texts = files.map((file) => readFileSync(file, "utf8"));
const workflows = texts.map((text) => parse(text) as Workflow);
const jobs = workflows.flatMap((workflow) => Object.entries(workflow.jobs));
const steps = jobs.flatMap(([, job]) => job.steps);

test("there is a workflow", () => {
  expect(files).toEqual([".github/workflows/preview.yaml"]);
  expect(jobs.map(([name]) => name)).toEqual(["check", "test", "preview", "comment"]);
});

test("every action is pinned by commit, with its version beside it", () => {
  const uses = texts.flatMap((text) => text.split("\n").filter((line) => /\buses:/.test(line)));
  expect(uses.length).toBe(steps.filter((step) => step.uses !== undefined).length);
  expect(uses.length).toBeGreaterThan(0);
  for (const line of uses) {
    expect(line).toMatch(/uses: [\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
});

test("no text of a pull request gets into a script", () => {
  for (const { run } of steps) {
    expect(run ?? "").not.toContain("${{");
  }
});

test("each job may do what it needs, and ends by itself", () => {
  expect(workflows.map(({ permissions }) => permissions)).toEqual([{}]);
  expect(Object.fromEntries(jobs.map(([name, { permissions }]) => [name, permissions]))).toEqual({
    check: { contents: "read" },
    test: { contents: "read" },
    preview: { contents: "read" },
    comment: { "pull-requests": "write" },
  });
  for (const [name, job] of jobs) {
    expect(job["timeout-minutes"], name).toBeLessThanOrEqual(90);
  }
});

test("secrets reach the preview of branches of this repository only", () => {
  expect(workflows.map(({ on }) => Object.keys(on))).toEqual([["pull_request", "push"]]);
  const withSecrets = jobs.filter(([, job]) => JSON.stringify(job).includes("secrets."));
  expect(withSecrets.map(([name]) => name)).toEqual(["preview"]);
  expect(withSecrets[0]?.[1].if).toContain(
    "github.event.pull_request.head.repo.full_name == github.repository",
  );
});

test("code of a pull request never has a token: none is stored, and who may write checks nothing out", () => {
  const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
  expect(checkouts.length).toBe(3);
  for (const checkout of checkouts) {
    expect(checkout.with).toEqual({ "persist-credentials": false });
  }
  for (const [, job] of jobs.filter(([, { permissions }]) => "pull-requests" in permissions)) {
    expect(JSON.stringify(job)).not.toMatch(/actions\/checkout|npm /);
  }
});

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "preview workflow "));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the step that comments, with a `gh` that finds `earlier` and writes down what it is told. */
function comment(earlier: string): string[] {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const gh = `#!/bin/sh
case "$*" in
  *--paginate*) echo "$*" >> calls; printf '%s' "$EARLIER" ;;
  *) echo "$*" >> calls ;;
esac
`;
  writeFileSync(join(bin, "gh"), gh, { mode: 0o755 });
  const { run } = steps.find(({ id }) => id === "comment") ?? {};
  // As GitHub runs it.
  const { status, stderr } = spawnSync("bash", ["-e", "-c", run ?? "false"], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: [bin, process.env["PATH"]].join(delimiter),
      GITHUB_REPOSITORY: "someone/gateway",
      PULL_REQUEST: "7",
      RUN_URL: "https://github.com/someone/gateway/actions/runs/1",
      EARLIER: earlier,
    },
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
}

test("the summary becomes a comment, which later runs find by its first line and update", () => {
  mkdirSync(join(folder, "preview"));
  const summary = renderMarkdown([]);
  writeFileSync(join(folder, "preview/summary.md"), summary);
  const [search, write] = comment("");
  expect(search).toContain(`startswith("${summary.split("\n")[0] ?? ""}")`);
  expect(write).toBe(
    "api --silent --method POST repos/someone/gateway/issues/7/comments --field body=@preview/summary.md",
  );
  rmSync(join(folder, "calls"));
  rmSync(join(folder, "bin"), { recursive: true });
  expect(comment("42\n43\n")[1]).toBe(
    "api --silent --method PATCH repos/someone/gateway/issues/comments/42 --field body=@preview/summary.md",
  );
});

test("a preview that broke off is told of in the comment", () => {
  expect(comment("")[1]).toContain("POST");
  expect(readFileSync(join(folder, "preview/summary.md"), "utf8")).toBe(
    `${renderMarkdown([]).split("\n")[0] ?? ""}\n\nThe preview did not finish: https://github.com/someone/gateway/actions/runs/1\n`,
  );
});
