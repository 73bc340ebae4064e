import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Connection } from "../../components/provider/ssh/connection.ts";
import { hostKey } from "../../components/provider/ssh/host-key.ts";
import { openSession } from "../../components/provider/ssh/session.ts";
import { labMachines } from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";
import { type SshLab, startSshLab } from "../support/ssh-lab.ts";

const available = labMachines();

describe.skipIf(!available.available)(`the key of a machine ${available.reason}`, () => {
  let lab: SshLab;
  let key: string;
  /** The connection of somebody whose known_hosts has these lines. */
  const know = (lines: string, changes: Partial<Connection> = {}) => {
    const file = join(lab.machine.keys, "my_known_hosts");
    writeFileSync(file, lines);
    const options = lab
      .connect()
      .options.map((option) =>
        option.replace(/UserKnownHostsFile=.*/, `UserKnownHostsFile=${file}`),
      );
    return lab.connect("root", { hostKey: undefined, options, ...changes });
  };
  const create = async (connection: Connection) => {
    const { context, messages } = operationContext();
    const { outputs } = await hostKey.create(context, hostKey.inputs.parse({ connection }));
    return { ...outputs, messages };
  };

  beforeAll(async () => {
    lab = await startSshLab(`ssh-key-${process.pid}`);
    key = lab.connect().hostKey ?? "";
  });

  afterAll(async () => {
    await lab.remove();
  });

  test("is the given one, or that of known_hosts, of whichever kind", async () => {
    expect(await create(lab.connect())).toEqual({ hostKey: key, messages: [] });
    await lab.machine.script(
      "ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key; systemctl restart ssh",
    );
    const [type, ecdsa] = (await lab.machine.script("cat /etc/ssh/ssh_host_ecdsa_key.pub")).split(
      " ",
    );
    const learnt = await create(know(`${lab.machine.address} ${type} ${ecdsa}\n`));
    expect(learnt.hostKey).toBe(`${type} ${ecdsa}`);
    expect(learnt.messages).toEqual([
      expect.stringMatching(
        /^root@\S+ is known by its key SHA256:\S+ from now on, as your known_hosts has it$/,
      ),
    ]);
    const connection = know("", { hostKey: learnt.hostKey });
    expect(await openSession(connection, AbortSignal.timeout(20_000)).run("echo in")).toBe("in\n");
    await lab.machine.script("rm /etc/ssh/ssh_host_ecdsa_key*; systemctl restart ssh");
  });

  test("is learnt when it is first seen, named in the log, and kept whatever comes", async () => {
    const connection = know("");
    const learnt = await create(connection);
    const printed = await lab.machine.script("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    const fingerprint = printed.split(" ")[1] ?? "";
    expect(learnt.hostKey).toBe(key);
    expect(learnt.messages).toHaveLength(1);
    expect(learnt.messages[0]).toContain(
      `is known by its key ${fingerprint} from now on, which nobody has vouched for; compare it there: ssh `,
    );
    const { context } = operationContext();
    const inputs = { connection };
    const outputs = { ...inputs, hostKey: learnt.hostKey };
    const moved = { connection: { ...connection, host: lab.emptyAddress } };
    expect(await hostKey.read(context, "id", { inputs: moved, outputs })).toEqual({
      inputs: moved,
      outputs: { hostKey: key },
    });
    const change = { inputs: moved, previousInputs: inputs, outputs };
    expect(await hostKey.update(context, "id", change)).toEqual({ hostKey: key });
  });

  test("is not learnt from a machine that known_hosts has under another key, nor from one that does not let us in", async () => {
    const other = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0Zd3C2f8f3yZ2uRr5WbYF1cXn2m0Vt7pS4qH6kLw8x";
    const message = `^root@\\S+ shows another key than your known_hosts has: it was set up anew, or somebody stands between; if you know why, forget the old key: ssh-keygen -R ${lab.machine.address}\n`;
    await expect(create(know(`${lab.machine.address} ssh-ed25519 ${other}\n`))).rejects.toThrow(
      new RegExp(message),
    );
    await expect(create(know("", { user: "stranger" }))).rejects.toThrow(
      /^stranger@\S+ does not let us in; /,
    );
  });

  test("that changes later keeps everybody out until it is learnt anew", async () => {
    const { hostKey: learnt } = await create(know(""));
    await lab.machine.script(
      "rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh",
    );
    const session = openSession(know("", { hostKey: learnt }), AbortSignal.timeout(20_000));
    await expect(session.run("true")).rejects.toThrow(
      /^root@\S+ shows another key than the one that it is known by: .*: pulumi up --replace '\*\*litellm:ssh:HostKey\*\*'/,
    );
    expect((await create(know(""))).hostKey).not.toBe(learnt);
  });
});
