/** Generations of containers under the real engine: Pulumi removes the old ones after the rollout. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine, labEnvironment } from "../lab/environment.ts";
import { traefikImage } from "../lab/traefik-image.ts";
import { findFreePort } from "../support/ports.ts";
import { nameOf, PulumiProject } from "../support/pulumi-project.ts";
import { startLoad } from "../support/rolling-load.ts";

const lab = dockerEngine();
const SECRET = "admin:$2y$05$do-not-show-3f9c2e71";
const PROXY = `
let underway = 0;
const server = require("node:http").createServer(async (request, response) => {
  underway += 1;
  response.on("close", () => (underway -= 1));
  for (let chunk = 0; request.url === "/stream" && chunk < 20; chunk++) {
    response.write("chunk\\n");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  response.end(request.url === "/stream" ? "end\\n" : process.env.GENERATION);
});
server.listen(4000);
process.on("SIGTERM", () => { server.close(); setInterval(() => underway === 0 && process.exit(0), 50); });
`;

let project: PulumiProject;
let prefix: string;
let port: number;
/** All that the CLI has said. */
let transcript = "";

const proxiesOf = (generation: string) =>
  [1, 2].map((number) => `${prefix}-proxy-${generation}-${number}`);
const listProxies = async () => {
  const filter = `label=rollout-test=${prefix}`;
  const names = await docker(["ps", "--all", "--filter", filter, "--format", "{{.Names}}"]);
  return names.trim().split("\n").sort();
};
const up = async (...options: string[]) => {
  transcript += (await project.up(...options)).output;
};
const load = () =>
  startLoad({ port, clients: 4, streamClients: 2, path: "/", streamPath: "/stream" });

describe.skipIf(!lab.available)(`generations under Pulumi (${lab.reason})`, () => {
  beforeAll(async () => {
    port = await findFreePort();
    prefix = `rollout-engine-test-${port}`;
    project = await PulumiProject.create({
      links: { "program.ts": "test/engine/programs/rollout.ts" },
      main: "program.ts",
      environment: labEnvironment(),
    });
    const [label = "", labelValue = ""] = LAB_LABEL.split("=", 2);
    const config = {
      ...{ prefix, label, labelValue, port: String(port), proxy: PROXY },
      ...{ generation: "a", admission: "true", traefikImage: traefikImage.image },
    };
    for (const [key, value] of Object.entries(config)) await project.setConfig(key, value);
    await project.setConfig("users", SECRET, { secret: true });
  });

  afterAll(async () => {
    await project.destroy();
    project.remove();
  });

  test("the first one is served, and then there is nothing to change", async () => {
    transcript += await project.previewText();
    await up();
    expect(await project.readOutputs()).toEqual({ serving: proxiesOf("a") });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("a");
    expect(await project.preview("--expect-no-changes")).toEqual([]);
    expect(await project.preview("--refresh", "--expect-no-changes")).toEqual([]);
  });

  test("the next one takes its place without a failed request, and the old one is removed", async () => {
    await project.setConfig("generation", "b");
    const steps = await project.preview();
    const operations = Object.fromEntries(steps.map((step) => [nameOf(step), step.op]));
    expect(operations).toMatchObject({
      "proxy-a-1": "delete",
      "proxy-a-2": "delete",
      "proxy-b-1": "create",
      "proxy-b-2": "create",
      rollout: "update",
    });
    expect(operations).not.toHaveProperty("traefik");
    expect(operations).not.toHaveProperty("credentials");
    const underway = load();
    await up();
    const { failures, answers } = await underway.stop();
    expect(failures).toEqual([]);
    expect([...answers].sort()).toEqual(["a", "b"]);
    expect(await listProxies()).toEqual(proxiesOf("b"));
    expect(await project.preview("--expect-no-changes")).toEqual([]);
  });

  test("one that fails its check is removed, and what is mended goes on from there", async () => {
    await project.setConfig("generation", "c");
    await project.setConfig("admission", "echo 'it has no answer' >&2; exit 1");
    const underway = load();
    const failed = await project.run("up", "--yes", "--skip-preview");
    transcript += failed.output;
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toMatch(
      /-proxy-c-[12] did not pass its check within 2 seconds: it has no/,
    );
    expect(failed.output).toContain("Those of generation b keep serving.");
    expect(await listProxies()).toEqual(proxiesOf("b"));
    await project.setConfig("generation", "d");
    await project.setConfig("admission", "true");
    await up();
    const { failures, answers } = await underway.stop();
    expect(failures).toEqual([]);
    expect([...answers].sort()).toEqual(["b", "d"]);
    expect(await listProxies()).toEqual(proxiesOf("d"));
    expect(await project.readOutputs()).toEqual({ serving: proxiesOf("d") });
    expect(await project.preview("--refresh", "--expect-no-changes")).toEqual([]);
  });

  test("edited files are shown by a plain preview, and mended", async () => {
    const files = ["routes", "credentials"].map((name) => `/etc/traefik/dynamic/${name}.yaml`);
    for (const file of files) {
      await docker(["exec", `${prefix}-traefik`, "sh", "-c", `echo '# edited' >> ${file}`]);
    }
    const steps = await project.preview();
    expect(steps.map(nameOf).sort()).toEqual(["credentials", "rollout"]);
    await up();
    for (const file of files) {
      const text = await docker(["exec", `${prefix}-traefik`, "cat", file]);
      expect(text).not.toContain("edited");
    }
    expect(await project.preview("--expect-no-changes")).toEqual([]);
  });

  test("a Traefik that is gone is made again with all it needs", async () => {
    await docker(["rm", "--force", `${prefix}-traefik`]);
    const failed = await project.run("up", "--yes", "--skip-preview");
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("make it again: pulumi up --refresh");
    await up("--refresh");
    await expect
      .poll(
        async () => (await fetch(`http://127.0.0.1:${port}/`)).text().catch(() => "no answer"),
        { timeout: 20_000 },
      )
      .toBe("d");
    expect(await project.preview("--refresh", "--expect-no-changes")).toEqual([]);
  });

  test("no secret is in the state or was shown", async () => {
    const { stdout } = await project.succeed("stack", "export");
    expect(stdout).not.toContain("do-not-show");
    expect(transcript).not.toContain("do-not-show");
  });
});
