import { isIP } from "node:net";

import { z } from "zod";

import { image } from "./image.ts";
import type { DeepReadonly } from "./models.ts";
import { boolean, integer, number, text } from "./scalars.ts";
import { namePattern } from "./secret-names.ts";

/** Docker Hub's official image. */
const TRAEFIK_IMAGE = "traefik:v3.6.12";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";

const dnsName = z
  .string()
  .max(253)
  .regex(
    new RegExp(`^${LABEL}(?:[.]${LABEL})*$`),
    "must be a DNS name: small letters, digits, - and .",
  );

const address = z.string().refine((value) => isIP(value) !== 0, "must be an IP address");

const range = z.string().refine((value) => {
  const [start = "", prefix, ...rest] = value.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(start)] ?? -1;
  if (rest.length > 0 || bits < 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}, "must be an IP address or a range such as 10.0.0.0/8");

/** Of the Docker host, also those that only root may use. */
const hostPort = integer({ min: 1, max: 65535 });

const networkName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "must be letters, digits, _, . and -");

const secretName = z
  .string()
  .regex(namePattern, "must be the name of an entry of secrets, in camelCase");

const variableName = z
  .string()
  .regex(/^[A-Z_][A-Z0-9_]*$/, "must be an environment variable such as CF_DNS_API_TOKEN");

function network(name: string, description: string) {
  return z
    .strictObject({
      name: networkName.default(name).meta({ description: "Name of the Docker network." }),
      existing: boolean().default(false).meta({
        description: "The network exists already and is not made, nor deleted, by the stack.",
      }),
    })
    .prefault({})
    .meta({ description });
}

const ports = {
  httpPort: hostPort.default(80).meta({
    description: "Port of the Docker host for HTTP, which leads to HTTPS.",
    examples: [80],
  }),
  httpsPort: hostPort
    .default(443)
    .meta({ description: "Port of the Docker host for HTTPS.", examples: [443] }),
};

const ManagedTraefik = z.strictObject({
  kind: z
    .literal("managed")
    .default("managed")
    .meta({ description: "A Traefik of this stack's own. It has no access to Docker." }),
  image: image()
    .default(TRAEFIK_IMAGE)
    .meta({ description: "Image of Traefik.", examples: [TRAEFIK_IMAGE] }),
  address: address.default("0.0.0.0").meta({
    description: "Address of the Docker host that Traefik listens on; `::` for IPv6 too.",
  }),
  ...ports,
  cpus: number({ above: 0 }).default(1).meta({ description: "CPUs that Traefik may use." }),
  memoryMegabytes: integer({ min: 128 })
    .default(256)
    .meta({ description: "Memory that Traefik may use, in MiB." }),
});

const entryPoint = z.string().regex(/^[A-Za-z0-9_-]+$/, "must be letters, digits, _ and -");

const ExistingTraefik = z.strictObject({
  kind: z.literal("existing").meta({
    description:
      "A Traefik that runs already on network `networks.web` and takes its routes from Docker labels.",
  }),
  entryPoint: entryPoint
    .default("websecure")
    .meta({ description: "Its entry point for HTTPS.", examples: ["websecure"] }),
  httpEntryPoint: entryPoint
    .default("web")
    .meta({ description: "Its entry point for HTTP.", examples: ["web"] }),
  certificateResolver: entryPoint.optional().meta({
    description:
      "Its certificate resolver for the gateway's name. Default: its default certificate.",
  }),
  middlewares: z
    .array(
      z
        .string()
        .regex(/^[A-Za-z0-9_.-]+@[a-z]+$/, "must be the name of a middleware such as auth@file"),
    )
    .default([])
    .meta({
      description: "Middlewares of its own that every request passes first.",
      examples: [["office@file"]],
    }),
  ...ports,
});

const HttpChallenge = z.strictObject({
  kind: z
    .literal("http-01")
    .default("http-01")
    .meta({ description: "The issuer asks port 80 of the gateway's name." }),
});

