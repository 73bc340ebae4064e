import { readFileSync } from "node:fs";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import {
  machinePythonEnvironment,
  type MachinePythonEnvironmentInputs,
  type MachinePythonEnvironmentOutputs,
} from "../../components/provider/ssh/python-environment.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { labMachines } from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";
import { type SshLab, startSshLab, SUDO_PASSWORD } from "../support/ssh-lab.ts";

const available = labMachines();
const { context } = operationContext();
const lock = readFileSync("components/provider/litellm/requirements.lock", "utf8");
const PATH = "/opt/it's litellm/python";
const HOME = "/opt/it's litellm";

/** One package of the lock, with all of its hashes. */
function lockedPackage(name: string): string {
  const found = new RegExp(`^${name}==.*(?:\\n {4}--hash.*)+`, "m").exec(lock)?.[0];
  if (found === undefined) {
    throw new Error(`${name} is not locked`);
  }
  return `${found}\n`;
}

describe.skipIf(!available.available)(`a Python environment there ${available.reason}`, () => {
  let lab: SshLab;
  let inputs: MachinePythonEnvironmentInputs;
  let outputs: MachinePythonEnvironmentOutputs;

  const script = (text: string) => lab.machine.script(text);
  const parse = (changes: Partial<MachinePythonEnvironmentInputs> = {}) => {
    const requirements = changes.requirements ?? lockedPackage("idna");
    return machinePythonEnvironment.inputs.parse({
      connection: lab.connect("wheel", { sudoPassword: SUDO_PASSWORD }),
      path: PATH,
      requirements,
      requirementsSha256: sha256(requirements),
      ...changes,
    });
  };
  const create = async (changes: Partial<MachinePythonEnvironmentInputs> = {}) =>
    (await machinePythonEnvironment.create(context, parse(changes))).outputs;
  const update = (changes: Partial<MachinePythonEnvironmentInputs> = {}) =>
    machinePythonEnvironment.update(context, PATH, {
      inputs: parse(changes),
      previousInputs: inputs,
      outputs: { ...inputs, ...outputs },
    });
  const observe = async () => {
    const observed = await machinePythonEnvironment.read(context, PATH, { inputs, outputs: {} });
    const drift =
      observed &&
      machinePythonEnvironment.drift({ ...observed.inputs, ...observed.outputs }, inputs);
    return { outputs: observed?.outputs, drift };
  };

  beforeAll(async () => {
    lab = await startSshLab(`ssh-python-${process.pid}`);
    inputs = parse();
    outputs = await create();
  });

  afterEach(async () => {
    await script("rm -f /etc/pip.conf");
  });

  afterAll(async () => {
    await lab.remove();
  });

  test("holds exactly the locked packages and runs for everybody", async () => {
    const list = "import importlib.metadata as m; print([d.name for d in m.distributions()])";
    expect(await script(`setpriv --reuid=nobody "${PATH}/bin/python" -c "${list}"`)).toBe(
      "['idna']\n",
    );
    expect(outputs.python).toBe(`${PATH}/bin/python`);
    expect(outputs.pythonVersion).toMatch(/^3\.1[23]\.\d+$/);
    expect(await observe()).toEqual({ outputs, drift: [] });
    expect(await script(`find "${HOME}" ! -user root`)).toBe("");
  });

  test("leaves what is whole as it is, wherever the machine is", async () => {
    const inode = () => script(`stat -c %i "${PATH}"`);
    const before = await inode();
    expect(await create()).toEqual(outputs);
    expect(await update({ connection: lab.connect("root") })).toEqual(outputs);
    expect(await inode()).toBe(before);
  });

  test.each([
    ["its interpreter is gone", "ln -sf /gone/python3 bin/python"],
    ["a package was removed", "rm -r lib/python3.*/site-packages/idna-*.dist-info"],
    ["a package was added", "mkdir lib/python3.13/site-packages/other-1.0.dist-info"],
    ["it was interrupted", "rm litellm-environment.json"],
  ])("is made again when %s", async (_what, edit) => {
    await script(`cd "${PATH}" && ${edit}`);
    expect((await observe()).drift).toEqual(["installedSha256"]);
    expect(await update()).toEqual(outputs);
    expect(await observe()).toEqual({ outputs, drift: [] });
  });

  test("is made where a machine was made anew", async () => {
    await script(`rm -r "${HOME}"`);
    expect(await observe()).toEqual({ outputs: undefined, drift: undefined });
    expect(await update()).toEqual(outputs);
  });

  test("can be cancelled, and then goes on", async () => {
    const cancelled = operationContext(AbortSignal.timeout(700)).context;
    const other = { path: `${HOME}/other` };
    await expect(
      machinePythonEnvironment.create(cancelled, parse({ ...other, requirements: lock })),
    ).rejects.toThrow("timeout");
    await create(other);
    await script(`rm -r "${HOME}/other"`);
  });

  test("leaves a folder of something else alone", async () => {
    await script(`mkdir -p /srv/documents; echo work >/srv/documents/thesis.txt`);
    await expect(create({ path: "/srv/documents" })).rejects.toThrow(
      "/srv/documents exists on the machine and is no Python environment; set it aside there: mv '/srv/documents' '/srv/documents.old'",
    );
    await machinePythonEnvironment.delete(context, "/srv/documents", {
      inputs,
      outputs: inputs as never,
    });
    expect(await script("ls /srv/documents; rm -r /srv/documents")).toBe("thesis.txt\n");
  });

  test("takes the index that the machine's own pip has, and says when it is out of reach", async () => {
    await script(`
      sed -i '/INDEX/d' /etc/environment
      cat >/etc/pip.conf <<'END'
# the company's
[global]
timeout = 3
index_url =
  http://somebody:s3cret@127.0.0.1:9/simple
END`);
    const other = { path: `${HOME}/other`, requirements: lockedPackage("certifi") };
    const error = await create(other).catch((reason: unknown) => String(reason));
    expect(error).toContain(
      "the machine cannot reach the Python package index; name one that it reaches, or a proxy, in its /etc/pip.conf",
    );
    expect(error).toContain("127.0.0.1:9");
    expect(error).not.toContain("s3cret");
    await script(`rm -r "${HOME}/other"`);
  });

  test("says when a package is not the one that is locked", async () => {
    const requirements = lockedPackage("certifi").replace(/sha256:\w{8}/g, "sha256:00000000");
    await expect(create({ path: `${HOME}/other`, requirements })).rejects.toThrow(
      "a package that the machine downloaded is not the one that is locked",
    );
  });

  test("says when there is no Python, and none can be downloaded", async () => {
    await expect(create({ path: `${HOME}/other`, pythonVersion: "==3.9.1" })).rejects.toThrow(
      "the machine has no Python ==3.9.1, and none could be downloaded to it; install one there, such as: apt-get install python3",
    );
  });

  test("says when the disk is full", async () => {
    await script("mkdir /srv/small; mount -t tmpfs -o size=60m tmpfs /srv/small");
    await expect(create({ path: "/srv/small/python", requirements: lock })).rejects.toThrow(
      /disk.* is full/,
    );
    await script("umount /srv/small");
  });

  test("refuses requirements with another hash than they say", () => {
    expect(
      machinePythonEnvironment.check({ ...inputs, requirementsSha256: "0".repeat(64) }),
    ).toEqual([
      {
        property: "requirementsSha256",
        reason: `is not that of \`requirements\`, which is ${inputs.requirementsSha256}`,
      },
    ]);
  });

  test("is undone with what served it", async () => {
    const state = { inputs, outputs: { ...inputs, ...outputs } };
    await machinePythonEnvironment.delete(context, PATH, state);
    await machinePythonEnvironment.delete(context, PATH, state);
    expect(await script(`ls -A "${HOME}"`)).toBe("");
  });
});
