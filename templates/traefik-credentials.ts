import { sha256 } from "../stacks/sha256.ts";
import { buildRouters, nameMiddlewares } from "./traefik-routes.ts";
import {
  ADMIN_PAGE,
  ADMIN_USERS,
  buildAdminSession,
  type RoutingInput,
} from "./traefik-routing.ts";
import { stringifyTraefik } from "./traefik-yaml.ts";

export interface TraefikCredentialsInput {
  /** For the routers of the administrators' session. */
  readonly routing: RoutingInput;
  readonly certificateResolver: string | undefined;
}

/** Values of secrets. */
export interface TraefikCredentials {
  /** Lines of an htpasswd file; undefined without basic authentication. */
  readonly users: string | undefined;
  /** Undefined where Traefik gets its certificates by ACME. */
  readonly certificate:
    | {
        /** PEM: the gateway's certificate first, then those that it rests on. */
        readonly chain: string;
        /** PEM. */
        readonly privateKey: string;
      }
    | undefined;
}

/** Text of credentials.yaml. It is a secret, and so are all messages about it. */
export function renderTraefikCredentials(
  input: TraefikCredentialsInput,
  { users, certificate }: TraefikCredentials,
): string {
  return stringifyTraefik({
    ...(users !== undefined && { http: buildAdministration(input, users) }),
    ...(certificate !== undefined && {
      tls: {
        certificates: [{ certFile: certificate.chain, keyFile: certificate.privateKey }],
        stores: {
          default: {
            defaultCertificate: { certFile: certificate.chain, keyFile: certificate.privateKey },
          },
        },
      },
    }),
  });
}

function buildAdministration(
  input: TraefikCredentialsInput,
  users: string,
): Parameters<typeof stringifyTraefik>[0] {
  const cookie = adminSessionCookie(users);
  return {
    routers: buildRouters(buildAdminSession(input.routing, cookie), input),
    middlewares: nameMiddlewares({
      [ADMIN_USERS]: {
        // LiteLLM would take the password for a key.
        basicAuth: { users: readUsers(users), realm: "LiteLLM", removeHeader: true },
      },
      [ADMIN_PAGE]: {
        headers: {
          customResponseHeaders: {
            // Lax: whoever comes back from a login elsewhere is not asked again.
            "Set-Cookie": `${cookie.name}=${cookie.value}; Path=/; Secure; HttpOnly; SameSite=Lax`,
          },
        },
      },
    }),
  };
}

/**
 * The cookie with which requests for administrators pass without a password (`Cookie: name=value`).
 * A secret like the users that it is made from.
 */
export function adminSessionCookie(users: string): {
  readonly name: string;
  readonly value: string;
} {
  const lines = readUsers(users);
  return {
    name: "__Host-litellm-admin",
    value: sha256(["litellm-gateway admin session", ...lines].join("\n")),
  };
}

/** Name and hash: bcrypt, Apache's MD5 or SHA-1, which is what Traefik knows. */
const USER = /^[^:\s]+:(?:\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$apr1\$\S+|\{SHA\}\S+)$/;

/**
 * Lines of an htpasswd file, without comments.
 *
 * @throws when a line is none, with its number and nothing of its text
 */
function readUsers(text: string): string[] {
  const lines = text.split("\n").flatMap((line, index) => {
    const user = line.trim();
    if (user === "" || user.startsWith("#")) return [];
    if (!USER.test(user)) {
      throw new Error(
        `adminUsers: line ${index + 1} is not <name>:<hash> as \`htpasswd -nB <name>\` prints it\n` +
          "  htpasswd -nB admin | pulumi config set --secret adminUsers",
      );
    }
    return [user];
  });
  if (lines.length === 0) {
    throw new Error(
      "adminUsers has no user\n  htpasswd -nB admin | pulumi config set --secret adminUsers",
    );
  }
  return lines;
}
