import { describe, expect, test } from "vitest";
import { parse } from "yaml";

import { apiPathPattern } from "../../../stacks/plan/api-paths.ts";
import { renderTraefikRoutes } from "../../../templates/traefik-routes.ts";
import { greaterThan, type RoutingInput } from "../../../templates/traefik-routing.ts";
import { stringifyTraefik } from "../../../templates/traefik-yaml.ts";

const PLAIN: RoutingInput = {
  hosts: ["litellm.gateway.org"],
  admin: { access: "open" },
  maxRequestBodyMegabytes: 0,
  hstsSeconds: 0,
  rateLimit: undefined,
  trustedProxies: [],
};
const HOST = "Host(`litellm.gateway.org`)";

interface Routes {
  readonly http: {
    readonly routers: Readonly<
      Record<string, { rule: string; priority: number; middlewares: string[]; tls: object }>
    >;
    readonly services: Readonly<Record<string, object>>;
    readonly middlewares: Readonly<Record<string, object>>;
  };
}

function render(changes: Partial<RoutingInput> = {}, certificateResolver?: string): Routes {
  const routing = { ...PLAIN, ...changes };
  return parse(
    renderTraefikRoutes({ routing, servers: ["http://one:4000"], certificateResolver }),
  ) as Routes;
}

describe("routes.yaml", () => {
  test("leads to the proxies", () => {
    const servers = ["http://one:4000", "http://two:4000"];
    expect(renderTraefikRoutes({ routing: PLAIN, servers, certificateResolver: undefined }))
      .toMatchInlineSnapshot(`
      "# Rendered from the stack's settings: change those, not this file.
      http:
        routers:
          litellm:
            entryPoints:
              - "websecure"
            rule: "Host(\`litellm.gateway.org\`)"
            priority: 400
            middlewares:
              - "litellm-retry"
            service: "litellm"
            tls: {}
        services:
          litellm:
            loadBalancer:
              servers:
                - url: "http://one:4000"
                - url: "http://two:4000"
              healthCheck:
                path: "/health/liveliness"
                interval: "5s"
                timeout: "30s"
              responseForwarding:
                flushInterval: "-1ms"
              serversTransport: "litellm"
        serversTransports:
          litellm:
            maxIdleConnsPerHost: 64
            forwardingTimeouts:
              dialTimeout: "2s"
              idleConnTimeout: "3s"
        middlewares:
          litellm-retry:
            retry:
              attempts: 10
              initialInterval: "100ms"
      tls:
        options:
          default:
            minVersion: "VersionTLS12"
            cipherSuites:
              - "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
              - "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
              - "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
              - "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
              - "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
              - "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
      "
    `);
  });

  test("asks for one certificate with all names", () => {
    const { routers } = render({ hosts: ["a.org", "b.org", "c.org"] }, "acme").http;
    expect(routers["litellm"]).toMatchObject({
      rule: "(Host(`a.org`) || Host(`b.org`) || Host(`c.org`))",
      tls: { certResolver: "acme", domains: [{ main: "a.org", sans: ["b.org", "c.org"] }] },
    });
    expect(render({}, "acme").http.routers["litellm"]?.tls).toEqual({
      certResolver: "acme",
      domains: [{ main: "litellm.gateway.org" }],
    });
  });

  test("limits what comes from one source, and says that HTTPS is wanted", () => {
    const { routers, middlewares } = render({
      hstsSeconds: 60,
      rateLimit: { requests: 10, periodSeconds: 2 },
      trustedProxies: ["192.0.2.1"],
    }).http;
    expect(routers["litellm"]?.middlewares).toEqual([
      "litellm-hsts",
      "litellm-rate-limit",
      "litellm-retry",
    ]);
    expect(middlewares).toMatchObject({
      "litellm-hsts": {
        headers: { customResponseHeaders: { "Strict-Transport-Security": "max-age=60" } },
      },
      "litellm-rate-limit": {
        rateLimit: {
          average: 10,
          period: "2s",
          burst: 10,
          sourceCriterion: { ipStrategy: { excludedIPs: ["192.0.2.1"] } },
        },
      },
    });
  });

  test("keeps everything but the paths for applications to administrators", () => {
    const { routers, middlewares } = render({
      admin: {
        access: "restricted",
        sourceRanges: ["10.0.0.0/8"],
        basicAuth: true,
        openPaths: ["/mine"],
      },
    }).http;
    const users = ["litellm-admin-sources", "litellm-admin-users"];
    expect(routers).toMatchObject({
      litellm: {
        rule: `${HOST} && PathRegexp(\`${apiPathPattern(["/mine"])}\`)`,
        priority: 400,
        middlewares: ["litellm-retry"],
      },
      "litellm-admin-page": {
        rule: `${HOST} && PathPrefix(\`/ui\`)`,
        priority: 200,
        middlewares: [...users, "litellm-admin-page", "litellm-retry"],
      },
      "litellm-admin": { rule: HOST, priority: 100, middlewares: [...users, "litellm-retry"] },
    });
    expect(middlewares).toMatchObject({
      "litellm-admin-sources": { ipAllowList: { sourceRange: ["10.0.0.0/8"] } },
    });
    // They are among the secrets.
    expect(Object.keys(middlewares)).not.toContain("litellm-admin-users");
  });

  test("limits bodies, without holding answers back", () => {
    const { routers, middlewares } = render({ maxRequestBodyMegabytes: 100 }).http;
    expect(routers["litellm"]?.middlewares).toEqual(["litellm-retry"]);
    expect(routers["litellm-too-large"]).toMatchObject({
      rule: `${HOST} && HeaderRegexp(\`Content-Length\`, \`^0*${greaterThan(104857600)}$\`)`,
      priority: 2000,
      middlewares: ["litellm-body-limit"],
    });
    expect(routers["litellm-unmeasured"]).toMatchObject({
      rule: `(${HOST}) && !Method(\`GET\`) && !Method(\`HEAD\`) && !Method(\`OPTIONS\`) && !HeaderRegexp(\`Content-Length\`, \`.\`)`,
      priority: 1400,
      middlewares: ["litellm-unmeasured-count", "litellm-unmeasured-limit", "litellm-retry"],
    });
    expect(middlewares).toMatchObject({
      "litellm-body-limit": { buffering: { maxRequestBodyBytes: 104857600 } },
      "litellm-unmeasured-limit": {
        buffering: { maxRequestBodyBytes: 4194304, memRequestBodyBytes: 4194304 },
      },
    });
  });

  test.each([1, 9, 10, 99, 1048576, 104857600, 1999999])("knows numbers above %i", (limit) => {
    const pattern = new RegExp(`^0*${greaterThan(limit)}$`);
    const near = [0, 1, 5, 10, 11, limit - 1, limit, limit + 1, limit + 9, limit * 2, limit * 10];
    for (const number of near)
      expect([number, pattern.test(`00${number}`)]).toEqual([number, number > limit]);
    expect(pattern.test("99999999999999999999")).toBe(true);
  });

  test("is no template", () => {
    expect(() => stringifyTraefik({ a: "{{ env `HOME` }}" })).toThrow(
      "a value for Traefik must not contain {{",
    );
  });
});
