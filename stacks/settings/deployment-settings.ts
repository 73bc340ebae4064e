import { z } from "zod";

import { edgeShape } from "./edge-settings.ts";
import { image } from "./image.ts";
import litellmKeys from "./litellm-keys.json" with { type: "json" };
import { Machine } from "./machine-settings.ts";
import { baseUrl, type DeepReadonly } from "./models.ts";
import { boolean, integer, ipAddress, number, port } from "./scalars.ts";
import { namePattern } from "./secret-names.ts";

/** LiteLLM's own image of the pinned version; releases are tagged `v<version>`. */
const LITELLM_IMAGE = `ghcr.io/berriai/litellm:v${litellmKeys.version}`;

const workers = integer({ min: 1, max: 64 });
const protect = boolean()
  .default(true)
  .meta({
    description:
      "Protect the database and the salt key: `pulumi destroy` and a replacement are refused.",
    examples: [true],
  });

const profile = z.enum(["production", "litellm"]).default("production").meta({
  description: "Defaults: those of LiteLLM's production guide, or LiteLLM's own.",
});

const LocalDeployment = z.strictObject({
  topology: z
    .literal("local")
    .default("local")
    .meta({ description: "Processes on this machine: no Docker, no root, no account." }),
  proxyPort: port()
    .default(4000)
    .meta({ description: "Port of the gateway on 127.0.0.1.", examples: [4000] }),
  workers: workers.default(1).meta({
    description:
      "Worker processes of the proxy. Each needs about one core and, with a database, 1 GB.",
    examples: [1, 4],
  }),
  protect,
});

const Registry = z.strictObject({
  address: z
    .string()
    .min(1)
    .meta({ description: "Host of the registry.", examples: ["ghcr.io"] }),
  username: z.string().min(1).meta({ description: "User name at the registry." }),
  password: z
    .string()
    .regex(namePattern, "must be the name of an entry of secrets, in camelCase")
    .meta({ description: "Name of the secret that is the password or token." }),
});

const DockerHost = z.strictObject({
  host: z
    .string()
    .regex(
      /^(unix:\/\/\/|tcp:\/\/|ssh:\/\/)\S+$/,
      "must be unix:///path, tcp://host:port or ssh://user@host",
    )
    .optional()
    .meta({
      description:
        "Docker engine to deploy to. Default: DOCKER_HOST, else the engine of this machine.",
      examples: ["ssh://deploy@gateway.example.com"],
    }),
  context: z.string().min(1).optional().meta({
    description:
      "Docker context to take the engine and its TLS certificates from, instead of `host`.",
  }),
  certificateFolder: z.string().min(1).optional().meta({
    description: "Folder with `ca.pem`, `cert.pem` and `key.pem` for an engine at tcp:// with TLS.",
  }),
  sshOptions: z
    .array(z.string())
    .default([])
    .meta({
      description: "Options for `ssh`, with a host at ssh://.",
      examples: [["-o", "StrictHostKeyChecking=yes"]],
    }),
  hostname: z.string().min(1).default("127.0.0.1").meta({
    description: "Name or address under which this machine and its users reach the Docker host.",
  }),
  registries: z.array(Registry).default([]).meta({ description: "Registries that want a login." }),
});

/** What every topology of containers on one Docker host has. */
const onDockerHost = {
  docker: DockerHost.prefault({}).meta({ description: "The Docker host." }),
  namePrefix: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9_.-]{0,40}$/,
      "must be small letters, digits, - _ and ., at most 41 of them",
    )
    .optional()
    .meta({
      description:
        "What the names of containers, network and volumes begin with. Default: `litellm-<stack>`.",
    }),
  image: image()
    .default(LITELLM_IMAGE)
    .meta({ description: "Image of LiteLLM.", examples: [LITELLM_IMAGE] }),
  allowMovingTags: boolean().default(false).meta({
    description: "Accept an image tag without a version, such as `latest`.",
  }),
  profile,
  workers: workers.default(2).meta({
    description: "Worker processes of each proxy: not more than the Docker host has CPUs.",
    examples: [2, 4],
  }),
  cpusPerWorker: number({ above: 0 })
    .default(1)
    .meta({ description: "CPUs that a proxy may use, for each worker." }),
  memoryMegabytesPerWorker: integer({ min: 1024 })
    .default(4096)
    .meta({ description: "Memory that a proxy may use, for each worker, in MiB." }),
  protect,
};

