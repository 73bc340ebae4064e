import { listHosts } from "../plan/edge-plan.ts";
import type { EdgeSettings } from "./edge-settings.ts";
import type { Issue, Path } from "./issue.ts";
import { removeCommand, setCommand, suggest } from "./issue.ts";
import { setSecretCommand } from "./secret-names.ts";

/** Top-level domains that no public issuer gives certificates for. */
const PRIVATE_DOMAINS =
  /(?:^|[.])(?:example|home[.]arpa|internal|invalid|lan|local|localhost|test)$/;

const PATH: Path = ["deployment"];

/**
 * What does not fit together among the settings of a deployment behind Traefik.
 * @param secretNames names of the secrets that are set
 */
export function checkEdge(settings: EdgeSettings, secretNames: ReadonlySet<string>): Issue[] {
  return [
    ...checkHosts(settings),
    ...checkNetworks(settings),
    ...checkPorts(settings),
    ...checkCertificates(settings),
    ...checkAdministration(settings),
    ...checkExisting(settings),
    ...checkSecrets(settings, secretNames),
  ];
}

function checkHosts(settings: EdgeSettings): Issue[] {
  const hosts = listHosts(settings);
  return settings.additionalHosts.flatMap((host, index) => {
    // The main name is the first of them.
    if (hosts.indexOf(host) === index + 1) return [];
    const path = [...PATH, "additionalHosts", index];
    return [
      {
        path,
        message: `is ${JSON.stringify(host)}, which the gateway has already`,
        command: removeCommand(path),
      },
    ];
  });
}

function checkNetworks({ networks: { web, internal } }: EdgeSettings): Issue[] {
  if (web.name !== internal.name) return [];
  const path = [...PATH, "networks", "internal", "name"];
  return [
    {
      path,
      message: `is ${JSON.stringify(internal.name)}, which is also the network of Traefik: PostgreSQL and Redis must not be on that`,
      command:
        internal.name === "internal_network"
          ? setCommand([...PATH, "networks", "web", "name"], "web")
          : setCommand(path, "internal_network"),
    },
  ];
}

function checkPorts({ traefik: { httpPort, httpsPort } }: EdgeSettings): Issue[] {
  if (httpPort !== httpsPort) return [];
  const path = [...PATH, "traefik", httpPort === 443 ? "httpPort" : "httpsPort"];
  return [
    {
      path,
      message: `is ${httpsPort}, the port of ${httpPort === 443 ? "HTTPS" : "HTTP"}`,
      command: setCommand(path, httpPort === 443 ? 80 : 443),
    },
  ];
}

function checkCertificates(settings: EdgeSettings): Issue[] {
  const { certificates, traefik } = settings;
  const path = [...PATH, "certificates"];
  if (traefik.kind === "existing") {
    if (certificates === undefined) return [];
    return [
      {
        path,
        message: `is of no use with traefik.kind "existing": that Traefik has its own certificates, and makes them by traefik.certificateResolver`,
        command: removeCommand(path),
      },
    ];
  }
  if (certificates === undefined) {
    return [
      {
        path: [...path, "email"],
        message:
          "is required: Let's Encrypt, where the gateway's certificate comes from, writes there",
        command: `${setCommand([...path, "email"], "admin@example.com")}, or for tests and intranets: ${setCommand([...path, "kind"], "private")}`,
      },
    ];
  }
  if (
    certificates.kind === "private" &&
    certificates.renewBeforeDays >= certificates.validityDays
  ) {
    return [
      {
        path: [...path, "renewBeforeDays"],
        message: `is ${certificates.renewBeforeDays}, not less than validityDays (${certificates.validityDays}): every \`pulumi up\` would renew the certificate`,
        command: setCommand(
          [...path, "renewBeforeDays"],
          Math.max(1, Math.floor(certificates.validityDays / 3)),
        ),
      },
    ];
  }
  if (certificates.kind !== "acme") return [];
  const { directoryUrl, staging, certificateAuthorityFile } = certificates;
  const issues: Issue[] = [];
  if (directoryUrl !== undefined && staging) {
    issues.push({
      path: [...path, "staging"],
      message: "is Let's Encrypt's, but directoryUrl names another issuer; give one of them",
      command: removeCommand([...path, "staging"]),
    });
  }
  if (directoryUrl === undefined && certificateAuthorityFile !== undefined) {
    issues.push({
      path: [...path, "certificateAuthorityFile"],
      message: "is for an issuer of your own, but there is no directoryUrl",
      command: `${setCommand([...path, "directoryUrl"])}, or: ${removeCommand([...path, "certificateAuthorityFile"])}`,
    });
  }
  const host = listHosts(settings).find(
    (name) => PRIVATE_DOMAINS.test(name) || !name.includes("."),
  );
  if (directoryUrl === undefined && host !== undefined) {
    issues.push({
      path: [...path, "kind"],
      message: `is "acme", but no public issuer gives a certificate for ${host}`,
      command: `${removeCommand(path)} && ${setCommand([...path, "kind"], "private")}`,
    });
  }
  return issues;
}

function checkAdministration({ admin }: EdgeSettings): Issue[] {
  if (admin.access === "open" || admin.basicAuth || admin.sourceRanges.length > 0) return [];
  return [
    {
      path: [...PATH, "admin", "access"],
      message: `is "restricted", but nobody is let in: give sourceRanges, basicAuth or both`,
      command: `${setCommand([...PATH, "admin", "sourceRanges", 0], "10.0.0.0/8")}, or: ${setCommand([...PATH, "admin", "basicAuth"], true)}`,
    },
  ];
}

function checkExisting({ admin, traefik, accessLog }: EdgeSettings): Issue[] {
  if (traefik.kind !== "existing") return [];
  const issues: Issue[] = [];
  if (admin.access === "restricted" && admin.basicAuth) {
    const path = [...PATH, "admin", "basicAuth"];
    issues.push({
      path,
      message: `needs traefik.kind "managed": in Docker labels everybody on the host could read the users; sourceRanges work`,
      command: removeCommand(path),
    });
  }
  if (!accessLog) {
    const path = [...PATH, "accessLog"];
    issues.push({
      path,
      message: `is false, but with traefik.kind "existing" that Traefik decides what it logs`,
      command: removeCommand(path),
    });
  }
  return issues;
}

function checkSecrets(settings: EdgeSettings, secretNames: ReadonlySet<string>): Issue[] {
  const { admin, certificates, traefik } = settings;
  if (traefik.kind === "existing") return [];
  const issues: Issue[] = [];
  const need = (secret: "adminUsers" | "tlsPrivateKey", why: string, command: string): void => {
    if (!secretNames.has(secret)) {
      issues.push({ path: [secret], message: `is required with ${why}`, command });
    }
  };
  if (admin.access === "restricted" && admin.basicAuth) {
    need(
      "adminUsers",
      "deployment.admin.basicAuth",
      "htpasswd -nB admin | pulumi config set --secret adminUsers",
    );
  }
  if (certificates?.kind === "files") {
    need(
      "tlsPrivateKey",
      `deployment.certificates.kind "files"`,
      "pulumi config set --secret tlsPrivateKey < <file>",
    );
  }
  if (certificates?.kind === "acme" && certificates.challenge.kind === "dns-01") {
    for (const [variable, secret] of Object.entries(certificates.challenge.secrets)) {
      if (secretNames.has(secret)) continue;
      issues.push({
        path: [...PATH, "certificates", "challenge", "secrets", variable],
        message: `needs the secret ${JSON.stringify(secret)}, which is not set${suggest(secret, secretNames)}`,
        command: setSecretCommand(secret),
      });
    }
  }
  return issues;
}
