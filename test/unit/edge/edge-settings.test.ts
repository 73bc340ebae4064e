import { describe, expect, test } from "vitest";
import { z } from "zod";

import {
  edgeShape,
  listEdgeFiles,
  listEdgeSecrets,
} from "../../../stacks/settings/edge-settings.ts";
import { checkSchema } from "../../../stacks/settings/schema-issues.ts";
import { parseEdge } from "./edge-settings.ts";

const schema = z.strictObject(edgeShape);

/** Texts of what is wrong: `path message | command`. */
function findErrors(changes: object): string[] {
  const settings = { baseDomain: "gateway.org", ...changes };
  return checkSchema(schema, settings, ["deployment"]).issues.map(
    ({ path, message, command }) => `${path.join(".")} ${message} | ${command}`,
  );
}

describe("settings of the edge", () => {
  test("need a domain, and have defaults for all else", () => {
    expect(parseEdge()).toEqual({
      baseDomain: "gateway.org",
      subdomain: "litellm",
      additionalHosts: [],
      networks: {
        web: { name: "web", existing: false },
        internal: { name: "internal_network", existing: false },
      },
      traefik: {
        kind: "managed",
        image: "traefik:v3.6.12",
        address: "0.0.0.0",
        httpPort: 80,
        httpsPort: 443,
        cpus: 1,
        memoryMegabytes: 256,
      },
      certificates: {
        kind: "acme",
        email: "admin@gateway.org",
        challenge: { kind: "http-01" },
        staging: false,
      },
      admin: { access: "open" },
      maxRequestBodyMegabytes: 100,
      trustedProxies: [],
      hstsSeconds: 31536000,
      accessLog: true,
    });
    expect(checkSchema(schema, {}, ["deployment"]).issues).toEqual([
      {
        path: ["deployment", "baseDomain"],
        message: "is required",
        command: "pulumi config set --path 'deployment.baseDomain' example.com",
      },
    ]);
  });

  test("take what `pulumi config set` stores as texts", () => {
    const { traefik, maxRequestBodyMegabytes, accessLog } = parseEdge({
      traefik: { httpsPort: "8443" },
      maxRequestBodyMegabytes: "0",
      accessLog: "false",
    });
    expect({ traefik, maxRequestBodyMegabytes, accessLog }).toMatchObject({
      traefik: { kind: "managed", httpsPort: 8443 },
      maxRequestBodyMegabytes: 0,
      accessLog: false,
    });
  });

  test.each([
    ["10.0.0.0/8", true],
    ["192.0.2.7", true],
    ["2001:db8::/32", true],
    ["::1", true],
    ["10.0.0.0/33", false],
    ["2001:db8::/129", false],
    ["10.0.0.0/8/8", false],
    ["10.0.0.0/", false],
    ["office", false],
    ["", false],
  ])("range %o is right: %o", (range, isRight) => {
    const errors = findErrors({ admin: { access: "restricted", sourceRanges: [range] } });
    expect(errors).toEqual(
      isRight
        ? []
        : [
            `deployment.admin.sourceRanges.0 must be an IP address or a range such as 10.0.0.0/8, not ${JSON.stringify(range)} | pulumi config set --path 'deployment.admin.sourceRanges[0]' <value>`,
          ],
    );
  });

  test("are refused with the command that mends them", () => {
    expect(
      findErrors({
        baseDomain: "https://example.com",
        traefik: { kind: "managed", address: "eth0", httpPort: 0 },
        certificates: { kind: "acme", email: "nobody", directoryUrl: "http://issuer.example.com" },
        rateLimit: {},
      }),
    ).toEqual([
      `deployment.baseDomain must be a DNS name: small letters, digits, - and ., not "https://example.com" | pulumi config set --path 'deployment.baseDomain' example.com`,
      `deployment.traefik.address must be an IP address, not "eth0" | pulumi config set --path 'deployment.traefik.address' 0.0.0.0`,
      `deployment.traefik.httpPort must be at least 1, not 0 | pulumi config set --path 'deployment.traefik.httpPort' 80`,
      `deployment.certificates.email must be an e-mail address, not "nobody" | pulumi config set --path 'deployment.certificates.email' admin@example.com`,
      `deployment.certificates.directoryUrl must be an https:// URL, not "http://issuer.example.com" | pulumi config set --path 'deployment.certificates.directoryUrl' <value>`,
      `deployment.rateLimit.requests is required | pulumi config set --path 'deployment.rateLimit.requests' 100`,
    ]);
  });

  test("cannot smuggle anything into a rule of Traefik", () => {
    const text = "a`) || PathPrefix(`/";
    expect(findErrors({ additionalHosts: [text] })).toHaveLength(1);
    expect(findErrors({ subdomain: text })).toHaveLength(1);
    expect(findErrors({ admin: { access: "restricted", openPaths: [text] } })).toHaveLength(1);
    expect(findErrors({ admin: { access: "restricted", openPaths: ["/a.*"] } })).toHaveLength(1);
    expect(findErrors({ admin: { access: "restricted", openPaths: ["/"] } })).toHaveLength(1);
    expect(findErrors({ traefik: { kind: "existing", middlewares: ["{{ x }}"] } })).toHaveLength(1);
  });

  test("name the files and the secrets that they need", () => {
    const challenge = {
      kind: "dns-01",
      provider: "cloudflare",
      secrets: { CF_DNS_API_TOKEN: "cloudflareToken" },
    };
    const acme = parseEdge({
      certificates: {
        email: "admin@gateway.org",
        challenge,
        directoryUrl: "https://issuer.example.com/directory",
        certificateAuthorityFile: "issuer.pem",
      },
    });
    const files = parseEdge({ certificates: { kind: "files", certificateFile: "gateway.pem" } });
    expect([acme, files, parseEdge()].map(listEdgeFiles)).toEqual([
      ["issuer.pem"],
      ["gateway.pem"],
      [],
    ]);
    expect([acme, files, parseEdge()].map(listEdgeSecrets)).toEqual([["cloudflareToken"], [], []]);
  });
});
