import { spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { runCommand } from "../../components/provider/host/command.ts";
import { unpackMissing } from "./debian.ts";
import { labEnvironment } from "./environment.ts";
import { labPath } from "./folder.ts";

const FOLDER = labPath("openssh");
const USER = "deploy";
const START_SECONDS = 20;

export interface SshServer {
  /** `ssh://deploy@127.0.0.1:…` */
  readonly host: string;
  /** Options for `ssh`: the key to log in with, and the server's key to expect. */
  readonly options: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts an SSH server on 127.0.0.1 that lets in one key of its own, as a user who may use Docker and
 * whom nobody else on the machine sees. For root on Debian.
 *
 * @param folder for keys and settings; only we may enter it
 */
export async function startSshServer(folder: string, port: number): Promise<SshServer> {
  const program = await provideServer();
  const place = (name: string) => join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of ["host-key", "user-key"]) {
    const command = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", place(name)];
    await runCommand("ssh-keygen", command, { environment: process.env });
  }
  copyFileSync("/etc/passwd", place("passwd"));
  appendFileSync(
    place("passwd"),
    `sshd:*:65533:65534::/run/sshd:/usr/sbin/nologin\n${USER}:*:0:0::${folder}:/bin/sh\n`,
  );
  const hostKey = readFileSync(`${place("host-key")}.pub`, "utf8");
  writeFileSync(place("known_hosts"), `[127.0.0.1]:${port} ${hostKey}`);
  writeFileSync(
    place("sshd_config"),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey "${place("host-key")}"`,
      `AuthorizedKeysFile "${place("user-key")}.pub"`,
      "AuthenticationMethods publickey",
      "UsePAM no",
      "StrictModes no",
      "PidFile none",
      // Docker's provider opens many at once.
      "MaxStartups 100",
      `SetEnv PATH="${{ ...process.env, ...labEnvironment() }.PATH ?? ""}"`,
      "",
    ].join("\n"),
  );
  const libraries = globSync(`${FOLDER}/usr/lib/*-linux-gnu`);
  const server = spawn(
    "unshare",
    // Its users, the one it wants for itself among them, are in a list that only it sees.
    [
      ...["--mount", "sh", "-c"],
      'mkdir -p /run/sshd && mount --bind "$0" /etc/passwd && exec "$@"',
      ...[place("passwd"), program, "-D", "-e", "-f", place("sshd_config")],
    ],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) },
    },
  );
  let log = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = new Promise<void>((resolve) =>
    server.once("close", () => {
      resolve();
    }),
  );
  const deadline = Date.now() + START_SECONDS * 1000;
  while (!(await answers(port))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      server.kill();
      throw new Error(`the SSH server did not start:\n${log}`);
    }
    await sleep(100);
  }
  return {
    host: `ssh://${USER}@127.0.0.1:${port}`,
    options: [
      ...["-i", place("user-key"), "-o", "IdentitiesOnly=yes"],
      ...["-o", `UserKnownHostsFile="${place("known_hosts")}"`, "-o", "StrictHostKeyChecking=yes"],
    ],
    close: async () => {
      server.kill();
      await ended;
    },
  };
}

async function provideServer(): Promise<string> {
  const installed = "/usr/sbin/sshd";
  if (existsSync(installed)) return installed;
  if (!existsSync(FOLDER)) {
    const unpacked = `${FOLDER}.new`;
    rmSync(unpacked, { recursive: true, force: true });
    await unpackMissing(["openssh-server"], unpacked);
    renameSync(unpacked, FOLDER);
  }
  return join(FOLDER, installed);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
