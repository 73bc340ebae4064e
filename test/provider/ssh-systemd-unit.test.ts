import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { connection } from "../../components/provider/ssh/connection.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import { systemdUnit } from "../../components/provider/ssh/systemd-unit.ts";
import { PartialFailure, type ResourceDefinition } from "../../components/provider/resource.ts";
import { planChanges } from "../../components/provider/server/diff.ts";
import { labEnvironment } from "../lab/environment.ts";
import {
  createNetwork,
  labMachines,
  startMachine,
  type LabNetwork,
  type Machine,
} from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";

const lab = labMachines();
const { context } = operationContext();

const NAME = "ours.service";
const PATH = `/etc/systemd/system/${NAME}`;
const CONTENT = `[Unit]
Description=Ours
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reloaded >>/run/reloads'
[Install]
WantedBy=multi-user.target
`;

describe.skipIf(!lab.available)(`a unit of systemd on a machine (${lab.reason})`, () => {
  let network: LabNetwork;
  let machine: Machine;

  const parse = (changes: object = {}) =>
    systemdUnit.inputs.parse({
      connection: connection.parse(machine.connection()),
      name: NAME,
      content: CONTENT,
      enabled: true,
      active: true,
      startDeadlineSeconds: 20,
      ...changes,
    });
  type Inputs = ReturnType<typeof parse>;
  const read = (inputs: Inputs) =>
    systemdUnit.read(context, inputs.name, { inputs, outputs: inputs });
  /** What a preview shows, as `path kind`. */
  const preview = async (recorded: Inputs, inputs = recorded) => {
    const state = { inputs: recorded, outputs: recorded };
    const definition = systemdUnit as unknown as ResourceDefinition;
    const observed = await read(recorded);
    return planChanges(
      definition,
      { recorded: state, observed: observed as never, inputs },
      [],
    ).map(({ path, kind }) => `${path.join(".")} ${kind}`);
  };
  const update = async (inputs: Inputs, previousInputs = inputs) => {
    const outputs = { ...previousInputs, state: "", overrides: [], loaded: true };
    const updated = await systemdUnit.update(context, inputs.name, {
      inputs,
      previousInputs,
      outputs,
    });
    expect(await preview(inputs)).toEqual([]);
    return updated;
  };
  /** Of another deployment: what one has written itself it does not delete again. */
  const remove = async (inputs: Inputs) => {
    vi.resetModules();
    const later = await import("../../components/provider/ssh/systemd-unit.ts");
    await later.systemdUnit.delete(context, inputs.name, {
      inputs,
      outputs: { ...inputs, state: "", overrides: [], loaded: true },
    });
    await (await import("../../components/provider/ssh/session.ts")).closeSessions();
  };
  const mainProcess = (name = NAME) => machine.script(`systemctl show -P MainPID ${name}`);
  const is = async (verb: string, name = NAME) =>
    (await machine.execute(["systemctl", verb, name])).stdout.trim();

  beforeAll(async () => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
    network = await createNetwork(`unit-${process.pid}`);
    machine = await startMachine(`unit-${process.pid}`, {
      network,
      address: network.address(18),
    });
  });

  afterAll(async () => {
    await closeSessions();
    await machine.remove();
    await network.remove();
  });

  test("is written, enabled and started, and then nothing changes it", async () => {
    expect(await read(parse())).toBeUndefined();
    const { id, outputs } = await systemdUnit.create(context, parse());
    expect(id).toBe(NAME);
    expect(outputs).toEqual({ state: "active", overrides: [], loaded: true });
    expect(await is("is-enabled")).toBe("enabled");
    expect(await machine.script(`stat -c '%a %U:%G' ${PATH}`)).toBe("644 root:root\n");
    expect(await preview(parse())).toEqual([]);
    const process = await mainProcess();
    await update(parse());
    expect(await mainProcess()).toBe(process);
  });

  test("is reloaded for what a reload is enough for, and restarted for the rest", async () => {
    const before = await mainProcess();
    await update(parse({ reloadOn: { config: "1" } }), parse());
    expect(await mainProcess()).toBe(before);
    expect(await machine.script("cat /run/reloads")).toBe("reloaded\n");
    await update(parse({ restartOn: { program: "1" } }), parse());
    expect(await mainProcess()).not.toBe(before);
    const longer = parse({ content: CONTENT.replace("Ours", "Still ours") });
    expect(await preview(parse(), longer)).toEqual(["content update"]);
    await update(longer, parse());
    expect(await machine.script(`systemctl show -P Description ${NAME}`)).toBe("Still ours\n");
    await update(parse(), longer);
  });

  test("shows and mends what somebody has done to it", async () => {
    const mends = async (deed: string, ...shown: string[]) => {
      await machine.script(deed);
      expect(await preview(parse())).toEqual(shown);
      await update(parse());
    };
    await mends(`systemctl stop ${NAME}`, "active update");
    await mends(`systemctl disable ${NAME}`, "enabled update");
    await mends(`sed -i s/Ours/Theirs/ ${PATH}`, "content update", "loaded update");
    await mends(
      `mkdir -p ${PATH}.d; printf '[Service]\\nNice=5\\n' >${PATH}.d/override.conf; systemctl daemon-reload`,
      "overrides update",
    );
    expect(await machine.script(`ls -d ${PATH}.d 2>&1 || :`)).toContain("No such file");
    await mends(
      `systemctl mask --runtime ${NAME}; systemctl stop ${NAME}`,
      ...["active update", "overrides update"],
    );
    await mends(
      `systemctl stop ${NAME}; rm ${PATH}; systemctl mask ${NAME}`,
      ...["content update", "enabled update", "active update", "overrides update"],
    );
    await mends(
      `systemctl kill --signal=KILL ${NAME}; sleep 0.3; systemctl is-failed ${NAME}`,
      "active update",
    );
  });

  test("that does not start says why, and is still known", async () => {
    const broken = parse({
      name: "broken.service",
      content: CONTENT.replace("/bin/sleep infinity", "/bin/sh -c 'echo no such model; exit 3'"),
    });
    const failure = systemdUnit.create(context, broken);
    await expect(failure).rejects.toThrow(PartialFailure);
    await expect(failure).rejects.toThrow(
      /broken\.service on root@\S+ does not start: it has ended as soon as it was started\nits journal says: \n(.*\n)*no such model\n(.*\n)*whole journal: ssh .*journalctl -u broken\.service/,
    );
    const slow = parse({
      name: "slow.service",
      content: CONTENT.replace("[Service]", "[Service]\nExecStartPre=/bin/sleep 60"),
      startDeadlineSeconds: 1,
    });
    await expect(systemdUnit.create(context, slow)).rejects.toThrow("needs more than 1 s to start");
    const wrong = parse({
      name: "wrong.service",
      content: "[Service]\nExecStart=nothing\n[Install]\n",
    });
    await expect(systemdUnit.create(context, wrong)).rejects.toThrow("wrong.service");
    for (const inputs of [broken, slow, wrong]) {
      await remove(inputs);
      expect(await read(inputs)).toBeUndefined();
    }
  });

  test("of somebody else is refused", async () => {
    await machine.script(
      `printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/theirs.service`,
    );
    await expect(systemdUnit.create(context, parse({ name: "theirs.service" }))).rejects.toThrow(
      "has a unit theirs.service already with another content, which this deployment has not made; set it aside: ssh",
    );
    await expect(systemdUnit.create(context, parse({ name: "ssh.service" }))).rejects.toThrow(
      "has a unit ssh.service already, in /usr/lib/systemd/system/ssh.service, which this deployment has not made",
    );
    expect(systemdUnit.check(parse({ content: "[Service]\n" }))).toEqual([
      expect.objectContaining({ property: "enabled" }),
    ]);
  });

  test("that is a socket is opened again while its service runs, and what it starts is left alone", async () => {
    const service = parse({
      name: "echo.service",
      content: "[Service]\nExecStart=/bin/sleep infinity\n",
      enabled: false,
      active: "as-needed",
    });
    const socket = parse({
      name: "echo.socket",
      content: "[Socket]\nListenStream=127.0.0.1:7000\n[Install]\nWantedBy=sockets.target\n",
    });
    await systemdUnit.create(context, service);
    await systemdUnit.create(context, socket);
    expect(await is("is-active", "echo.service")).toBe("inactive");
    await machine.script("systemctl start echo.service");
    const before = await mainProcess("echo.service");
    expect(await preview(service)).toEqual([]);
    await update(service);
    expect(await mainProcess("echo.service")).toBe(before);
    await machine.script("systemctl stop echo.socket");
    expect(await preview(socket)).toEqual(["active update"]);
    await update(socket);
    expect(await is("is-active", "echo.service")).toBe("active");
    const moved = parse({ ...socket, content: socket.content.replace("7000", "7001") });
    await update(moved, socket);
    expect(await machine.script("ss -Hltn 'sport = 7001'")).toContain("127.0.0.1:7001");
    await update({ ...service, restartOn: { a: "b" } }, service);
    expect(await is("is-active", "echo.service")).toBe("active");
    await remove(service);
    await remove(moved);
    expect(await machine.script("ss -Hltn 'sport = 7001'")).toBe("");
  });

  test("is there again after a start of the machine, and on a machine made anew", async () => {
    await machine.reboot();
    await machine.script("systemctl is-system-running --wait || :");
    expect(await preview(parse())).toEqual([]);
    await machine.script(`systemctl disable --now ${NAME}; rm ${PATH}; systemctl daemon-reload`);
    expect(await read(parse())).toBeUndefined();
    await update(parse());
    expect(await is("is-active")).toBe("active");
  });

  test("is removed by a later deployment, and once more", async () => {
    await systemdUnit.delete(context, NAME, {
      inputs: parse(),
      outputs: { ...parse(), state: "active", overrides: [], loaded: true },
    });
    expect(await is("is-active")).toBe("active");
    await remove(parse());
    expect(await read(parse())).toBeUndefined();
    expect(await machine.script(`find /etc/systemd -name '${NAME}*'; pgrep -x sleep || :`)).toBe(
      "",
    );
    await remove(parse());
  });
});
