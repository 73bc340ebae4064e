import { expect, test } from "vitest";

import { findTransitionObstacles } from "../../../components/preflight/transition.ts";
import { type ExistingPlan, planDeployment } from "../../../stacks/plan/plan.ts";
import { listRequiredFiles } from "../../../stacks/plan/project-files.ts";
import { parseSettings, type Settings } from "../../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../../support/circumstances.ts";

const parse = (deployment: object = {}): Settings =>
  parseSettings({
    plain: {
      deployment: { topology: "existing", url: "https://litellm.example.com/", ...deployment },
    },
    secret: { masterKey: "sk-the-key-of-its-admin" },
  });
const plan = (deployment?: object, files: Record<string, string> = {}): ExistingPlan =>
  planDeployment(parse(deployment), imagineCircumstances({ stack: "prod", files })) as ExistingPlan;

test("a gateway that is run elsewhere is planned whole from its URL", async () => {
  await expect(JSON.stringify(plan(), undefined, 2) + "\n").toMatchFileSnapshot(
    "snapshots/existing.json",
  );
});

test("its authority is the text of a file, and the only one that is read", () => {
  const certificateAuthorityFile = "ca.pem";
  expect(listRequiredFiles(parse())).toEqual([]);
  expect(listRequiredFiles(parse({ certificateAuthorityFile }))).toEqual([
    { path: "ca.pem", setting: "deployment.certificateAuthorityFile" },
  ]);
  expect(plan({ certificateAuthorityFile }, { "ca.pem": "PEM" }).certificateAuthority).toBe("PEM");
});

test("a machine that sees it is reached as the user says", () => {
  const machine = { address: "192.168.10.18", ssh: { user: "deploy", hostKey: "learn" } };
  expect(plan({ machine }).machine).toEqual({
    role: "gateway",
    host: "192.168.10.18",
    port: undefined,
    user: "deploy",
    options: [],
    hostKey: "learn",
    sudoPassword: undefined,
  });
});

test("no check asks a model, which may cost money", () => {
  expect(plan().checks.map(({ kind }) => kind)).toEqual(["live", "ready", "admin"]);
});

test("a stack does not change from or to it", async () => {
  const recorded = {
    topology: "two-vm",
    database: undefined,
    virtualKeys: [],
    migration: undefined,
    generations: { serving: undefined, containers: {} },
  };
  expect(await findTransitionObstacles(plan(), recorded, false)).toEqual([
    'it is a stack with topology "two-vm", which does not become one with "existing": what is there would be deleted; keep this one as it is (pulumi config set --path deployment.topology two-vm), and make another: pulumi stack init prod-existing, and set it up there',
  ]);
  expect(
    await findTransitionObstacles(plan(), { ...recorded, topology: "existing" }, false),
  ).toEqual([]);
});