const SingleHostDeployment = z.strictObject({
  topology: z.literal("single-host").meta({ description: "Containers on one Docker host." }),
  ...onDockerHost,
  proxyAddress: ipAddress().default("127.0.0.1").meta({
    description:
      "Address of the Docker host that the gateway listens on; `0.0.0.0` opens it to the network, without TLS.",
  }),
  proxyPort: port()
    .default(4000)
    .meta({ description: "Port of the gateway on the Docker host.", examples: [4000] }),
});

const TraefikDeployment = z.strictObject({
  topology: z.literal("traefik").meta({
    description:
      "Containers on one Docker host behind Traefik: TLS, and changes without a failed request.",
  }),
  ...onDockerHost,
  replicas: integer({ min: 1, max: 16 })
    .default(1)
    .meta({ description: "Proxies that share the requests.", examples: [1, 2] }),
  ...edgeShape,
});

const TwoVmDeployment = z.strictObject({
  topology: z.literal("two-vm").meta({
    description:
      "Machines over SSH: the gateway as a systemd service of one, PostgreSQL on another (`database.machine`).",
  }),
  machine: Machine.meta({
    description: "The machine that the gateway runs on.",
    examples: [{ address: "192.168.10.18", ssh: { user: "deploy" } }],
  }),
  proxyAddress: ipAddress().optional().meta({
    description:
      "Address that the gateway listens on, without TLS; `0.0.0.0` is all. Default: the machine's.",
  }),
  proxyPort: port()
    .default(4000)
    .meta({ description: "Port of the gateway.", examples: [4000] }),
  workers: workers.default(2).meta({
    description:
      "Worker processes of the proxy: not more than the machine has cores. Each needs, with a database, 1 GB.",
    examples: [2, 4],
  }),
  profile,
  protect,
});

const ExistingDeployment = z.strictObject({
  topology: z.literal("existing").meta({
    description:
      "A gateway that is run elsewhere, with a database: nothing is deployed, its `access` is managed.",
  }),
  url: baseUrl
    .refine((url) => !/[?#]/.test(url), "must not contain a query or a fragment")
    .refine((url) => !/\/v1\/?$/.test(url), "must be LiteLLM's own base URL, without /v1")
    .meta({
      description:
        "Base URL of the gateway, with the path of its SERVER_ROOT_PATH. The secret `masterKey` is the key of its admin.",
      examples: ["https://litellm.example.com"],
    }),
  certificateAuthorityFile: z.string().min(1).optional().meta({
    description:
      "File of the project with the certificate authority of the gateway, PEM, when it is a private one. Default: the public ones.",
  }),
  connectAddress: ipAddress()
    .optional()
    .meta({
      description: "Address to connect to, whatever the name in `url` resolves to.",
      examples: ["192.168.10.18"],
    }),
  machine: Machine.unwrap()
    .optional()
    .meta({
      description:
        "A machine that sees the gateway where this one does not: it is reached through it by SSH, and `url` is as that machine sees it.",
      examples: [{ address: "192.168.10.18", ssh: { user: "deploy" } }],
    }),
});

/** Where the gateway runs, and how; a variant for each topology. */
export const Deployment = z.discriminatedUnion("topology", [
  LocalDeployment,
  SingleHostDeployment,
  TraefikDeployment,
  TwoVmDeployment,
  ExistingDeployment,
]);

export type DeploymentSettings = DeepReadonly<z.output<typeof Deployment>>;
export type LocalDeploymentSettings = Extract<DeploymentSettings, { topology: "local" }>;
export type SingleHostDeploymentSettings = Extract<DeploymentSettings, { topology: "single-host" }>;
export type TraefikDeploymentSettings = Extract<DeploymentSettings, { topology: "traefik" }>;
export type TwoVmDeploymentSettings = Extract<DeploymentSettings, { topology: "two-vm" }>;
export type ExistingDeploymentSettings = Extract<DeploymentSettings, { topology: "existing" }>;
/** Of the topologies of containers on one Docker host. */
export type DockerDeploymentSettings = SingleHostDeploymentSettings | TraefikDeploymentSettings;

/** Whether the gateway is made of containers. */
export function isOnDockerHost(
  deployment: DeploymentSettings,
): deployment is DockerDeploymentSettings {
  return deployment.topology === "single-host" || deployment.topology === "traefik";
}
