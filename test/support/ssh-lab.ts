import { type Connection, connection } from "../../components/provider/ssh/connection.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import { createNetwork, type Machine, startMachine } from "../lab/machine.ts";

export const SUDO_PASSWORD = "secret of 'sudo' \"$1\"";

export interface SshLab {
  readonly machine: Machine;
  /** An address of the machine's network where nobody is. */
  readonly emptyAddress: string;
  /** How somebody logs in: root, `wheel` (sudo with SUDO_PASSWORD), `free` (sudo without) or `plain` (no sudo). */
  readonly connect: (user?: string, changes?: Partial<Connection>) => Connection;
  remove(): Promise<void>;
}

/** Starts one machine in a network of its own, with users who may become root in different ways. */
export async function startSshLab(name: string): Promise<SshLab> {
  const network = await createNetwork(name);
  let machine: Machine;
  try {
    machine = await startMachine(`${name}-machine`, {
      network,
      address: network.address(18),
      user: { name: "wheel", sudo: "password", password: SUDO_PASSWORD },
    });
  } catch (error) {
    await network.remove();
    throw error;
  }
  await machine.script(`
    for user in free plain; do
      useradd --create-home --shell=/bin/bash "$user"
      cp -r /home/wheel/.ssh "/home/$user"
      chown -R "$user:$user" "/home/$user"
    done
    echo 'plain:of no use' | chpasswd
    echo 'free ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/free
  `);
  return {
    machine,
    emptyAddress: network.address(77),
    connect: (user = "root", changes = {}) =>
      connection.parse({ ...machine.connection(user), ...changes }),
    async remove() {
      await closeSessions();
      await machine.remove();
      await network.remove();
    },
  };
}
