import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { containerFile } from "../../components/provider/docker/container-file.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine, labEnvironment } from "../lab/environment.ts";
import { operationContext } from "../support/operation-context.ts";

const lab = dockerEngine();
const { context } = operationContext();
const container = `container-file-test-${process.pid}`;
const folder = "/etc/folder with spaces";
const path = `${folder}/credentials.yaml`;
const secret = "a secret that no command line shows";

const parse = (inputs: object = {}) =>
  containerFile.inputs.parse({
    engine: {},
    container,
    path,
    content: `one ✓\n${secret}\n`,
    ...inputs,
  });
const execute = (...command: string[]) => docker(["exec", container, ...command]);
const read = (id = `${container}:${path}`) =>
  containerFile.read(context, id, { inputs: {}, outputs: {} });
/** Of another deployment: what one has written itself it does not delete again. */
const remove = async (inputs = parse()) => {
  vi.resetModules();
  const later = await import("../../components/provider/docker/container-file.ts");
  await later.containerFile.delete(context, "", { inputs, outputs: inputs });
};

describe.skipIf(!lab.available)(`a file in a container (${lab.reason})`, () => {
  beforeAll(async () => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
    await docker([
      ...["run", "--detach", "--init", "--read-only", "--user=1000", "--cap-drop=ALL"],
      ...["--label", LAB_LABEL, "--name", container, "--volume", `${container}:${folder}`],
      ...["node:24-slim", "sleep", "600"],
    ]);
  });

  afterAll(async () => {
    await docker(["rm", "--force", "--volumes", container]);
    await docker(["volume", "rm", "--force", container]);
    vi.unstubAllEnvs();
  });

  afterEach(async () => {
    await docker([
      "exec",
      "--user=0",
      container,
      "sh",
      "-c",
      `rm -rf "${folder}"/* "${folder}"/.[!.]*`,
    ]);
  });

  test("is written with mode and owner, and nothing is left beside it", async () => {
    const created = await containerFile.create(context, parse({ mode: "0600", owner: 1000 }));
    expect(created).toEqual({ id: `${container}:${path}`, outputs: {} });
    expect(await execute("stat", "--format=%a %u %g", path)).toBe("600 1000 1000\n");
    expect(await execute("cat", path)).toBe(`one ✓\n${secret}\n`);
    expect(await execute("ls", "-A", folder)).toBe("credentials.yaml\n");
  });

  test("is observed as it is", async () => {
    const inputs = parse();
    await containerFile.create(context, inputs);
    expect(await read()).toEqual({ inputs, outputs: {} });
    const script = `echo edited > "${path}" && chmod 640 "${path}"`;
    await docker(["exec", "--user=0", container, "sh", "-c", script]);
    expect(await read()).toEqual({
      inputs: { ...inputs, content: "edited\n", mode: "0640" },
      outputs: {},
    });
    await docker(["exec", "--user=0", container, "rm", path]);
    expect(await read()).toBeUndefined();
    expect(await read(`${container}:/no/such/folder/file`)).toBeUndefined();
    expect(await read(`${container}-none:${path}`)).toBeUndefined();
  });

  test("is replaced as a whole: a reader sees the old text or the new, never a part", async () => {
    const texts = ["a", "b"].map((letter) => letter.repeat(1 << 20));
    await containerFile.create(context, parse({ content: texts[0] }));
    const readAgainAndAgain = docker([
      ...["exec", container, "node", "-e"],
      `const { readFileSync } = require("node:fs"); const seen = new Set();
       for (const end = Date.now() + 60000; Date.now() < end && seen.size < 2; ) {
         const text = readFileSync(process.argv[1], "utf8");
         seen.add(text.length + text[0] + text.at(-1));
       }
       console.log([...seen].join());`,
      path,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const inputs = parse({ content: texts[1] });
    await containerFile.update(context, "", { inputs, previousInputs: inputs, outputs: inputs });
    expect(await readAgainAndAgain).toBe("1048576aa,1048576bb\n");
  });

  test("is on no command line while it is written", async () => {
    const watch = docker([
      ...["run", "--rm", "--pid=host", "--label", LAB_LABEL, "node:24-slim", "node", "-e"],
      `const { readdirSync, readFileSync } = require("node:fs"); const seen = new Set();
       for (const end = Date.now() + 2500; Date.now() < end; ) {
         for (const pid of readdirSync("/proc").filter((name) => /^\\d+$/.test(name))) {
           try { seen.add(readFileSync("/proc/" + pid + "/cmdline", "utf8").replaceAll("\\0", " ")); } catch {}
         }
       }
       const texts = [...seen].filter((text) => text.includes(process.argv[1].slice(0, 9)));
       console.log(texts.length > 0, texts.some((text) => text.includes("no command" + " line")));`,
      container,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 800));
    await containerFile.create(context, parse());
    await containerFile.create(context, parse());
    expect(await watch).toBe("true false\n");
  });

  test("is deleted by a later deployment, and once more, with its container and without", async () => {
    await containerFile.create(context, parse());
    await containerFile.delete(context, "", { inputs: parse(), outputs: parse() });
    expect(await execute("ls", folder)).toBe("credentials.yaml\n");
    await remove();
    expect(await execute("ls", folder)).toBe("");
    await remove();
    await remove(parse({ container: `${container}-none` }));
  });

  test("says what to do when its container is not there, or has no such folder", async () => {
    await expect(
      containerFile.create(context, parse({ container: `${container}-none` })),
    ).rejects.toThrow(
      `${container}-none, which ${path} is written into, is not there; let Pulumi see that, and make it again: pulumi up --refresh`,
    );
    await expect(containerFile.create(context, parse({ path: "/none/here" }))).rejects.toThrow(
      `${container} has no folder /none; see what it mounts: docker inspect --format '{{json .Mounts}}' ${container}`,
    );
    await docker(["pause", container]);
    try {
      await expect(containerFile.create(context, parse())).rejects.toThrow(
        `${container}, which ${path} is written into, does not run; start it: docker unpause ${container}`,
      );
      await remove();
    } finally {
      await docker(["unpause", container]);
    }
    await docker(["stop", "--time=2", container]);
    try {
      await expect(containerFile.create(context, parse())).rejects.toThrow(
        `${container}, which ${path} is written into, does not run; start it: docker start ${container}`,
      );
      expect(await read()).toBeUndefined();
      await remove();
    } finally {
      await docker(["start", container]);
    }
    expect(await execute("ls", "-A", folder)).toBe("");
  });

  test("ends at once when the deployment is cancelled", async () => {
    const cancelled = operationContext(AbortSignal.abort(new Error("cancelled"))).context;
    await expect(containerFile.create(cancelled, parse())).rejects.toThrow("cancelled");
    expect(await execute("ls", "-A", folder)).toBe("");
  });

  test("refuses a folder's path, and a mode that is not octal", () => {
    const { error } = containerFile.inputs.safeParse({ ...parse(), path: "/etc/", mode: "644" });
    expect(error?.issues.map(({ message }) => message)).toEqual([
      "must be an absolute path of a file",
      'must be an octal mode such as "0640"',
    ]);
  });
});
