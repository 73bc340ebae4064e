import { formatMachine, formatSsh, type Connection } from "./connection.ts";

/** A machine could not be reached, or did not let us do our work. */
export class SshError extends Error {
  /** What `ssh` or `sudo` wrote. */
  readonly output: string;

  constructor(message: string, output: string) {
    super(message);
    this.name = "SshError";
    this.output = output;
  }
}

/** A script that ended with another status than 0. */
export class MachineCommandError extends Error {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    connection: Connection,
    { code, stdout, stderr }: { code: number; stdout: string; stderr: string },
  ) {
    const output = stderr.trim() === "" ? stdout : stderr;
    super(
      isDiskFull(output)
        ? `the disk of ${formatMachine(connection)} is full:\n${takeLast(output)}\n` +
            `make room, then run again; see: ${formatSsh(connection, "df -h")}`
        : `a command on ${formatMachine(connection)} ended with status ${code}:\n${takeLast(output)}`,
    );
    this.name = "MachineCommandError";
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Whether it failed for want of room. */
  get isDiskFull(): boolean {
    return isDiskFull(this.stderr);
  }

  /** The end of its standard error, or of standard output where that is empty. */
  lastLines(count = 12): string {
    return takeLast(this.stderr.trim() === "" ? this.stdout : this.stderr, count);
  }
}

function takeLast(text: string, count = 12): string {
  return text.trim().split("\n").slice(-count).join("\n");
}

function isDiskFull(output: string): boolean {
  return /No space left on device|Disk quota exceeded|ENOSPC|os error 28\b|enough free space/i.test(
    output,
  );
}

const SUDO_SETTINGS =
  "for the gateway's machine: pulumi config set --secret gatewaySudoPassword, " +
  "for the database's: pulumi config set --secret databaseSudoPassword";

/** The error for a `sudo` that does not let us become root. */
export function explainSudo(connection: Connection, output: string): SshError {
  const machine = formatMachine(connection);
  const explanations: readonly (readonly [RegExp, string])[] = [
    [
      /unknown user|user \S+ does not exist/,
      `${machine} lacks the user that a command is to run as; make it there as root: useradd --system <user>`,
    ],
    [
      /sudo: not installed|sudo: (?:command )?not found/,
      `${machine} is not root and has no sudo; log in as root, or install it as root: apt-get install sudo`,
    ],
    [
      /not in the sudoers file|not allowed to (?:execute|run)|may not run sudo/,
      `${machine} is not allowed to use sudo; allow it as root: usermod -aG sudo <user>`,
    ],
    [
      /incorrect password|try again|Authentication failure/i,
      `sudo of ${machine} refuses the password that it was given; set the right sudo password, ${SUDO_SETTINGS}`,
    ],
    [
      /password is required|no password was provided|askpass|terminal is required/,
      `sudo of ${machine} wants a password; set the machine's sudo password, ${SUDO_SETTINGS}`,
    ],
    [
      /account .*(?:expired|locked)|password .*expired|change your password/i,
      `sudo of ${machine} wants a new password; set one by hand: ${formatSsh(connection, "passwd")}`,
    ],
  ];
  const [, message] = explanations.find(([pattern]) => pattern.test(output)) ?? [
    undefined,
    `${machine} does not get us root; try it: ${formatSsh(connection, "sudo -n id")}`,
  ];
  return new SshError(withWords(message, "sudo", output), output);
}

/** The error for an `ssh` that did not get as far as our script. */
export function explainSsh(connection: Connection, output: string): SshError {
  const machine = formatMachine(connection);
  const attempt = formatSsh(connection, "true");
  const removal = `ssh-keygen -R ${quoteForKnownHosts(connection)}`;
  const explanations: readonly (readonly [RegExp, string])[] = [
    [
      /Could not resolve hostname|Name or service not known|nodename nor servname/,
      `${machine} has a name that nobody knows; correct it, or give the address: getent hosts ${connection.host}`,
    ],
    [
      /HOST IDENTIFICATION HAS CHANGED|no matching host key type/,
      connection.hostKey === undefined
        ? `${machine} shows another key than your known_hosts has: it was set up anew, or somebody stands between; ` +
          `if you know why, forget the old key: ${removal}`
        : `${machine} shows another key than the one that it is known by: it was set up anew, or somebody stands between; ` +
          "if you know why, set its new hostKey, or where it was learnt, learn it anew: pulumi up --replace '**litellm:ssh:HostKey**'",
    ],
    [
      /Host key verification failed|host key is known|requested strict checking/,
      `${machine} shows a key that your known_hosts does not have; compare it with the machine's own, and note it: ` +
        `ssh-keyscan ${connection.port === undefined ? "" : `-p ${connection.port} `}${connection.host} >> ~/.ssh/known_hosts`,
    ],
    [
      /Permission denied|Too many authentication failures|No supported authentication/,
      `${machine} does not let us in; the key must be in your agent or ssh configuration, and in authorized_keys there; try it: ${attempt}`,
    ],
    [
      /This account is currently not available|account is (?:locked|expired)|nologin/i,
      `${machine} is an account without a shell; log in as another: ${attempt}`,
    ],
    [
      /Connection refused/,
      `${machine} is there, but refuses ssh on this port; start its ssh server, or correct the port: ${attempt}`,
    ],
    [
      /timed out|No route to host|(?:Network|Host) is (?:unreachable|down)/i,
      `${machine} cannot be reached; check that it is up and that no firewall is in between: ${attempt}`,
    ],
    [
      /(?:Connection|kex_exchange_identification).*(?:closed|reset)|Broken pipe|stdio forwarding failed/,
      `${machine} closed the connection; see whether it, or a jump host, refuses us: ${attempt}`,
    ],
  ];
  const [, message] = explanations.find(([pattern]) => pattern.test(output)) ?? [
    undefined,
    `ssh does not reach ${machine}; try it: ${attempt}`,
  ];
  return new SshError(withWords(message, "ssh", output), output);
}

/** The error for what did not end in time. */
export function explainDeadline(connection: Connection, seconds: number, output: string): SshError {
  const message =
    `a command on ${formatMachine(connection)} did not end within ${seconds} s and was stopped; ` +
    `see what keeps the machine busy: ${formatSsh(connection, "ps aux --sort=-%cpu | head")}`;
  return new SshError(withWords(message, "it", output), output);
}

/** The error for a connection that broke while a script ran. */
export function explainLoss(connection: Connection, output: string): SshError {
  const message =
    `the connection to ${formatMachine(connection)} broke while a command ran there; ` +
    "what was begun is taken up again by: pulumi up";
  return new SshError(withWords(message, "ssh", output), output);
}

function withWords(message: string, who: string, output: string): string {
  const words = output
    .split("\n")
    .map((line) => line.trim())
    // With its advice, which is about a file of ours.
    .filter(
      (line) => line !== "" && !/^@|litellm-machine|\.key\b|remove with|administrator/.test(line),
    );
  return words.length === 0 ? message : `${message}\n${who} says:\n${words.slice(-8).join("\n")}`;
}

function quoteForKnownHosts({ host, port }: Connection): string {
  return port === undefined || port === 22 ? host : `'[${host}]:${port}'`;
}
