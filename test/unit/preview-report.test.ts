import { expect, test } from "vitest";

import { UNKNOWN } from "../../components/provider/server/wire.ts";
import { describeLoss } from "../../tools/preview/data-loss.ts";
import type { PreviewStep } from "../../tools/preview/preview-digest.ts";
import { reportFailure, reportPreview } from "../../tools/preview/stack-report.ts";

const deployed = { isDeployed: true, exitCode: 0 };

const step = (op: string, type: string, more: Partial<PreviewStep> = {}): PreviewStep => ({
  op,
  urn: `urn:pulumi:test::litellm-gateway::${type}::thing`,
  ...(op !== "create" && { oldState: { type } }),
  ...(op !== "delete" && { newState: { type } }),
  detailedDiff: null,
  ...more,
});

test("nothing changes", () => {
  const steps = [step("same", "pulumi:pulumi:Stack"), step("read", "docker:index/network:Network")];
  expect(reportPreview("dev", deployed, { steps, changeSummary: { same: 27 } })).toEqual({
    stack: "dev",
    outcome: "unchanged",
    isDeployed: true,
    counts: { create: 0, update: 0, replace: 0, delete: 0, unchanged: 27 },
    changes: [],
    errors: [],
  });
});

test("a changed text, value and list, with the values before and after", () => {
  const type = "litellm:host:File";
  const report = reportPreview("dev", deployed, {
    steps: [
      step("update", type, {
        oldState: { type, inputs: { content: "a\nb\n", mode: "0644", list: [1] }, outputs: {} },
        newState: { type, inputs: { content: "a\nc\n", mode: UNKNOWN, list: [1, { x: true }] } },
        detailedDiff: {
          content: { kind: "update" },
          mode: { kind: "update-replace" },
          "list[1].x": { kind: "add" },
        },
      }),
    ],
  });
  expect(report.outcome).toBe("changed");
  expect(report.changes[0]?.properties).toEqual([
    {
      path: "content",
      kind: "update",
      replaces: false,
      before: "a\nb\n",
      after: "a\nc\n",
      difference: "@@ -1 +1 @@\n a\n-b\n+c",
    },
    { path: "mode", kind: "update", replaces: true, before: "0644", after: "[unknown]" },
    { path: "list[1].x", kind: "add", replaces: false, before: "", after: "true" },
  ]);
});

test("a provider that names the changed properties only", () => {
  const type = "docker:index/container:Container";
  const report = reportPreview("dev", deployed, {
    steps: [
      step("replace", type, {
        oldState: { type, inputs: { uploads: [{ content: "a\nb\n", __defaults: [] }] } },
        newState: { type, inputs: { uploads: [{ content: "a\nc\n", __defaults: [] }] } },
        diffReasons: ["uploads"],
      }),
    ],
  });
  expect(report.changes[0]?.properties[0]?.difference).toBe(
    "@@ -1 +1 @@\n - content: |\n     a\n-    b\n+    c",
  );
});

test("a structure in which only what is hidden differs", () => {
  const type = "docker:index/container:Container";
  const inputs = { environment: { A: "1", KEY: "[secret]" }, labels: [{ a: 1, b: 2 }] };
  const report = reportPreview("dev", deployed, {
    steps: [
      step("update", type, {
        oldState: { type, inputs },
        newState: { type, inputs },
        detailedDiff: { environment: { kind: "update" }, "labels[0]": { kind: "update" } },
      }),
    ],
  });
  expect(report.changes[0]?.properties).toMatchObject([
    { path: "environment", difference: "(only secrets in it differ)" },
  ]);
});

test.each([
  ["docker:index/volume:Volume", "delete"],
  ["docker:index/volume:Volume", "replace"],
  ["postgresql:index/database:Database", "delete"],
  ["postgresql:index/role:Role", "replace"],
  ["random:index/randomPassword:RandomPassword", "replace"],
  ["litellm:index:SaltKey", "delete"],
  ["litellm:host:PostgresCluster", "replace"],
  ["litellm:tls:CertificateAuthority", "delete"],
  ["litellm:host:Directory", "delete"],
])("%s: a %s is destructive", (type, op) => {
  const report = reportPreview("dev", deployed, {
    steps: [step("update", "litellm:host:File"), step(op, type)],
  });
  expect(report.outcome).toBe("destructive");
  expect(report.changes.map((change) => change.type)).toEqual([type, "litellm:host:File"]);
  expect(report.changes[0]?.loss).toMatch(/\w{4}/);
});

test.each([
  ["docker:index/volume:Volume", "update"],
  ["docker:index/volume:Volume", "create"],
  ["docker:index/container:Container", "replace"],
  ["litellm:host:Process", "delete"],
])("%s: a %s is not", (type, op) => {
  expect(reportPreview("dev", deployed, { steps: [step(op, type)] }).outcome).toBe("changed");
});

test("whatever is protected is not to be lost", () => {
  const type = "docker:index/network:Network";
  expect(describeLoss(step("delete", type, { oldState: { type, protect: true } }))).toBe(
    "it is protected",
  );
  expect(describeLoss(step("update", type, { oldState: { type, protect: true } }))).toBeUndefined();
});

test("a volume that is kept says so, and still leaves the stack", () => {
  const type = "docker:index/volume:Volume";
  expect(describeLoss(step("delete", type, { oldState: { type, retainOnDelete: true } }))).toBe(
    "what is stored in the volume (what exists outside of the state stays where it is: retainOnDelete)",
  );
});

test.each([
  "urn:pulumi:test::litellm-gateway::litellm:index:Gateway$litellm:index:ProxyGeneration$docker:index/volume:Volume::gateway-proxy-0a1b2c3d-configuration-volume",
  "urn:pulumi:test::litellm-gateway::litellm:index:Gateway$litellm:index:Database$postgresql:index/role:Role::gateway-database-login-litellm_0a1b2c3d",
])("what belongs to a generation of proxies goes with it: %s", (urn) => {
  const type = urn.split("$").at(-1)?.split("::")[0] ?? "";
  expect(describeLoss(step("delete", type, { urn }))).toBeUndefined();
  expect(describeLoss(step("delete", type))).toMatch(/\w{4}/);
});

const refusal = {
  severity: "error",
  message:
    'error: Preview failed: resource "urn:pulumi:x" cannot be deleted\nbecause it is protected. To unprotect…\n',
};
const failed = { severity: "error", message: "error: preview failed\n" };

test("a deletion that Pulumi refuses is destructive, and says why it is refused", () => {
  const report = reportPreview(
    "prod",
    { isDeployed: true, exitCode: 1 },
    { diagnostics: [refusal, failed] },
  );
  expect(report.outcome).toBe("destructive");
  expect(report.errors).toEqual([
    'Preview failed: resource "urn:pulumi:x" cannot be deleted\nbecause it is protected. To unprotect…',
  ]);
});

test("any other error is one, also beside a refusal or without a word", () => {
  const wrong = { severity: "error", message: "error: invalid settings: 1 error" };
  const fail = (diagnostics: { severity: string; message: string }[]) =>
    reportPreview("prod", { isDeployed: true, exitCode: 1 }, { diagnostics }).outcome;
  expect(fail([wrong, failed])).toBe("failed");
  expect(fail([refusal, wrong])).toBe("failed");
  expect(fail([])).toBe("failed");
  expect(reportFailure("prod", true, "incorrect passphrase")).toMatchObject({
    outcome: "failed",
    errors: ["incorrect passphrase"],
  });
});
