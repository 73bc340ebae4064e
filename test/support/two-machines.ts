import {
  createNetwork,
  type LabNetwork,
  type Machine,
  type MachineOptions,
  startMachine,
} from "../lab/machine.ts";

/** Ends of the addresses in the network. */
const GATEWAY = 18;
const DATABASE = 19;
const STRANGER = 20;

export interface TwoMachinesOptions {
  /** Who logs in on each of the machines; root unless given. */
  readonly user?: MachineOptions["user"];
  /** Whether there is a third machine as well, that has no business with the others; default false. */
  readonly hasStranger?: boolean;
}

export interface TwoMachines {
  readonly network: LabNetwork;
  readonly gateway: Machine;
  readonly database: Machine;
  /** All of them. */
  readonly machines: readonly Machine[];
  /** @throws Error when none was asked for */
  stranger(): Machine;
  /** Starts another bare machine in the network, which `remove` removes as well. */
  add(name: string, lastOfAddress: number, user?: MachineOptions["user"]): Promise<Machine>;
  /** Puts a bare machine with another host key at the address of one of these. */
  rebuild(machine: Machine): Promise<Machine>;
  remove(): Promise<void>;
}

/**
 * Starts a bare machine for the gateway and one for its database, in a network of their own.
 *
 * @param name of the network, with which the names of the machines begin; nobody else's
 */
export async function startTwoMachines(
  name: string,
  { user, hasStranger = false }: TwoMachinesOptions = {},
): Promise<TwoMachines> {
  const network = await createNetwork(name);
  const machines = new Map<string, Machine>();
  const remove = async () => {
    await Promise.all([...machines.values()].map((machine) => machine.remove()));
    await network.remove();
  };
  const start = async (role: string, last: number, login = user) => {
    const address = network.address(last);
    const options = { network, address, ...(login !== undefined && { user: login }) };
    const machine = await startMachine(`${name}-${role}`, options);
    machines.set(machine.name, machine);
    return machine;
  };
  const started = await Promise.allSettled([
    start("gateway", GATEWAY),
    start("database", DATABASE),
    ...(hasStranger ? [start("stranger", STRANGER)] : []),
  ]);
  for (const outcome of started) {
    if (outcome.status === "rejected") {
      await remove();
      throw outcome.reason as Error;
    }
  }
  const find = (role: string): Machine => {
    const machine = machines.get(`${name}-${role}`);
    if (machine === undefined) throw new Error(`there is no machine ${role}`);
    return machine;
  };
  return {
    network,
    get gateway() {
      return find("gateway");
    },
    get database() {
      return find("database");
    },
    get machines() {
      return [...machines.values()];
    },
    stranger: () => find("stranger"),
    add: start,
    async rebuild(machine) {
      await machine.remove();
      const role = machine.name.slice(name.length + 1);
      return start(role, Number(machine.address.split(".").at(-1)));
    },
    remove,
  };
}
