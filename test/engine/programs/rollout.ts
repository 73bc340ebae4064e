import { Container } from "@pulumi/docker/container.js";
import { Network } from "@pulumi/docker/network.js";
import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";

import { ContainerFile, Rollout } from "../../../components/resources.ts";

const config = new pulumi.Config();
const prefix = config.require("prefix");
const generation = config.require("generation");
const marker = { label: config.require("label"), value: config.require("labelValue") };

const network = new Network("network", { name: prefix, labels: [marker] });
const volume = new Volume("routes", { name: prefix, labels: [marker] });
const traefik = new Container("traefik", {
  name: `${prefix}-traefik`,
  image: config.require("traefikImage"),
  labels: [marker],
  command: [
    "--entrypoints.web.address=:80",
    "--entrypoints.traefik.address=127.0.0.1:8080",
    "--api.insecure=true",
    "--providers.file.directory=/etc/traefik/dynamic",
    "--providers.providersthrottleduration=500ms",
  ],
  networksAdvanced: [{ name: network.name }],
  volumes: [{ volumeName: volume.name, containerPath: "/etc/traefik/dynamic" }],
  ports: [{ internal: 80, external: config.requireNumber("port"), ip: "127.0.0.1" }],
});

const credentials = new ContainerFile(
  "credentials",
  {
    engine: {},
    container: `${prefix}-traefik`,
    path: "/etc/traefik/dynamic/credentials.yaml",
    content: pulumi.interpolate`http: { middlewares: { users: { basicAuth: { users: ["${config.requireSecret("users")}"] } } } }\n`,
    mode: "0600",
  },
  { dependsOn: [traefik] },
);

const proxies = [1, 2].map((number) => `${prefix}-proxy-${generation}-${number}`);
const containers = proxies.map(
  (name, index) =>
    new Container(`proxy-${generation}-${index + 1}`, {
      name,
      image: "node:24-slim",
      init: true,
      labels: [
        marker,
        { label: "rollout-test", value: prefix },
        { label: "rollout-test.generation", value: generation },
      ],
      command: ["node", "-e", config.require("proxy")],
      envs: [`GENERATION=${generation}`],
      networksAdvanced: [{ name: network.name }],
      stopTimeout: 30,
      destroyGraceSeconds: 30,
    }),
);

const servers = proxies.map((name) => `http://${name}:4000`);
const rollout = new Rollout(
  "rollout",
  {
    engine: {},
    generation,
    proxies,
    labels: { "rollout-test": prefix },
    generationLabel: "rollout-test.generation",
    readyDeadlineSeconds: 60,
    stopGraceSeconds: 30,
    admission: { command: ["sh", "-c", config.require("admission")], deadlineSeconds: 2 },
    edge: {
      kind: "file",
      container: `${prefix}-traefik`,
      path: "/etc/traefik/dynamic/routes.yaml",
      content: JSON.stringify({
        http: {
          routers: { litellm: { rule: "PathPrefix(`/`)", service: "litellm" } },
          services: { litellm: { loadBalancer: { servers: servers.map((url) => ({ url })) } } },
        },
      }),
      service: "litellm@file",
      servers,
      apiUrl: "http://127.0.0.1:8080",
    },
  },
  { dependsOn: [traefik, credentials, ...containers] },
);

export const { serving } = rollout;
