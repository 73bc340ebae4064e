import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { nodeImage } from "../lab/node-image.ts";
import { findFreePort } from "../support/ports.ts";
import type { Arguments } from "./programs/docker.ts";
import { openStack, type TestStack } from "./stack.ts";

const PREFIX = `conformance-${process.pid}`;
const SERVICE = `${PREFIX}-service`;
const SECRET = "a-secret-of-the-test-program";
const [labelName = "", labelValue = ""] = LAB_LABEL.split("=");

const engine = dockerEngine();
let stack: TestStack;
let base: Arguments;

async function inspect<Value = string>(format: string, name = SERVICE): Promise<Value> {
  return JSON.parse(await docker(["inspect", `--format={{json ${format}}}`, name])) as Value;
}

/** Runs a shell command with the two volumes of the stack. */
function onVolumes(command: string): Promise<string> {
  const volumes = ["data", "settings"].map((name) => `--volume=${PREFIX}-${name}:/${name}`);
  return docker([
    ...["run", "--rm", `--label=${LAB_LABEL}`, ...volumes],
    ...[base.image, "sh", "-c", command],
  ]);
}

/** Deploys what cannot be deployed, and returns what Pulumi says. */
async function upAndFail(changed: Partial<Arguments>): Promise<string> {
  stack.configure({ ...base, ...changed });
  const { code, output } = await stack.run("up", "--yes", "--skip-preview");
  expect(code, output).not.toBe(0);
  expect(output).not.toContain(SECRET);
  return output;
}

async function expectNoChanges(): Promise<void> {
  expect(await stack.preview("--expect-no-changes")).toEqual([]);
  expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
}

/** Deploys the program as it was at first. */
async function restore(): Promise<void> {
  stack.configure(base);
  await stack.up();
  await expectNoChanges();
}

