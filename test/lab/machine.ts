/**
 * Bare Debian servers to deploy to: containers with systemd as their first process and sshd, in a
 * network that this machine is in as well.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { docker, LAB_LABEL } from "./docker.ts";
import { type DockerEngine, dockerEngine, labEnvironment } from "./environment.ts";
import { machineImage } from "./machine-image.ts";

const START_SECONDS = 120;
const STOP_SECONDS = 60;
const SSH_PORT = 22;
const BLACK_HOLE = "/dev/null";
/** The first of the networks that are tried, `192.168.10.0/24`, and how many there are. */
const FIRST_NETWORK = 10;
const NETWORKS = 200;

/** What programs need to get at package registries from here, where the environment has it. */
const INHERITED = [
  ...["SSL_CERT_FILE", "PIP_INDEX_URL", "PIP_CERT", "UV_INDEX_URL", "UV_DEFAULT_INDEX"],
  ...["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"],
];

export interface LabNetwork {
  readonly name: string;
  /** `192.168.10.0/24` */
  readonly subnet: string;
  /** An address in it: `192.168.10.18` for 18. 1 is this machine, whose tests see it as the client. */
  address(last: number): string;
  /** @throws CommandError when machines are left in it */
  remove(): Promise<void>;
}

export interface MachineOptions {
  readonly network: LabNetwork;
  /** One of the network's. */
  readonly address: string;
  /**
   * Somebody to log in as, beside root.
   *
   * @property sudo whether he may become root: without a password, with his own, or not at all
   * @property password for sudo; sshd takes keys only
   */
  readonly user?: {
    readonly name: string;
    readonly sudo: "nopasswd" | "password" | "none";
    readonly password?: string;
  };
}

interface ExecuteResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to reach a machine, with what the input `connection` of resources has. */
export interface LabConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Options of `ssh`: the key to log in with, the file that has the machine's key, no settings of ours. */
  readonly options: string[];
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
}

export interface Machine {
  /** Of the container. */
  readonly name: string;
  readonly address: string;
  /** Folder on this machine with `id` (private key that everybody here is let in by) and `known_hosts`. */
  readonly keys: string;
  /** @param user `root` unless given */
  connection(user?: string): LabConnection;
  /** Runs a command in the machine as root, not over SSH. Any exit code is a result. */
  execute(command: readonly string[], input?: string): Promise<ExecuteResult>;
  /** Runs a script of sh likewise, and returns what it prints. @throws Error unless it ends with 0 */
  script(text: string): Promise<string>;
  /** Ends all services in good order, and starts again. Returns when sshd answers. */
  reboot(): Promise<void>;
  /** Ends all services in good order; the address is dead from then on. */
  stop(): Promise<void>;
  /** Power goes away, at once. */
  cutPower(): Promise<void>;
  /** After `stop` or `cutPower`. */
  start(): Promise<void>;
  /** Cuts it off from the network, or connects it again at the same address. */
  setConnected(isConnected: boolean): Promise<void>;
  /** Removes it with its keys, whatever state it is in. */
  remove(): Promise<void>;
}

/** Whether machines can be had here, for `describe.skipIf(!labMachines().available)`. */
export function labMachines(): DockerEngine {
  const engine = dockerEngine();
  if (!engine.available) return engine;
  const { status } = spawnSync("docker", ["image", "inspect", machineImage.image], {
    env: engine.environment,
    stdio: "ignore",
  });
  return status === 0
    ? engine
    : { ...engine, available: false, reason: "needs root on Debian, and: npm run lab" };
}

/**
 * Makes a network with the first subnet from `192.168.10.0/24` on that is free.
 *
 * @param name of the network; nobody else's
 */
export async function createNetwork(name: string): Promise<LabNetwork> {
  for (let number = FIRST_NETWORK; ; number += 1) {
    const prefix = `192.168.${number}`;
    const subnet = `${prefix}.0/24`;
    try {
      await docker([
        ...["network", "create", `--label=${LAB_LABEL}`, `--subnet=${subnet}`],
        ...[`--gateway=${prefix}.1`, name],
      ]);
    } catch (error) {
      const isTaken = error instanceof CommandError && /overlaps|conflicts/.test(error.output);
      if (isTaken && number < FIRST_NETWORK + NETWORKS) continue;
      throw error;
    }
    return {
      name,
      subnet,
      address: (last) => `${prefix}.${last}`,
      async remove() {
        await docker(["network", "rm", name]);
      },
    };
  }
}

/**
 * Starts a machine and returns when sshd answers, which takes a second or two.
 *
 * @param name of its container, nobody else's; what is before the first `.` becomes its host name
 */
export async function startMachine(
  name: string,
  { network, address, user }: MachineOptions,
): Promise<Machine> {
  const keys = mkdtempSync(join(tmpdir(), "lab-machine-"));
  for (const key of ["id", "host"]) {
    const command = ["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", join(keys, key)];
    await runCommand("ssh-keygen", command, { environment: process.env });
  }
  const hostKey = readKey(join(keys, "host.pub"));
  writeFileSync(join(keys, "known_hosts"), `${address} ${hostKey}\n`);
  const machine = new LabMachine(name, address, network.name, keys, hostKey);
  try {
    await machine.create(layOut(keys, user?.name));
    await machine.start();
    if (user !== undefined) await machine.admit(user);
  } catch (error) {
    await machine.remove();
    throw error;
  }
  return machine;
}

