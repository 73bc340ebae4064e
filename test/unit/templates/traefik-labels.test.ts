import { describe, expect, test } from "vitest";

import { renderTraefikLabels, type TraefikLabelsInput } from "../../../templates/traefik-labels.ts";

const INPUT: TraefikLabelsInput = {
  routing: {
    hosts: ["litellm.gateway.org"],
    admin: { access: "open" },
    maxRequestBodyMegabytes: 0,
    hstsSeconds: 60,
    rateLimit: undefined,
    trustedProxies: [],
  },
  prefix: "my.gateway",
  network: "web",
  port: 4000,
  entryPoint: "websecure",
  httpEntryPoint: "web",
  httpsPort: 443,
  certificateResolver: undefined,
  middlewares: [],
};

/** Name that everything begins with. */
const nameOf = (labels: Readonly<Record<string, string>>): string =>
  Object.keys(labels)
    .map((label) => /^traefik\.http\.services\.([^.]+)\./.exec(label)?.[1])
    .find((name) => name !== undefined) ?? "";

describe("labels for an existing Traefik", () => {
  test("hold routers, service and middlewares", () => {
    const labels = renderTraefikLabels(INPUT);
    const name = nameOf(labels);
    expect(name).toMatch(/^my-gateway-[0-9a-f]{8}$/);
    expect(labels).toEqual({
      "traefik.enable": "true",
      "traefik.docker.network": "web",
      [`traefik.http.routers.${name}.entrypoints`]: "websecure",
      [`traefik.http.routers.${name}.rule`]: "Host(`litellm.gateway.org`)",
      [`traefik.http.routers.${name}.priority`]: "400",
      [`traefik.http.routers.${name}.middlewares`]: `${name}-hsts,${name}-retry`,
      [`traefik.http.routers.${name}.service`]: name,
      [`traefik.http.routers.${name}.tls`]: "true",
      [`traefik.http.routers.${name}-http.entrypoints`]: "web",
      [`traefik.http.routers.${name}-http.rule`]: "Host(`litellm.gateway.org`)",
      [`traefik.http.routers.${name}-http.middlewares`]: `${name}-https-only`,
      [`traefik.http.routers.${name}-http.service`]: name,
      [`traefik.http.services.${name}.loadbalancer.server.port`]: "4000",
      [`traefik.http.services.${name}.loadbalancer.healthcheck.path`]: "/health/liveliness",
      [`traefik.http.services.${name}.loadbalancer.healthcheck.interval`]: "1s",
      [`traefik.http.services.${name}.loadbalancer.healthcheck.timeout`]: "30s",
      [`traefik.http.services.${name}.loadbalancer.responseforwarding.flushinterval`]: "-1ms",
      [`traefik.http.middlewares.${name}-hsts.headers.customResponseHeaders.Strict-Transport-Security`]:
        "max-age=60",
      [`traefik.http.middlewares.${name}-retry.retry.attempts`]: "10",
      [`traefik.http.middlewares.${name}-retry.retry.initialInterval`]: "100ms",
      [`traefik.http.middlewares.${name}-https-only.redirectscheme.scheme`]: "https",
      [`traefik.http.middlewares.${name}-https-only.redirectscheme.permanent`]: "true",
    });
  });

  test("have other names for other definitions, and the same for the same", () => {
    const name = nameOf(renderTraefikLabels(INPUT));
    expect(nameOf(renderTraefikLabels({ ...INPUT }))).toBe(name);
    const others = [
      { routing: { ...INPUT.routing, hosts: ["ai.gateway.org"] } },
      { routing: { ...INPUT.routing, hstsSeconds: 61 } },
      { certificateResolver: "mine" },
      { httpsPort: 8443 },
    ];
    const names = others.map((changes) => nameOf(renderTraefikLabels({ ...INPUT, ...changes })));
    expect(new Set([name, ...names]).size).toBe(others.length + 1);
  });

  test("use what that Traefik has", () => {
    const labels = renderTraefikLabels({
      ...INPUT,
      entryPoint: "https",
      httpEntryPoint: "http",
      httpsPort: 8443,
      certificateResolver: "letsencrypt",
      middlewares: ["office@file"],
    });
    const name = nameOf(labels);
    expect(labels).toMatchObject({
      [`traefik.http.routers.${name}.entrypoints`]: "https",
      [`traefik.http.routers.${name}.tls.certresolver`]: "letsencrypt",
      [`traefik.http.routers.${name}.middlewares`]: `office@file,${name}-hsts,${name}-retry`,
      [`traefik.http.routers.${name}-http.entrypoints`]: "http",
      [`traefik.http.middlewares.${name}-https-only.redirectscheme.port`]: "8443",
    });
  });
});