const DnsChallenge = z.strictObject({
  kind: z.literal("dns-01").meta({
    description: "The issuer asks the DNS, for a gateway that the internet does not reach.",
  }),
  provider: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, "must be the name of a DNS provider such as cloudflare")
    .meta({
      description: "Name of the DNS provider, as Traefik's list of providers has it.",
      examples: ["cloudflare"],
    }),
  secrets: z
    .record(variableName, secretName)
    .default({})
    .meta({
      description:
        "Credentials for the DNS provider: names of entries of `secrets`, by environment variable.",
      examples: [{ CF_DNS_API_TOKEN: "cloudflareToken" }],
    }),
  variables: z
    .record(variableName, text())
    .default({})
    .meta({
      description: "Further environment variables of the DNS provider that are no secrets.",
      examples: [{ AWS_REGION: "eu-central-1" }],
    }),
});

const AcmeCertificates = z.strictObject({
  kind: z
    .literal("acme")
    .default("acme")
    .meta({ description: "From Let's Encrypt, or another issuer that speaks ACME." }),
  email: z.email("must be an e-mail address").meta({
    description: "Where the issuer writes to about the certificates.",
    examples: ["admin@example.com"],
  }),
  challenge: z
    .discriminatedUnion("kind", [HttpChallenge, DnsChallenge])
    .prefault({})
    .meta({ description: "How the issuer is shown that the name is ours." }),
  staging: boolean().default(false).meta({
    description:
      "Let's Encrypt's staging issuer: not trusted by browsers, but without strict limits.",
  }),
  directoryUrl: z
    .url({ protocol: /^https$/, error: "must be an https:// URL" })
    .optional()
    .meta({ description: "Directory of another issuer. Default: Let's Encrypt." }),
  certificateAuthorityFile: z.string().min(1).optional().meta({
    description:
      "File of the project with the certificate authority of the issuer's own HTTPS, when it is a private one.",
  }),
});

const FileCertificates = z.strictObject({
  kind: z.literal("files").meta({
    description: "A certificate of your own, whose private key is the secret `tlsPrivateKey`.",
  }),
  certificateFile: z
    .string()
    .min(1)
    .meta({
      description: "File of the project with the certificate, followed by those that it rests on.",
      examples: ["certificates/gateway.pem"],
    }),
});

const PrivateCertificates = z.strictObject({
  kind: z.literal("private").meta({
    description:
      "From a certificate authority that the stack makes: for tests and intranets. Clients must trust it.",
  }),
  validityDays: integer({ min: 2, max: 825 }).default(397).meta({
    description: "How long the gateway's certificate is valid. Clients refuse more than 825 days.",
  }),
  renewBeforeDays: integer({ min: 1, max: 400 }).default(30).meta({
    description: "How long before its end `pulumi up` renews the gateway's certificate.",
  }),
});

const OpenAdministration = z.strictObject({
  access: z
    .literal("open")
    .default("open")
    .meta({ description: "Whoever reaches the gateway; LiteLLM asks for a login or a key." }),
});

