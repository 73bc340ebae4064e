import { z } from "zod";

import { quote } from "./shell.ts";

/** What a key of a machine looks like: its type and its base64, as in `/etc/ssh/ssh_host_*_key.pub`. */
const HOST_KEY = /^(?:ssh|ecdsa|sk)-[\w@.-]+ [\w+/]+={0,3}(?: .*)?$/;

/** A machine, and how the user's own OpenSSH client reaches it. */
export const connection = z.strictObject({
  host: z
    .string()
    .regex(/^[^\s-]\S*$/, "must be an address, a name or an alias of your ssh configuration")
    .meta({ description: "Address, DNS name or alias of the user's ssh configuration." }),
  port: z.int().min(1).max(65_535).optional().meta({
    description: "Default: what the ssh configuration says, else 22.",
  }),
  user: z
    .string()
    .regex(/^[^\s-]\S*$/, "must be the name of a user")
    .optional()
    .meta({ description: "Default: what the ssh configuration says, else one's own name." }),
  options: z
    .array(z.string())
    .default([])
    .meta({ description: 'Further arguments of ssh, such as ["-i", "key", "-J", "jump-host"].' }),
  hostKey: z.string().regex(HOST_KEY, 'must be such as "ssh-ed25519 AAAA…"').optional().meta({
    description: "The only key that is accepted. Default: what the user's known_hosts says.",
  }),
  sudoPassword: z.string().optional().meta({
    description: "Secret. Default: the login is root, or may run sudo without a password.",
  }),
});

export type Connection = z.output<typeof connection>;

/** The machine as people write it: `deploy@192.168.10.18`. */
export function formatMachine({ user, host }: Pick<Connection, "user" | "host">): string {
  return user === undefined ? host : `${user}@${host}`;
}

/** Arguments of `ssh` that name the machine, as the user would give them. */
export function listDestination({ user, host, port, options }: Connection): string[] {
  return [
    ...options,
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    "--",
    host,
  ];
}

/** A command for the user's own shell that runs a command on the machine. */
export function formatSsh(connection: Connection, command: string): string {
  const { user, host, port, options } = connection;
  const words = [
    ...options,
    ...(port === undefined ? [] : ["-p", String(port)]),
    formatMachine({ user, host }),
  ];
  return ["ssh", ...words.map(quote), quote(command)].join(" ");
}

interface Address<HostKey> {
  readonly host: string;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly options: readonly string[];
  readonly hostKey?: HostKey | undefined;
}

/** How a machine is reached, without what is needed to become root there. */
export function withoutSudo<HostKey>({ host, port, user, options, hostKey }: Address<HostKey>) {
  return {
    host,
    options: [...options],
    ...(port !== undefined && { port }),
    ...(user !== undefined && { user }),
    ...(hostKey !== undefined && { hostKey }),
  };
}
