/** Containers as the toolkit makes them, with @pulumi/docker. CONFORMANCE holds `Arguments`. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

export interface Arguments {
  /** Begins the name of everything. */
  readonly prefix: string;
  readonly image: string;
  /** On everything. */
  readonly label: { readonly label: string; readonly value: string };
  /** Port of 127.0.0.1 that the service is published on. */
  readonly port: number;
  /** Goes into environments, uploads and the provider. */
  readonly secret: string;
  /** Properties of the service to have instead. */
  readonly service?: docker.ContainerArgs | object;
  /** Shell command of the one-shot container. */
  readonly task: string;
  /** What runs that command. Default: what the image says. */
  readonly taskEntrypoint?: string[];
  /** How long that may take, for example `5s`. */
  readonly deadline?: string;
  /** Default: this machine's own engine. */
  readonly host?: string;
}

const { prefix, image, label, port, service, task, taskEntrypoint, deadline, ...given } =
  JSON.parse(process.env["CONFORMANCE"] ?? "{}") as Arguments;
const secret = pulumi.secret(given.secret);
const labels = [label];

/** Says hello over HTTP, and takes a second to end in its own way. */
const SERVER = `
  const { appendFileSync } = require("node:fs");
  appendFileSync("/tmp/started", "");
  require("node:http").createServer((_, response) => response.end("hello")).listen(8080);
  process.once("SIGTERM", () => setTimeout(() => {
    appendFileSync("/data/log", "ended\\n");
    process.exit();
  }, 1000));
`;

const provider = new docker.Provider("engine", {
  ...(given.host !== undefined && { host: given.host }),
  registryAuth: [{ address: "registry.invalid", username: "user", password: secret }],
});
const options = { provider };

const network = new docker.Network("network", { name: prefix, labels }, options);
const data = new docker.Volume("data", { name: `${prefix}-data`, labels }, options);
const settings = new docker.Volume("settings", { name: `${prefix}-settings`, labels }, options);

const pulled = new docker.RemoteImage("image", { name: image, keepLocally: true }, options);

const writer = new docker.Container(
  "writer",
  {
    name: `${prefix}-writer`,
    image: pulled.name,
    labels,
    start: false,
    mustRun: false,
    volumes: [{ volumeName: settings.name, containerPath: "/settings" }],
    uploads: [
      { file: "/settings/a.txt", content: pulumi.interpolate`a ${secret}` },
      { file: "/settings/deep/b.txt", content: "b", permissions: "0640", owner: "7", group: "8" },
    ],
  },
  options,
);

const server = new docker.Container(
  "service",
  {
    name: `${prefix}-service`,
    image: pulled.name,
    command: ["node", "-e", SERVER],
    hostname: "service",
    networksAdvanced: [{ name: network.name, aliases: ["hello"] }],
    ports: [{ internal: 8080, external: port, ip: "127.0.0.1" }],
    volumes: [
      { volumeName: data.name, containerPath: "/data" },
      { volumeName: settings.name, containerPath: "/settings", readOnly: true },
    ],
    mounts: [{ type: "tmpfs", target: "/scratch", tmpfsOptions: { sizeBytes: 2 ** 20 } }],
    tmpfs: { "/tmp": "rw,noexec,nosuid,size=16m,mode=1777" },
    healthcheck: {
      tests: ["CMD", "node", "-e", "fetch('http://127.0.0.1:8080')"],
      interval: "1s",
      timeout: "20s",
      startPeriod: "1m0s",
      startInterval: "1s",
      retries: 3,
    },
    wait: true,
    waitTimeout: 120,
    capabilities: { drops: ["ALL"], adds: ["CAP_KILL"] },
    securityOpts: ["no-new-privileges"],
    readOnly: true,
    init: true,
    memory: 256,
    memorySwap: 256,
    cpus: "1.5",
    ulimits: [{ name: "nofile", soft: 1024, hard: 2048 }],
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    restart: "unless-stopped",
    stopSignal: "SIGTERM",
    stopTimeout: 30,
    destroyGraceSeconds: 20,
    hosts: [{ host: "host.docker.internal", ip: "host-gateway" }],
    envs: ["PLAIN=1", pulumi.interpolate`SECRET=${secret}`],
    labels: [{ label: "second", value: "2" }, label],
    ...service,
  },
  {
    ...options,
    dependsOn: [writer],
    // Without these an update would say that it has changed them, and not do it.
    replaceOnChanges: ["healthcheck", "init", "tmpfs"],
    deleteBeforeReplace: true,
  },
);

const once = new docker.Container(
  "task",
  {
    name: `${prefix}-task`,
    image: pulled.name,
    ...(taskEntrypoint !== undefined && { entrypoints: taskEntrypoint }),
    command: ["sh", "-c", task],
    networksAdvanced: [{ name: network.name }],
    envs: [pulumi.interpolate`SECRET=${secret}`],
    labels,
    attach: true,
    mustRun: false,
    logs: true,
  },
  {
    ...options,
    dependsOn: [server],
    additionalSecretOutputs: ["containerLogs"],
    ...(deadline !== undefined && { customTimeouts: { create: deadline } }),
  },
);

export const exitCode = once.exitCode;
export const logs = once.containerLogs;
