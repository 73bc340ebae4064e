import { existsSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { type LabConnection, labMachines } from "../lab/machine.ts";
import { startTwoMachines, type TwoMachines } from "../support/two-machines.ts";

const PASSWORD = "p@ss word'\"$";
const available = labMachines();

/** Runs a command over SSH, as whoever deploys does. */
function ssh({ host, port, user, options }: LabConnection, command: string, input?: string) {
  return runCommand(
    "ssh",
    [
      ...options,
      ...["-p", String(port), "-l", user, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"],
      ...["-o", "StrictHostKeyChecking=yes", host, command],
    ],
    { environment: process.env, ...(input !== undefined && { input }) },
  );
}

describe.skipIf(!available.available)(`lab machines ${available.reason}`, () => {
  let pair: TwoMachines;

  beforeAll(async () => {
    pair = await startTwoMachines(`lab-machine-${process.pid}`, {
      user: { name: "ops", sudo: "password", password: PASSWORD },
    });
  });

  afterAll(async () => {
    const folders = pair.machines.map(({ keys }) => keys);
    await pair.remove();
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it("runs systemd and nothing but what a bare server has", async () => {
    const { gateway } = pair;
    const state = await gateway.execute(["systemctl", "is-system-running", "--wait"]);
    expect(state).toEqual({ code: 0, stdout: "running\n", stderr: "" });
    const have = await gateway.script(
      "for name in systemctl apt-get python3 sudo ss psql uv curl nft pip; do command -v $name || true; done",
    );
    expect(have.trim().split("\n")).toEqual(
      ["systemctl", "apt-get", "python3", "sudo", "ss"].map((name) => `/usr/bin/${name}`),
    );
  });

  it("lets in the key of the test, and sudo needs the password", async () => {
    const { gateway, database } = pair;
    const ops = gateway.connection("ops");
    expect(await ssh(gateway.connection(), "hostname")).toBe(`${gateway.name}\n`);
    expect(await ssh(ops, "sudo -S -p '' id -un", `${PASSWORD}\n`)).toBe("root\n");
    await expect(ssh(ops, "sudo -n true")).rejects.toMatchObject({
      output: expect.stringContaining("a password is required") as string,
    });
    const stranger = { ...database.connection(), options: gateway.connection().options };
    await expect(ssh(stranger, "true")).rejects.toThrow(CommandError);
  });

  it("reaches the other machine by its address, and Debian's packages", async () => {
    const { gateway, database } = pair;
    const read = `import socket; print(socket.create_connection(("${database.address}", 22), 5).recv(4))`;
    expect(await gateway.execute(["python3", "-c", read])).toMatchObject({
      stdout: "b'SSH-'\n",
    });
    const release = await gateway.script(
      `apt-get --print-uris update | grep -o "http[^']*InRelease" | xargs python3 -c "
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=20).read(400).decode())"`,
    );
    expect(release).toContain("Codename: trixie");
  });

  it("keeps its files, address and keys over a reboot and a power cut", async () => {
    const { gateway } = pair;
    const boot = () => gateway.script("cat /proc/1/stat | cut -d' ' -f22");
    await gateway.script("echo kept > /root/kept; echo gone > /run/gone");
    const first = await boot();
    await gateway.reboot();
    expect(await ssh(gateway.connection(), "cat /root/kept; ls /run/gone 2>&1 || true")).toBe(
      "kept\nls: cannot access '/run/gone': No such file or directory\n",
    );
    expect(await boot()).not.toBe(first);
    await gateway.cutPower();
    await expect(ssh(gateway.connection(), "true")).rejects.toThrow(CommandError);
    await gateway.start();
    expect(await ssh(gateway.connection("ops"), "id -un")).toBe("ops\n");
  });

  it("is another machine at the same address once it is rebuilt", async () => {
    const old = pair.database;
    const known = old.connection();
    const rebuilt = await pair.rebuild(old);
    expect(rebuilt.address).toBe(old.address);
    expect(rebuilt.connection().hostKey).not.toBe(known.hostKey);
    expect(await ssh(rebuilt.connection(), "hostname")).toBe(`${old.name}\n`);
  });
});
