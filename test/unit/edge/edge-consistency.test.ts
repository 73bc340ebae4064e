import { describe, expect, test } from "vitest";

import { checkEdge } from "../../../stacks/settings/edge-consistency.ts";
import { parseEdge } from "./edge-settings.ts";

/** Texts of what is wrong: `path message | command`. */
function findErrors(changes: object, secrets: readonly string[] = []): string[] {
  return checkEdge(parseEdge(changes), new Set(secrets)).map(
    ({ path, message, command }) => `${path.join(".")} ${message} | ${command}`,
  );
}

describe("settings of the edge that do not fit together", () => {
  test("none by default", () => {
    expect(findErrors({})).toEqual([]);
  });

  test("names and networks that are there twice", () => {
    expect(
      findErrors({
        additionalHosts: ["ai.gateway.org", "litellm.gateway.org", "ai.gateway.org"],
        networks: { web: { name: "one" }, internal: { name: "one" } },
        traefik: { httpPort: 443 },
      }),
    ).toEqual([
      `deployment.additionalHosts.1 is "litellm.gateway.org", which the gateway has already | pulumi config rm --path 'deployment.additionalHosts[1]'`,
      `deployment.additionalHosts.2 is "ai.gateway.org", which the gateway has already | pulumi config rm --path 'deployment.additionalHosts[2]'`,
      `deployment.networks.internal.name is "one", which is also the network of Traefik: PostgreSQL and Redis must not be on that | pulumi config set --path 'deployment.networks.internal.name' internal_network`,
      `deployment.traefik.httpPort is 443, the port of HTTPS | pulumi config set --path 'deployment.traefik.httpPort' 80`,
    ]);
    expect(findErrors({ networks: { web: { name: "internal_network" } } })).toEqual([
      `deployment.networks.internal.name is "internal_network", which is also the network of Traefik: PostgreSQL and Redis must not be on that | pulumi config set --path 'deployment.networks.web.name' web`,
    ]);
    expect(findErrors({ traefik: { httpPort: 8080, httpsPort: 8080 } })).toEqual([
      `deployment.traefik.httpsPort is 8080, the port of HTTP | pulumi config set --path 'deployment.traefik.httpsPort' 443`,
    ]);
  });

  test("certificates that cannot be had", () => {
    expect(findErrors({ certificates: undefined })).toEqual([
      `deployment.certificates.email is required: Let's Encrypt, where the gateway's certificate comes from, writes there | pulumi config set --path 'deployment.certificates.email' admin@example.com, or for tests and intranets: pulumi config set --path 'deployment.certificates.kind' private`,
    ]);
    expect(findErrors({ baseDomain: "office.internal" })).toEqual([
      `deployment.certificates.kind is "acme", but no public issuer gives a certificate for litellm.office.internal | pulumi config rm --path 'deployment.certificates' && pulumi config set --path 'deployment.certificates.kind' private`,
    ]);
    expect(findErrors({ additionalHosts: ["gateway"] })).toHaveLength(1);
    expect(
      findErrors({ baseDomain: "office.internal", certificates: { kind: "private" } }),
    ).toEqual([]);
    expect(
      findErrors({ certificates: { kind: "private", validityDays: 30, renewBeforeDays: 30 } }),
    ).toEqual([
      `deployment.certificates.renewBeforeDays is 30, not less than validityDays (30): every \`pulumi up\` would renew the certificate | pulumi config set --path 'deployment.certificates.renewBeforeDays' 10`,
    ]);
    const email = "admin@gateway.org";
    const directoryUrl = "https://issuer.internal/directory";
    expect(
      findErrors({
        certificates: { email, staging: true, directoryUrl },
        baseDomain: "a.internal",
      }),
    ).toEqual([
      `deployment.certificates.staging is Let's Encrypt's, but directoryUrl names another issuer; give one of them | pulumi config rm --path 'deployment.certificates.staging'`,
    ]);
    expect(findErrors({ certificates: { email, certificateAuthorityFile: "ca.pem" } })).toEqual([
      `deployment.certificates.certificateAuthorityFile is for an issuer of your own, but there is no directoryUrl | pulumi config set --path 'deployment.certificates.directoryUrl' <value>, or: pulumi config rm --path 'deployment.certificates.certificateAuthorityFile'`,
    ]);
  });

  test("administration that lets nobody in", () => {
    expect(findErrors({ admin: { access: "restricted" } })).toEqual([
      `deployment.admin.access is "restricted", but nobody is let in: give sourceRanges, basicAuth or both | pulumi config set --path 'deployment.admin.sourceRanges[0]' 10.0.0.0/8, or: pulumi config set --path 'deployment.admin.basicAuth' true`,
    ]);
  });

  test("what an existing Traefik does not do for us", () => {
    expect(
      findErrors({
        traefik: { kind: "existing" },
        admin: { access: "restricted", basicAuth: true },
        accessLog: false,
      }),
    ).toEqual([
      `deployment.certificates is of no use with traefik.kind "existing": that Traefik has its own certificates, and makes them by traefik.certificateResolver | pulumi config rm --path 'deployment.certificates'`,
      `deployment.admin.basicAuth needs traefik.kind "managed": in Docker labels everybody on the host could read the users; sourceRanges work | pulumi config rm --path 'deployment.admin.basicAuth'`,
      `deployment.accessLog is false, but with traefik.kind "existing" that Traefik decides what it logs | pulumi config rm --path 'deployment.accessLog'`,
    ]);
    expect(findErrors({ traefik: { kind: "existing" }, certificates: undefined })).toEqual([]);
  });

  test("secrets that are not set", () => {
    const admin = { access: "restricted", basicAuth: true };
    const files = { kind: "files", certificateFile: "gateway.pem" };
    expect(findErrors({ admin, certificates: files })).toEqual([
      "adminUsers is required with deployment.admin.basicAuth | htpasswd -nB admin | pulumi config set --secret adminUsers",
      'tlsPrivateKey is required with deployment.certificates.kind "files" | pulumi config set --secret tlsPrivateKey < <file>',
    ]);
    expect(findErrors({ admin, certificates: files }, ["adminUsers", "tlsPrivateKey"])).toEqual([]);
    const challenge = {
      kind: "dns-01",
      provider: "cloudflare",
      secrets: { CF_DNS_API_TOKEN: "cloudflareToken" },
    };
    const acme = { email: "admin@gateway.org", challenge };
    expect(findErrors({ certificates: acme }, ["cloudflaretoken"])).toEqual([
      `deployment.certificates.challenge.secrets.CF_DNS_API_TOKEN needs the secret "cloudflareToken", which is not set, did you mean "cloudflaretoken"? | pulumi config set --secret --path 'secrets.cloudflareToken'`,
    ]);
    expect(findErrors({ certificates: acme }, ["cloudflareToken"])).toEqual([]);
  });
});
