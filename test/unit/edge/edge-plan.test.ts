import { describe, expect, test } from "vitest";

import {
  type EdgeOptions,
  type ExistingEdgePlan,
  type ManagedEdgePlan,
  planEdge,
} from "../../../stacks/plan/edge-plan.ts";
import { parseEdge } from "./edge-settings.ts";

const OPTIONS: EdgeOptions = {
  prefix: "litellm-test",
  network: "web",
  requestTimeoutSeconds: 600,
  proxyPort: 4000,
  servers: ["http://litellm-test-proxy-a-1:4000"],
  files: { "gateway.pem": "CERTIFICATE", "issuer.pem": "AUTHORITY" },
};

const manage = (changes: object = {}, options: Partial<EdgeOptions> = {}): ManagedEdgePlan =>
  planEdge(parseEdge(changes), { ...OPTIONS, ...options }) as ManagedEdgePlan;

const adopt = (changes: object = {}, options: Partial<EdgeOptions> = {}): ExistingEdgePlan =>
  planEdge(parseEdge({ traefik: { kind: "existing" }, certificates: undefined, ...changes }), {
    ...OPTIONS,
    ...options,
  }) as ExistingEdgePlan;

describe("a Traefik of the stack's own", () => {
  test("is the only one with ports, and has no rights beside them", () => {
    const { container, volumes, files, credentials } = manage();
    const { command, ...rest } = container;
    expect(command).toContain("--certificatesResolvers.acme.acme.email=admin@gateway.org");
    expect(rest).toEqual({
      name: "litellm-test-traefik",
      image: "traefik:v3.6.12",
      entrypoint: undefined,
      variables: {},
      secretVariables: {},
      labels: {},
      networks: [{ name: "web", alias: undefined }],
      ports: [
        { address: "0.0.0.0", port: 80, containerPort: 80 },
        { address: "0.0.0.0", port: 443, containerPort: 443 },
      ],
      volumes: [
        {
          volume: "litellm-test-traefik-dynamic",
          folder: "/etc/traefik/dynamic",
          readOnly: false,
        },
        { volume: "litellm-test-traefik-acme", folder: "/var/lib/traefik", readOnly: false },
      ],
      temporaryFolders: { "/tmp": 64 },
      init: false,
      capabilities: ["CAP_NET_BIND_SERVICE"],
      cpus: 1,
      memoryMegabytes: 256,
      sharedMemoryMegabytes: 64,
      service: {
        probe: ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/ping"],
        intervalSeconds: 10,
        timeoutSeconds: 5,
        retries: 3,
        readyDeadlineSeconds: 60,
      },
      stopSignal: "SIGTERM",
      stopGraceSeconds: 1810,
    });
    expect(volumes).toEqual(["litellm-test-traefik-dynamic", "litellm-test-traefik-acme"]);
    expect(files).toEqual({});
    expect(credentials).toBeUndefined();
  });

  test("is told by its API what it serves", () => {
    const { content, ...routes } = manage().routes;
    expect(routes).toEqual({
      path: "/etc/traefik/dynamic/routes.yaml",
      service: "litellm@file",
      router: "litellm@file",
      servers: ["http://litellm-test-proxy-a-1:4000"],
      apiUrl: "http://127.0.0.1:8080",
    });
    expect(content).toContain('- url: "http://litellm-test-proxy-a-1:4000"');
  });

  test("is the same container for other proxies, other routes and most other time-outs", () => {
    const { container } = manage();
    const others = { rateLimit: { requests: 1 }, additionalHosts: ["ai.gateway.org"] };
    expect(manage(others, { servers: [], requestTimeoutSeconds: 1200 }).container).toEqual(
      container,
    );
    const longer = manage({}, { requestTimeoutSeconds: 3600 }).container;
    expect(longer.stopGraceSeconds).toBe(3630);
    expect(longer.command).toContain(
      "--entryPoints.websecure.transport.respondingTimeouts.readTimeout=3620s",
    );
  });

  test("has the gateway's names and the address for its users", () => {
    const edge = manage({
      additionalHosts: ["ai.gateway.org"],
      traefik: { httpPort: 8080, httpsPort: 8443 },
    });
    expect(edge).toMatchObject({
      kind: "managed",
      host: "litellm.gateway.org",
      hosts: ["litellm.gateway.org", "ai.gateway.org"],
      url: "https://litellm.gateway.org:8443",
      httpPort: 8080,
      httpsPort: 8443,
      issuer: "acme",
      hstsSeconds: 31536000,
      admin: { paths: [], sourceRanges: [], basicAuth: false },
    });
    expect(manage({ subdomain: "llm" }).url).toBe("https://llm.gateway.org");
  });

  test("gets credentials for DNS from secrets, and what its issuer is trusted by", () => {
    const { container, files, issuer } = manage({
      certificates: {
        email: "admin@gateway.org",
        challenge: {
          kind: "dns-01",
          provider: "route53",
          secrets: { AWS_SECRET_ACCESS_KEY: "awsSecret" },
          variables: { AWS_REGION: "eu-central-1" },
        },
        directoryUrl: "https://issuer.example.com/directory",
        certificateAuthorityFile: "issuer.pem",
      },
    });
    expect(container).toMatchObject({
      variables: { AWS_REGION: "eu-central-1" },
      secretVariables: { AWS_SECRET_ACCESS_KEY: "awsSecret" },
    });
    expect(files).toEqual({ "/etc/traefik/dynamic/acme-ca.pem": "AUTHORITY" });
    expect(issuer).toBe("acme");
    const staging = { certificates: { email: "admin@gateway.org", staging: true } };
    expect(manage(staging).issuer).toBe("acme-staging");
  });

  test("gets users and certificates in a file of their own", () => {
    const path = "/etc/traefik/dynamic/credentials.yaml";
    const own = manage({ certificates: { kind: "private" }, additionalHosts: ["ai.gateway.org"] });
    expect(own.credentials).toMatchObject({
      path,
      users: false,
      certificate: {
        kind: "private",
        names: ["litellm.gateway.org", "ai.gateway.org"],
        validityDays: 397,
        renewBeforeDays: 30,
      },
    });
    expect(own.volumes).toEqual(["litellm-test-traefik-dynamic"]);
    const given = manage({ certificates: { kind: "files", certificateFile: "gateway.pem" } });
    expect(given.credentials).toMatchObject({
      path,
      certificate: { kind: "files", chain: "CERTIFICATE" },
    });
    const users = manage({
      admin: { access: "restricted", basicAuth: true, sourceRanges: ["10.0.0.0/8"] },
    });
    expect(users.credentials).toMatchObject({ path, users: true, certificate: undefined });
    expect(users.admin).toEqual({
      paths: ["/ui/", "/key/list", "/config/yaml", "/metrics"],
      sourceRanges: ["10.0.0.0/8"],
      basicAuth: true,
    });
  });

  test("needs the texts of the files", () => {
    const certificates = { kind: "files", certificateFile: "other.pem" };
    expect(() => manage({ certificates })).toThrow("the plan needs the text of other.pem");
  });
});

describe("a Traefik that is there already", () => {
  test("gets labels that do not depend on the proxies' names", () => {
    const edge = adopt({ traefik: { kind: "existing", httpsPort: 8443 } });
    expect(edge).toMatchObject({
      kind: "existing",
      issuer: "existing",
      url: "https://litellm.gateway.org:8443",
    });
    expect(edge.labels).toMatchObject({
      "traefik.enable": "true",
      "traefik.docker.network": "web",
    });
    const others = { traefik: { kind: "existing", httpsPort: 8443 } };
    expect(adopt(others, { servers: [], requestTimeoutSeconds: 7200 }).labels).toEqual(edge.labels);
  });
});
