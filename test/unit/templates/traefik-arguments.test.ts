import { describe, expect, test } from "vitest";

import { renderTraefikArguments } from "../../../templates/traefik-arguments.ts";

const PLAIN = {
  dynamicFolder: "/etc/traefik/dynamic",
  httpsPort: 443,
  trustedProxies: [],
  accessLog: true,
  timeoutSeconds: 1800,
  acme: undefined,
};
const ACME = {
  resolver: "acme",
  email: "admin@gateway.org",
  storageFile: "/var/lib/traefik/acme.json",
  dnsProvider: undefined,
  staging: false,
  directoryUrl: undefined,
  authorityFile: undefined,
};

const acmeArguments = (changes: object): string[] =>
  renderTraefikArguments({ ...PLAIN, acme: { ...ACME, ...changes } }).filter((argument) =>
    argument.startsWith("--certificatesResolvers"),
  );

describe("Traefik's command line", () => {
  test("has nothing that depends on routes or secrets", () => {
    expect(renderTraefikArguments(PLAIN)).toEqual([
      "--global.checkNewVersion=false",
      "--global.sendAnonymousUsage=false",
      "--log.level=INFO",
      "--log.format=json",
      "--accessLog.format=json",
      "--accessLog.fields.defaultMode=keep",
      "--accessLog.fields.headers.defaultMode=drop",
      "--accessLog.fields.names.RequestPath=drop",
      "--accessLog.fields.names.ClientUsername=keep",
      "--entryPoints.web.address=:80",
      "--entryPoints.web.http.redirections.entryPoint.to=websecure",
      "--entryPoints.web.http.redirections.entryPoint.scheme=https",
      "--entryPoints.web.http.redirections.entryPoint.permanent=true",
      "--entryPoints.websecure.address=:443",
      "--entryPoints.websecure.http.tls=true",
      "--entryPoints.websecure.transport.respondingTimeouts.readTimeout=1800s",
      "--entryPoints.websecure.transport.respondingTimeouts.writeTimeout=0s",
      "--entryPoints.websecure.transport.respondingTimeouts.idleTimeout=180s",
      "--entryPoints.websecure.transport.lifeCycle.graceTimeOut=1800s",
      "--entryPoints.traefik.address=127.0.0.1:8080",
      "--api.insecure=true",
      "--api.dashboard=false",
      "--ping.entryPoint=traefik",
      "--providers.file.directory=/etc/traefik/dynamic",
      "--providers.file.watch=true",
      "--providers.providersThrottleDuration=500ms",
    ]);
  });

  test("leads to the port that is published, and believes those who are trusted", () => {
    const text = renderTraefikArguments({
      ...PLAIN,
      httpsPort: 8443,
      trustedProxies: ["192.0.2.0/24", "2001:db8::1"],
      accessLog: false,
    });
    expect(text).toContain("--entryPoints.web.http.redirections.entryPoint.to=:8443");
    for (const entryPoint of ["web", "websecure"]) {
      expect(text).toContain(
        `--entryPoints.${entryPoint}.forwardedHeaders.trustedIPs=192.0.2.0/24,2001:db8::1`,
      );
    }
    expect(text.filter((argument) => argument.startsWith("--accessLog"))).toEqual([]);
  });

  test("gets certificates by ACME", () => {
    const common = [
      "--certificatesResolvers.acme.acme.email=admin@gateway.org",
      "--certificatesResolvers.acme.acme.storage=/var/lib/traefik/acme.json",
      "--certificatesResolvers.acme.acme.keyType=EC256",
    ];
    const http = "--certificatesResolvers.acme.acme.httpChallenge.entryPoint=web";
    const server = "--certificatesResolvers.acme.acme.caServer=";
    expect(acmeArguments({})).toEqual([...common, http]);
    expect(acmeArguments({ staging: true })).toEqual([
      ...common,
      `${server}https://acme-staging-v02.api.letsencrypt.org/directory`,
      http,
    ]);
    expect(
      acmeArguments({
        directoryUrl: "https://issuer.internal/dir",
        authorityFile: "/ca.pem",
        dnsProvider: "cloudflare",
      }),
    ).toEqual([
      ...common,
      `${server}https://issuer.internal/dir`,
      "--certificatesResolvers.acme.acme.caCertificates=/ca.pem",
      "--certificatesResolvers.acme.acme.dnsChallenge.provider=cloudflare",
    ]);
  });
});