const RestrictedAdministration = z.strictObject({
  access: z.literal("restricted").meta({
    description:
      "Admin interface, management, spend, configuration, metrics and documentation are for administrators only.",
  }),
  sourceRanges: z
    .array(range)
    .default([])
    .meta({
      description:
        "Addresses that administrators come from. With `basicAuth` as well, both must hold.",
      examples: [["10.0.0.0/8"]],
    }),
  basicAuth: boolean().default(false).meta({
    description:
      "Ask for user name and password of the secret `adminUsers` before LiteLLM's own login. Scripts send LiteLLM's key in `x-litellm-api-key`.",
  }),
  openPaths: z
    .array(
      z
        .string()
        .regex(
          /^\/[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*$/,
          "must be a path such as /my-endpoint, without a slash at its end",
        ),
    )
    .default([])
    .meta({
      description: "Further paths, with all below them, that stay open to applications.",
      examples: [["/my-pass-through"]],
    }),
});

const RateLimit = z.strictObject({
  requests: integer({ min: 1 }).meta({
    description: "Requests that one address may send in each period.",
    examples: [100],
  }),
  periodSeconds: integer({ min: 1 }).default(1).meta({ description: "Length of the period." }),
  burst: integer({ min: 1 }).optional().meta({
    description: "Requests that may arrive at once. Default: as many as in a period.",
  }),
});

/** How the gateway is reached from outside: fields of a deployment behind Traefik. */
export const edgeShape = {
  baseDomain: dnsName.meta({
    description: "Domain below which the gateway has its name.",
    examples: ["example.com"],
  }),
  subdomain: dnsName
    .default("litellm")
    .meta({ description: "The gateway is at https://<subdomain>.<baseDomain>." }),
  additionalHosts: z
    .array(dnsName)
    .default([])
    .meta({
      description: "Further names that the gateway answers to; any other name gets a 404.",
      examples: [["ai.example.com"]],
    }),
  networks: z
    .strictObject({
      web: network("web", "Network of Traefik and the proxies."),
      internal: network(
        "internal_network",
        "Network of the proxies, PostgreSQL and Redis, without a way out when the stack makes it.",
      ),
    })
    .prefault({})
    .meta({ description: "The Docker networks." }),
  traefik: z
    .discriminatedUnion("kind", [ManagedTraefik, ExistingTraefik])
    .prefault({})
    .meta({ description: "What takes requests from outside." }),
  certificates: z
    .discriminatedUnion("kind", [AcmeCertificates, FileCertificates, PrivateCertificates])
    .optional()
    .meta({
      description: "Where the gateway's certificate comes from. An existing Traefik has its own.",
    }),
  admin: z
    .discriminatedUnion("access", [OpenAdministration, RestrictedAdministration])
    .prefault({})
    .meta({ description: "Who reaches what is not for applications." }),
  maxRequestBodyMegabytes: integer({ min: 0, max: 10240 }).default(100).meta({
    description:
      "Largest body of a request, in MiB; 0 for no limit. A body of unknown length may have 4, and its answer is not streamed.",
  }),
  rateLimit: RateLimit.optional().meta({
    description: "Limit for each address that requests come from. Default: none.",
  }),
  trustedProxies: z
    .array(range)
    .default([])
    .meta({
      description:
        "Load balancers before Traefik, whose X-Forwarded-For is believed. Requests that come past them have no known address.",
      examples: [["192.0.2.0/24"]],
    }),
  hstsSeconds: integer({ min: 0 }).default(31536000).meta({
    description: "How long browsers insist on HTTPS after a visit, in seconds; 0 for not at all.",
  }),
  accessLog: boolean().default(true).meta({
    description: "Log every request, without headers, bodies and URLs: those can hold keys.",
  }),
};

export type EdgeSettings = DeepReadonly<z.output<z.ZodObject<typeof edgeShape>>>;
type CertificateSettings = NonNullable<EdgeSettings["certificates"]>;
export type AcmeSettings = Extract<CertificateSettings, { kind: "acme" }>;
export type AdminSettings = EdgeSettings["admin"];

/** Files of the project that are read for the plan. */
export function listEdgeFiles({ certificates }: Pick<EdgeSettings, "certificates">): string[] {
  const file =
    certificates?.kind === "acme"
      ? certificates.certificateAuthorityFile
      : certificates?.kind === "files"
        ? certificates.certificateFile
        : undefined;
  return file === undefined ? [] : [file];
}

/** Names of the secrets that are for Traefik; they are none of the proxy's business. */
export function listEdgeSecrets({ certificates }: Pick<EdgeSettings, "certificates">): string[] {
  return certificates?.kind === "acme" && certificates.challenge.kind === "dns-01"
    ? Object.values(certificates.challenge.secrets)
    : [];
}