describe.skipIf(!engine.available)(`@pulumi/docker ${engine.reason}`, () => {
  beforeAll(async () => {
    base = {
      prefix: PREFIX,
      image: nodeImage.image,
      label: { label: labelName, value: labelValue },
      port: await findFreePort(),
      secret: SECRET,
      task: `node -e "fetch('http://hello:8080').then((r) => r.text()).then(console.log)"; echo $SECRET`,
    };
    stack = await openStack("docker");
    stack.configure(base);
    await stack.up();
  });

  afterAll(async () => {
    await stack.close();
    for (const kind of ["container", "network", "volume"]) {
      const all = kind === "container" ? ["--all"] : [];
      const left = await docker([kind, "ls", ...all, "--quiet", `--filter=name=${PREFIX}`]);
      expect(left, kind).toBe("");
    }
    expect(await inspect(".RepoTags", base.image)).toContain(base.image);
  });

  test("makes what the program says", async () => {
    expect(await (await fetch(`http://127.0.0.1:${base.port}`)).text()).toBe("hello");
    expect(await stack.outputs()).toEqual({ exitCode: 0, logs: `hello\n${SECRET}\n` });
    expect(await inspect(".HostConfig")).toMatchObject({
      Binds: expect.arrayContaining([
        `${PREFIX}-data:/data:rw`,
        `${PREFIX}-settings:/settings:ro`,
      ]) as string[],
      CapAdd: ["CAP_KILL"],
      CapDrop: ["ALL"],
      ExtraHosts: ["host.docker.internal:host-gateway"],
      Init: true,
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
      Memory: 256 * 2 ** 20,
      MemorySwap: 256 * 2 ** 20,
      Mounts: [{ Type: "tmpfs", Target: "/scratch", TmpfsOptions: { SizeBytes: 2 ** 20 } }],
      NanoCpus: 1.5e9,
      PortBindings: { "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: String(base.port) }] },
      ReadonlyRootfs: true,
      RestartPolicy: { Name: "unless-stopped" },
      SecurityOpt: ["no-new-privileges"],
      Tmpfs: { "/tmp": "rw,noexec,nosuid,size=16m,mode=1777" },
      Ulimits: [{ Name: "nofile", Soft: 1024, Hard: 2048 }],
    });
    expect(await inspect(".Config")).toMatchObject({
      Env: expect.arrayContaining(["PLAIN=1", `SECRET=${SECRET}`]) as string[],
      Hostname: "service",
      Labels: { second: "2", [labelName]: labelValue },
      StopSignal: "SIGTERM",
      StopTimeout: 30,
    });
    const networks = await inspect<Record<string, { Aliases: string[] }>>(
      ".NetworkSettings.Networks",
    );
    expect(Object.keys(networks)).toEqual([PREFIX]);
    expect(networks[PREFIX]?.Aliases).toContain("hello");
    expect(await inspect(".State.Health.Status")).toBe("healthy");
  });

  test("uploads files into a volume, with a container that never runs", async () => {
    expect(await inspect(".State.Status", `${PREFIX}-writer`)).toBe("created");
    const listing = "cd /settings && stat -c '%a %u:%g %n' a.txt deep/b.txt && cat a.txt";
    expect(await onVolumes(listing)).toBe(`644 0:0 a.txt\n640 7:8 deep/b.txt\na ${SECRET}`);
  });

  test("changes nothing when nothing changed", async () => {
    await expectNoChanges();
    const { code, output } = await stack.run("refresh", "--yes", "--skip-preview");
    expect(code, output).toBe(0);
    expect(output).not.toMatch(/\d+ (updated|deleted|created)/);
    await expectNoChanges();
  });

  test("keeps secrets out of the state file and of what it prints", async () => {
    expect(stack.stateFile()).not.toContain(SECRET);
    stack.configure({ ...base, secret: `${SECRET}-changed` });
    const { output } = await stack.run("preview", "--diff");
    expect(output).toMatch(/~ registryAuth: |registryAuth: \[secret\]/);
    expect(output).toContain("[secret] => [secret]");
    expect(output).not.toContain(SECRET);
    stack.configure(base);
  });

  /** What is done by hand, what a refresh then says, and whether the same container runs after `up`. */
  const drifts: [string, string[], { op: string; changed: string[] }, boolean][] = [
    // Without published ports it would be started again.
    [
      "stopped",
      ["stop", "--time=1", SERVICE],
      { op: "replace", changed: ["mustRun", "ports"] },
      false,
    ],
    ["removed", ["rm", "--force", SERVICE], { op: "create", changed: [] }, false],
    [
      "given other limits",
      ["update", "--memory=128m", "--memory-swap=128m", "--restart=no", SERVICE],
      { op: "update", changed: ["memory", "memorySwap", "restart"] },
      true,
    ],
    [
      "given other CPUs",
      ["update", "--cpus=0.5", SERVICE],
      { op: "replace", changed: ["cpus"] },
      false,
    ],
    [
      "cut off its network",
      ["network", "disconnect", PREFIX, SERVICE],
      { op: "replace", changed: ["ports"] },
      false,
    ],
    [
      "renamed",
      ["rename", SERVICE, `${SERVICE}-renamed`],
      { op: "replace", changed: ["name"] },
      false,
    ],
  ];
  test.each(drifts)("finds and mends a container that was %s", async (_, command, step, isSame) => {
    const before = await inspect(".Id");
    await docker(command);
    expect(await stack.preview("--refresh")).toEqual([{ name: "service", ...step }]);
    const { code, output } = await stack.run("up", "--yes", "--skip-preview", "--refresh");
    expect(code, output).toBe(0);
    expect(await inspect(".State.Status")).toBe("running");
    expect((await inspect(".Id")) === before).toBe(isSame);
    expect(await inspect(".HostConfig.Memory")).toBe(256 * 2 ** 20);
    expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
  });

  test("finds nothing without a refresh, and never that a container was paused", async () => {
    await docker(["update", "--restart=no", SERVICE]);
    expect(await stack.preview("--expect-no-changes")).toEqual([]);
    await docker(["update", "--restart=unless-stopped", SERVICE]);
    await docker(["pause", SERVICE]);
    try {
      expect(await stack.preview("--refresh", "--expect-no-changes")).toEqual([]);
    } finally {
      await docker(["unpause", SERVICE]);
    }
  });

  test("changes limits and what a later deletion needs in place", async () => {
    const before = await inspect(".Id");
    const service = { memory: 300, memorySwap: 300, restart: "always", destroyGraceSeconds: 21 };
    stack.configure({ ...base, service });
    expect(await stack.preview()).toEqual([
      { name: "service", op: "update", changed: Object.keys(service).sort() },
    ]);
    await stack.up();
    expect(await inspect(".Id")).toBe(before);
    expect(await inspect(".HostConfig")).toMatchObject({
      Memory: 300 * 2 ** 20,
      MemorySwap: 300 * 2 ** 20,
      RestartPolicy: { Name: "always" },
    });
    await expectNoChanges();
    await restore();
  });

  test("replaces a container for everything else, which ends in its own way before", async () => {
    const service = {
      command: ["node", "--version"],
      cpus: "2.0",
      image: "registry.invalid/other:1",
      healthcheck: { tests: ["NONE"] },
      init: false,
      labels: [base.label],
      logOpts: { "max-size": "11m" },
      stopTimeout: 31,
      tmpfs: { "/tmp": "rw" },
    };
    stack.configure({ ...base, service, secret: "other" });
    const { stdout } = await stack.run("preview", "--json");
    const { steps } = JSON.parse(stdout) as {
      steps: { urn: string; op: string; replaceReasons?: string[] }[];
    };
    const step = steps.find(({ urn }) => urn.endsWith("::service"));
    expect(step?.op).toBe("replace");
    expect(step?.replaceReasons?.toSorted()).toEqual([...Object.keys(service), "envs"].sort());

    await onVolumes("rm -f /data/log");
    const healthcheck = {
      tests: ["CMD", "test", "-f", "/tmp/started"],
      interval: "2s",
      timeout: "10s",
      startPeriod: "1m0s",
      startInterval: "1s",
      retries: 3,
    };
    stack.configure({ ...base, service: { healthcheck } });
    await stack.up();
    expect(await onVolumes("cat /data/log")).toBe("ended\n");
    expect(await inspect(".Config.Healthcheck.Test")).toEqual(healthcheck.tests);
    await expectNoChanges();
    await restore();
  });

  test("gives the exit code and the log of a one-shot container, whatever they are", async () => {
    stack.configure({ ...base, task: "echo why >&2; exit 3" });
    await stack.up();
    expect(await stack.outputs()).toEqual({ exitCode: 3, logs: "why\n" });
    await expectNoChanges();
  });

  test.each([
    [undefined, "replace"],
    // It is not run again then, and seems to have been: its exit code stays unknown.
    [["env"], "update"],
  ])(
    "gives up on a one-shot container at its deadline; entry point %s: next is its %s",
    async (taskEntrypoint, op) => {
      const endless = {
        task: "sleep 1000",
        deadline: "3s",
        ...(taskEntrypoint !== undefined && { taskEntrypoint }),
      };
      expect(await upAndFail(endless)).toContain(
        "Unable to wait container end of execution: context deadline exceeded",
      );
      expect(await inspect(".State.Status", `${PREFIX}-task`)).toBe("running");
      expect((await stack.preview()).map(({ name, op }) => ({ name, op }))).toEqual([
        { name: "task", op },
      ]);
      await restore();
    },
  );

  test("waits for health, and replaces what did not become healthy", async () => {
    const service = { healthcheck: { tests: ["CMD", "false"], interval: "1s" }, waitTimeout: 3 };
    expect(await upAndFail({ service })).toContain("container failed to be in healthy state");
    expect((await stack.preview()).map(({ name, op }) => ({ name, op }))).toEqual([
      { name: "service", op: "replace" },
    ]);
    await restore();
    expect(await inspect(".State.Health.Status")).toBe("healthy");
  });

  test("says which image cannot be had, or which engine does not answer", async () => {
    const before = await inspect(".Id");
    const image = "registry.invalid/litellm:1";
    expect(await upAndFail({ image })).toContain(
      `Unable to read Docker image into resource: unable to pull image ${image}`,
    );
    // A container of another image is stopped only once that image is there.
    expect(await inspect(".Id")).toBe(before);
    const elsewhere = { host: "unix:///nowhere/docker.sock", service: { stopTimeout: 31 } };
    stack.configure({ ...base, ...elsewhere });
    expect((await stack.preview()).map(({ name, op }) => ({ name, op }))).toEqual([
      { name: "engine", op: "update" },
      { name: "service", op: "replace" },
    ]);
    expect(await upAndFail(elsewhere)).toContain(
      "Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. Is the docker daemon running?",
    );
    await restore();
  });
});