/** Writes the machine's own files as they are in it, and returns their folder. */
function layOut(keys: string, user: string | undefined): string {
  const root = join(keys, "root");
  const place = (path: string, text: string, mode: number) => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const read = (key: string) => readFileSync(join(keys, key), "utf8");
  place("etc/ssh/ssh_host_ed25519_key", read("host"), 0o600);
  place("etc/ssh/ssh_host_ed25519_key.pub", read("host.pub"), 0o644);
  place("root/.ssh/authorized_keys", read("id.pub"), 0o600);
  chmodSync(join(root, "root"), 0o700);
  const inherited = INHERITED.flatMap((variable) =>
    process.env[variable] === undefined ? [] : `${variable}=${process.env[variable]}\n`,
  );
  // Read by PAM for everybody who logs in, and by nothing that systemd starts.
  place("etc/environment", inherited.join(""), 0o644);
  if (user !== undefined) place(`etc/ssh/lab-keys/${user}`, read("id.pub"), 0o644);
  return root;
}

function readKey(file: string): string {
  return readFileSync(file, "utf8").split(" ").slice(0, 2).join(" ");
}

class LabMachine implements Machine {
  readonly name: string;
  readonly address: string;
  readonly keys: string;
  readonly #network: string;
  readonly #hostKey: string;

  constructor(name: string, address: string, network: string, keys: string, hostKey: string) {
    this.name = name;
    this.address = address;
    this.keys = keys;
    this.#network = network;
    this.#hostKey = hostKey;
  }

  connection(user = "root"): LabConnection {
    return {
      host: this.address,
      port: SSH_PORT,
      user,
      options: [
        ...["-F", "none", "-i", join(this.keys, "id"), "-o", "IdentitiesOnly=yes"],
        ...["-o", `UserKnownHostsFile=${join(this.keys, "known_hosts")}`],
        ...["-o", `GlobalKnownHostsFile=${BLACK_HOLE}`, "-o", "IdentityAgent=none"],
      ],
      hostKey: this.#hostKey,
    };
  }

  async create(root: string): Promise<void> {
    const resolver = join(this.keys, "resolv.conf");
    cpSync("/etc/resolv.conf", resolver);
    // The engine's own resolver is a rule in the machine's packet filter, which is not ours to keep.
    const hasOwnResolver = !/^nameserver\s+(127\.|::1)/m.test(readFileSync(resolver, "utf8"));
    await docker([
      ...["create", `--name=${this.name}`, `--hostname=${this.name.split(".")[0] ?? ""}`],
      ...[`--label=${LAB_LABEL}`, `--network=${this.#network}`, `--ip=${this.address}`],
      ...["--privileged", "--cgroupns=private"],
      ...["--tmpfs=/run:exec,mode=755", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec,mode=1777"],
      ...(hasOwnResolver ? [`--volume=${resolver}:/etc/resolv.conf:ro`] : []),
      machineImage.image,
    ]);
    await docker(["cp", "--quiet", `${root}/.`, `${this.name}:/`]);
  }

  async admit({ name, sudo, password }: NonNullable<MachineOptions["user"]>): Promise<void> {
    const home = `/home/${name}`;
    const lines = [
      `useradd --create-home --shell=/bin/bash ${name}`,
      `install -d -m 700 -o ${name} -g ${name} ${home}/.ssh`,
      `install -m 600 -o ${name} -g ${name} /etc/ssh/lab-keys/${name} ${home}/.ssh/authorized_keys`,
      ...(password === undefined ? [] : ["chpasswd <<'END'", `${name}:${password}`, "END"]),
      ...(sudo === "password" ? [`usermod --append --groups=sudo ${name}`] : []),
      ...(sudo === "nopasswd"
        ? [`echo '${name} ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/${name}`]
        : []),
    ];
    await this.script(lines.join("\n"));
  }

  execute(command: readonly string[], input?: string): Promise<ExecuteResult> {
    return new Promise((resolve, reject) => {
      const options = ["exec", "--interactive", this.name, ...command];
      const child = spawn("docker", options, { env: { ...process.env, ...labEnvironment() } });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      // A command that ends without reading its input has its own message.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input ?? "");
      child.once("error", reject);
      child.once("close", (code) => {
        resolve({ code: code ?? -1, stdout, stderr });
      });
    });
  }

  async script(text: string): Promise<string> {
    const { code, stdout, stderr } = await this.execute(["sh", "-eu", "-s"], text);
    if (code !== 0) throw new Error(`a script ended with ${code} on ${this.name}: ${stderr}`);
    return stdout;
  }

  async reboot(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await docker(["stop", `--time=${STOP_SECONDS}`, this.name]);
  }

  async cutPower(): Promise<void> {
    await docker(["kill", this.name]);
  }

  async start(): Promise<void> {
    await docker(["start", this.name]);
    const deadline = Date.now() + START_SECONDS * 1000;
    while (!(await greets(this.address))) {
      if (Date.now() > deadline) {
        const { stdout } = await this.execute(["journalctl", "--no-pager", "--lines=30"]);
        throw new Error(`no sshd at ${this.address} after ${START_SECONDS} s:\n${stdout}`);
      }
      await sleep(50);
    }
  }

  async setConnected(isConnected: boolean): Promise<void> {
    await docker(
      isConnected
        ? ["network", "connect", `--ip=${this.address}`, this.#network, this.name]
        : ["network", "disconnect", this.#network, this.name],
    );
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", "--volumes", this.name]);
    rmSync(this.keys, { recursive: true, force: true });
  }
}

/** Whether a server of SSH answers. */
function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: SSH_PORT, timeout: 1000 });
    const end = (isGreeting: boolean) => () => {
      socket.destroy();
      resolve(isGreeting);
    };
    socket.once("data", end(true));
    socket.once("error", end(false));
    socket.once("close", end(false));
    socket.once("timeout", end(false));
  });
}
