import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { job, type JobInputs } from "../../components/provider/ssh/job.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import {
  createNetwork,
  labMachines,
  type LabNetwork,
  type Machine,
  startMachine,
} from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";

const available = labMachines();
const { context } = operationContext();
const SECRET = "p4ss/w0rd";
const URL_WITH_SECRET = `postgresql://litellm_user:${encodeURIComponent(SECRET)}@db/litellm_db`;

describe.skipIf(!available.available)(`a job on a machine ${available.reason}`, () => {
  let network: LabNetwork;
  let machine: Machine;

  const parse = (script: string, changes: Partial<JobInputs> = {}) =>
    job.inputs.parse({
      connection: machine.connection("deploy"),
      name: "test",
      command: ["/bin/sh", "-c", script],
      user: "worker",
      ...changes,
    });
  const create = async (inputs: JobInputs) => (await job.create(context, inputs)).outputs;
  const read = (path: string) => machine.script(`cat ${path} 2>/dev/null || :`);

  beforeAll(async () => {
    const name = `ssh-job-${process.pid}`;
    network = await createNetwork(name);
    machine = await startMachine(name, {
      network,
      address: network.address(18),
      user: { name: "deploy", sudo: "nopasswd" },
    });
    await machine.script(`
      useradd --system worker
      install -d -o worker -g worker /var/lib/work
      install -m 640 -g worker /dev/null /etc/job.env
      echo 'DATABASE_URL=${URL_WITH_SECRET}' >/etc/job.env`);
  });

  afterEach(async () => {
    await machine.script("rm -rf /var/lib/work/*");
  });

  afterAll(async () => {
    await closeSessions();
    await machine.remove();
    await network.remove();
  });

  test("runs as its user, with the variables of its file and its own, once", async () => {
    const inputs = parse('echo "$(id -un) $PWD $PLACE $DATABASE_URL" >>seen', {
      folder: "/var/lib/work",
      environmentFile: "/etc/job.env",
      environment: { PLACE: 'a "quoted" $place' },
    });
    const outputs = await create(inputs);
    const line = `worker /var/lib/work a "quoted" $place ${URL_WITH_SECRET}\n`;
    expect(await read("/var/lib/work/seen")).toBe(line);
    expect(outputs.ranFor).toMatch(/^[0-9a-f]{64}$/);
    const state = { inputs, outputs: { ...inputs, ...outputs } };
    expect(await job.read(context, "test", state)).toEqual({ inputs, outputs });
  });

  test("runs again for another reason or command, and for nothing else", async () => {
    const inputs = parse("echo ran >>seen", { folder: "/var/lib/work", runOn: { lock: "1" } });
    let outputs = await create(inputs);
    const update = async (changes: Partial<JobInputs>) => {
      const change = { inputs: { ...inputs, ...changes }, previousInputs: inputs };
      outputs = await job.update(context, "test", {
        ...change,
        outputs: { ...inputs, ...outputs },
      });
      return (await read("/var/lib/work/seen")).split("\n").length - 1;
    };
    expect(await update({ deadlineSeconds: 5, environment: { OTHER: "variable" } })).toBe(1);
    expect(await update({ runOn: { lock: "2" } })).toBe(2);
    expect(await update({ runOn: { lock: "2" } })).toBe(2);
    expect(await update({ command: ["/bin/sh", "-c", "echo more >>seen"] })).toBe(3);
  });

  test("says why it failed, without passwords, and leaves no unit behind", async () => {
    const inputs = parse('echo "cannot reach $DATABASE_URL"; echo "no such table" >&2; exit 7', {
      environmentFile: "/etc/job.env",
    });
    const error = await create(inputs).catch((reason: unknown) => String(reason));
    expect(error).toBe(
      [
        "Error: the job test failed with status 7; remove the cause and run again: pulumi up",
        "cannot reach postgresql://***@db/litellm_db",
        "no such table",
      ].join("\n"),
    );
    expect(await machine.script("systemctl list-units --all --plain 'litellm-job-*'")).not.toMatch(
      /^litellm-job/m,
    );
    expect(await machine.script("journalctl --no-pager")).not.toContain(encodeURIComponent(SECRET));
  });

  test.each([
    ["there is no file /etc/gone.env on the machine", { environmentFile: "/etc/gone.env" }],
    ["executable '?/gone/python", { command: ["/gone/python"] }],
    ["there is no user nobody-here on the machine", { user: "nobody-here" }],
  ])("explains what systemd cannot start: %s", async (message, changes) => {
    await expect(create(parse("true", changes))).rejects.toThrow(new RegExp(message, "i"));
  });

  test("is stopped at its deadline", async () => {
    const inputs = parse("echo waiting for the lock; sleep 60", { deadlineSeconds: 1 });
    await expect(create(inputs)).rejects.toThrow(
      /^the job test did not end within 1 seconds and was stopped; .*pulumi up\nwaiting for the lock/,
    );
  });

  test("is stopped with the deployment, and runs again with the next", async () => {
    const folder = "/var/lib/work";
    const inputs = parse("echo begun >>seen; sleep 60", { folder });
    const abort = new AbortController();
    const running = job.create(operationContext(abort.signal).context, inputs);
    const outcome = expect(running).rejects.toThrow("cancelled");
    while ((await read(`${folder}/seen`)) === "") await sleep(50);
    abort.abort(new Error("cancelled"));
    await outcome;
    const { code } = await machine.execute(["systemctl", "is-active", "litellm-job-test"]);
    expect(code).not.toBe(0);
    await create(parse("echo ended >>seen", { folder }));
    expect(await read(`${folder}/seen`)).toBe("begun\nended\n");
  });

  test("takes the place of one whose connection broke", async () => {
    const folder = "/var/lib/work";
    await machine.script(
      `systemd-run --quiet --unit=litellm-job-test --property=User=worker sh -c 'sleep 2; echo orphan >>${folder}/seen'`,
    );
    await create(parse("echo ours >>seen; sleep 3", { folder }));
    expect(await read(`${folder}/seen`)).toBe("ours\n");
  });

  test("can write nowhere but in its folder, and sees no home", async () => {
    const probe = (path: string) => `(: >${path}) 2>/dev/null && echo ${path}`;
    const places = [
      "/var/lib/work/a",
      "/etc/a",
      "/opt/a",
      "/var/lib/a",
      "/home/deploy/a",
      "/root/a",
    ];
    await create(
      parse(`{ ${places.map(probe).join("; ")}; ls /home/deploy; } >seen 2>/dev/null; :`, {
        folder: "/var/lib/work",
        user: "root",
      }),
    );
    // Root without its capabilities is not the owner of the folder.
    expect(await read("/var/lib/work/seen")).toBe("");
    await create(
      parse(`{ ${places.map(probe).join("; ")}; ls /home/deploy; } >seen 2>/dev/null; :`, {
        folder: "/var/lib/work",
      }),
    );
    expect(await read("/var/lib/work/seen")).toBe("/var/lib/work/a\n");
  });
});
