import { describe, expect, test } from "vitest";
import { parse } from "yaml";

import {
  adminSessionCookie,
  renderTraefikCredentials,
  type TraefikCredentials,
} from "../../../templates/traefik-credentials.ts";

const BCRYPT = `admin:$2y$05$${"a".repeat(53)}`;
const APACHE = "other:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const INPUT = {
  routing: {
    hosts: ["litellm.gateway.org"],
    admin: { access: "restricted", sourceRanges: [], basicAuth: true, openPaths: [] },
    maxRequestBodyMegabytes: 1,
    hstsSeconds: 60,
    rateLimit: undefined,
    trustedProxies: [],
  },
  certificateResolver: undefined,
} as const;

const render = (values: Partial<TraefikCredentials>): unknown =>
  parse(renderTraefikCredentials(INPUT, { users: undefined, certificate: undefined, ...values }));

describe("credentials.yaml", () => {
  test("holds the certificate, also for those who ask for no name", () => {
    const certificate = { chain: "CERTIFICATE\n", privateKey: "KEY\n" };
    const files = { certFile: "CERTIFICATE\n", keyFile: "KEY\n" };
    expect(render({ certificate })).toEqual({
      tls: { certificates: [files], stores: { default: { defaultCertificate: files } } },
    });
  });

  test("holds the administrators, and the router of their session", () => {
    const cookie = adminSessionCookie(BCRYPT);
    expect(cookie.value).toMatch(/^[0-9a-f]{64}$/);
    const rule = `Host(\`litellm.gateway.org\`) && HeaderRegexp(\`Cookie\`, \`(?:^|; ?)__Host-litellm-admin=${cookie.value}(?:;|$)\`)`;
    expect(render({ users: `# administrators\n${BCRYPT}\r\n\n${APACHE}\n` })).toMatchObject({
      http: {
        middlewares: {
          "litellm-admin-users": {
            basicAuth: { users: [BCRYPT, APACHE], realm: "LiteLLM", removeHeader: true },
          },
        },
      },
    });
    expect(render({ users: BCRYPT })).toMatchObject({
      http: {
        routers: {
          "litellm-admin-session": {
            rule,
            priority: 300,
            middlewares: ["litellm-hsts", "litellm-retry"],
            service: "litellm",
          },
          "litellm-admin-session-unmeasured": { priority: 1300 },
        },
        middlewares: {
          "litellm-admin-page": {
            headers: {
              customResponseHeaders: {
                "Set-Cookie": `__Host-litellm-admin=${cookie.value}; Path=/; Secure; HttpOnly; SameSite=Lax`,
              },
            },
          },
        },
      },
    });
  });

  test("has another session for other users, and the same for another layout", () => {
    const { value } = adminSessionCookie(BCRYPT);
    expect(adminSessionCookie(`\n${BCRYPT}\n`).value).toBe(value);
    expect(adminSessionCookie(APACHE).value).not.toBe(value);
  });

  test.each(["admin:secret", "admin", ":$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "a{{b:$2y$05$"])(
    "refuses %o without showing it",
    (line) => {
      expect(() => adminSessionCookie(`${BCRYPT}\n${line}`)).toThrow(
        new Error(
          "adminUsers: line 2 is not <name>:<hash> as `htpasswd -nB <name>` prints it\n" +
            "  htpasswd -nB admin | pulumi config set --secret adminUsers",
        ),
      );
    },
  );

  test("refuses to have no users", () => {
    expect(() => adminSessionCookie("# nobody\n")).toThrow("adminUsers has no user");
  });
});
