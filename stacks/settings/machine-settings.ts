import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { integer, ipAddress } from "./scalars.ts";

const HOST_KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*$/;
const HOST_KEY_FAULT = "must be a public key such as `ssh-ed25519 AAAA…`, or learn";

const Ssh = z.strictObject({
  host: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        "What `ssh` is told: a name, an address or an alias of your ssh_config. Default: the machine's address.",
      examples: ["gateway"],
    }),
  port: integer({ min: 1, max: 65535 })
    .optional()
    .meta({ description: "Port of the SSH server. Default: that of your ssh_config, else 22." }),
  user: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        "User to log in as: root, or one with sudo. Default: that of your ssh_config, else your own name.",
      examples: ["deploy"],
    }),
  options: z
    .array(z.string())
    .default([])
    .meta({
      description: "Further arguments for `ssh`.",
      examples: [["-o", "ProxyJump=bastion.example.com"]],
    }),
  hostKey: z
    .union([z.literal("learn"), z.string().regex(HOST_KEY, HOST_KEY_FAULT)], HOST_KEY_FAULT)
    .optional()
    .meta({
      description:
        "The machine's public host key, or `learn`: the key of the first `up` is kept. Default: your known_hosts decides.",
      examples: ["learn"],
    }),
});

const Reached = z.strictObject({
  address: ipAddress().meta({
    description: "Address of the machine, as the other machine and the users reach it.",
    examples: ["192.168.10.18"],
  }),
  ssh: Ssh.prefault({}).meta({ description: "How this machine logs in to it." }),
});

/** A Debian or Ubuntu machine that is reached by SSH. Without one it is its address that is missing. */
export const Machine = Reached.prefault({} as z.input<typeof Reached>);

export type MachineSettings = DeepReadonly<z.output<typeof Machine>>;
