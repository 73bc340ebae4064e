import {
  type AcmeInput,
  renderTraefikArguments,
  TRAEFIK_API_URL,
} from "../../templates/traefik-arguments.ts";
import type { TraefikCredentialsInput } from "../../templates/traefik-credentials.ts";
import { renderTraefikLabels } from "../../templates/traefik-labels.ts";
import { renderTraefikRoutes, TRAEFIK_NAME } from "../../templates/traefik-routes.ts";
import type { RoutingInput } from "../../templates/traefik-routing.ts";
import { requireText } from "../required-text.ts";
import { ADMIN_PATHS } from "./api-paths.ts";
import type { ContainerPlan } from "./container-plan.ts";
import type { AcmeSettings, EdgeSettings } from "../settings/edge-settings.ts";

/** How the gateway is reached from outside. */
export type EdgePlan = ManagedEdgePlan | ExistingEdgePlan;

interface EdgePlanBase {
  /** Name of the gateway. */
  readonly host: string;
  /** All its names; the first one is `host`. */
  readonly hosts: readonly string[];
  /** `https://<host>`, with the port unless it is 443. */
  readonly url: string;
  /** Ports of the Docker host. */
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Who vouches for the gateway's name. */
  readonly issuer: "acme" | "acme-staging" | "files" | "private" | "existing";
  /** 0: no header. */
  readonly hstsSeconds: number;
  readonly admin: {
    /** Some of the paths that only administrators may use; empty when all may. */
    readonly paths: readonly string[];
    /** Addresses that may use them; empty for all. */
    readonly sourceRanges: readonly string[];
    /** Whether they ask for a password first. */
    readonly basicAuth: boolean;
  };
}

/** A Traefik of the stack's own, with files for its routes. */
export interface ManagedEdgePlan extends EdgePlanBase {
  readonly kind: "managed";
  readonly container: ContainerPlan;
  /** Volumes of the container, which hold no data but for certificates that can be had again. */
  readonly volumes: readonly string[];
  /** Files that are no secrets and are there before the routes, by path in the container. */
  readonly files: Readonly<Record<string, string>>;
  /** Undefined when there is nothing in it. */
  readonly credentials: CredentialsPlan | undefined;
  readonly routes: {
    /** In the container. */
    readonly path: string;
    readonly content: string;
    /** Name of the service in Traefik's API. */
    readonly service: string;
    /** Name of the main router in Traefik's API. */
    readonly router: string;
    /** URLs that the service has when the routes are in force. */
    readonly servers: readonly string[];
    /** Of Traefik's API, inside the container. */
    readonly apiUrl: string;
  };
}

/** A file of Traefik that holds secrets: `renderTraefikCredentials(plan, values)` is its text. */
export interface CredentialsPlan extends TraefikCredentialsInput {
  /** In the container. */
  readonly path: string;
  /** Whether it holds the secret `adminUsers`. */
  readonly users: boolean;
  readonly certificate: CertificatePlan | undefined;
}

type CertificatePlan =
  | {
      readonly kind: "files";
      /** PEM; its key is the secret `tlsPrivateKey`. */
      readonly chain: string;
    }
  | {
      readonly kind: "private";
      readonly names: readonly string[];
      readonly validityDays: number;
      readonly renewBeforeDays: number;
    };

/** Somebody else's Traefik, which takes the routes from labels. */
export interface ExistingEdgePlan extends EdgePlanBase {
  readonly kind: "existing";
  /** Of every proxy. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface EdgeOptions {
  readonly prefix: string;
  /** Network of Traefik and the proxies. */
  readonly network: string;
  readonly requestTimeoutSeconds: number;
  /** `http://<container>:<port>` of each proxy. */
  readonly servers: readonly string[];
  /** Port of the proxies in their containers. */
  readonly proxyPort: number;
  /** Texts of the project's files, by their path in the project: those that `listEdgeFiles` names. */
  readonly files: Readonly<Record<string, string>>;
}

const DYNAMIC_FOLDER = "/etc/traefik/dynamic";
const ACME_FOLDER = "/var/lib/traefik";
const AUTHORITY_FILE = `${DYNAMIC_FOLDER}/acme-ca.pem`;
/** Name of the certificate resolver. */
const RESOLVER = "acme";
/** Traefik starts anew for other time-outs, which cuts requests; so they do not follow every change. */
const LEAST_TIMEOUT_SECONDS = 1800;
/** Beyond the longest request. */
const MARGIN_SECONDS = 20;

export function planEdge(settings: EdgeSettings, options: EdgeOptions): EdgePlan {
  const { traefik } = settings;
  const hosts = listHosts(settings);
  const base = {
    host: hosts[0],
    hosts,
    url: `https://${hosts[0]}${traefik.httpsPort === 443 ? "" : `:${traefik.httpsPort}`}`,
    httpPort: traefik.httpPort,
    httpsPort: traefik.httpsPort,
    hstsSeconds: settings.hstsSeconds,
    admin: planAdministration(settings),
  };
  const routing = planRouting(settings);
  switch (traefik.kind) {
    case "managed":
      return { ...base, ...planManaged(settings, traefik, routing, options) };
    case "existing":
      return {
        ...base,
        kind: "existing",
        issuer: "existing",
        labels: planEdgeLabels(settings, options),
      };
    default:
      return traefik satisfies never;
  }
}

/** Labels of every proxy, whose servers are no part of them; none for a Traefik that goes by files. */
export function planEdgeLabels(
  settings: EdgeSettings,
  { prefix, network, proxyPort }: Pick<EdgeOptions, "prefix" | "network" | "proxyPort">,
): Readonly<Record<string, string>> {
  const { traefik } = settings;
  if (traefik.kind === "managed") return {};
  return renderTraefikLabels({
    routing: planRouting(settings),
    prefix,
    network,
    port: proxyPort,
    entryPoint: traefik.entryPoint,
    httpEntryPoint: traefik.httpEntryPoint,
    httpsPort: traefik.httpsPort,
    certificateResolver: traefik.certificateResolver,
    middlewares: traefik.middlewares,
  });
}

function planRouting(settings: EdgeSettings): RoutingInput {
  const { admin, hstsSeconds, maxRequestBodyMegabytes, rateLimit, trustedProxies } = settings;
  const hosts = listHosts(settings);
  return { hosts, admin, hstsSeconds, maxRequestBodyMegabytes, rateLimit, trustedProxies };
}

/** The gateway's names; the main one is first. */
export function listHosts({
  subdomain,
  baseDomain,
  additionalHosts,
}: Pick<EdgeSettings, "subdomain" | "baseDomain" | "additionalHosts">): readonly [
  string,
  ...string[],
] {
  return [`${subdomain}.${baseDomain}`, ...additionalHosts];
}

function planAdministration({ admin }: EdgeSettings): EdgePlanBase["admin"] {
  if (admin.access === "open") return { paths: [], sourceRanges: [], basicAuth: false };
  const { sourceRanges, basicAuth } = admin;
  return { paths: ADMIN_PATHS, sourceRanges, basicAuth };
}

function planManaged(
  settings: EdgeSettings,
  traefik: Extract<EdgeSettings["traefik"], { kind: "managed" }>,
  routing: RoutingInput,
  options: EdgeOptions,
): Omit<ManagedEdgePlan, Exclude<keyof EdgePlanBase, "issuer">> {
  const { certificates } = settings;
  if (certificates === undefined)
    throw new Error("a Traefik of the stack's own needs certificates");
  const acme = certificates.kind === "acme" ? certificates : undefined;
  const certificateResolver = acme && RESOLVER;
  const container = planTraefikContainer(settings, traefik, acme, options);
  const authority = acme?.certificateAuthorityFile;
  return {
    kind: "managed",
    issuer: acme === undefined ? certificates.kind : isStaging(acme) ? "acme-staging" : "acme",
    container,
    volumes: container.volumes.map(({ volume }) => volume),
    files:
      authority === undefined ? {} : { [AUTHORITY_FILE]: requireText(options.files, authority) },
    credentials: planCredentials(settings, { routing, certificateResolver }, options),
    routes: {
      path: `${DYNAMIC_FOLDER}/routes.yaml`,
      content: renderTraefikRoutes({ routing, servers: options.servers, certificateResolver }),
      service: `${TRAEFIK_NAME}@file`,
      router: `${TRAEFIK_NAME}@file`,
      servers: options.servers,
      apiUrl: TRAEFIK_API_URL,
    },
  };
}

function isStaging({ staging, directoryUrl }: AcmeSettings): boolean {
  return staging && directoryUrl === undefined;
}

function planCredentials(
  { admin, certificates }: EdgeSettings,
  input: TraefikCredentialsInput,
  options: EdgeOptions,
): CredentialsPlan | undefined {
  const users = admin.access === "restricted" && admin.basicAuth;
  const certificate = planCertificate(certificates, input.routing, options);
  if (!users && certificate === undefined) return undefined;
  return { ...input, path: `${DYNAMIC_FOLDER}/credentials.yaml`, users, certificate };
}

function planCertificate(
  certificates: EdgeSettings["certificates"],
  { hosts }: RoutingInput,
  options: EdgeOptions,
): CertificatePlan | undefined {
  if (certificates?.kind === "files") {
    return { kind: "files", chain: requireText(options.files, certificates.certificateFile) };
  }
  if (certificates?.kind !== "private") return undefined;
  const { validityDays, renewBeforeDays } = certificates;
  return { kind: "private", names: hosts, validityDays, renewBeforeDays };
}

function planTraefikContainer(
  settings: EdgeSettings,
  traefik: Extract<EdgeSettings["traefik"], { kind: "managed" }>,
  acme: AcmeSettings | undefined,
  { prefix, network, requestTimeoutSeconds }: EdgeOptions,
): ContainerPlan {
  const { address, httpPort, httpsPort } = traefik;
  const dns = acme?.challenge.kind === "dns-01" ? acme.challenge : undefined;
  const timeoutSeconds = Math.max(LEAST_TIMEOUT_SECONDS, requestTimeoutSeconds + MARGIN_SECONDS);
  return {
    name: `${prefix}-traefik`,
    image: traefik.image,
    entrypoint: undefined,
    command: renderTraefikArguments({
      dynamicFolder: DYNAMIC_FOLDER,
      httpsPort,
      trustedProxies: settings.trustedProxies,
      accessLog: settings.accessLog,
      timeoutSeconds,
      acme: acme && planAcme(acme),
    }),
    variables: dns?.variables ?? {},
    secretVariables: dns?.secrets ?? {},
    labels: {},
    networks: [{ name: network, alias: undefined }],
    ports: [
      { address, port: httpPort, containerPort: 80 },
      { address, port: httpsPort, containerPort: 443 },
    ],
    volumes: [
      { volume: `${prefix}-traefik-dynamic`, folder: DYNAMIC_FOLDER, readOnly: false },
      ...(acme === undefined
        ? []
        : [{ volume: `${prefix}-traefik-acme`, folder: ACME_FOLDER, readOnly: false }]),
    ],
    // Answers that are held back are written there once they are large.
    temporaryFolders: { "/tmp": 64 },
    init: false,
    capabilities: ["CAP_NET_BIND_SERVICE"],
    cpus: traefik.cpus,
    memoryMegabytes: traefik.memoryMegabytes,
    sharedMemoryMegabytes: 64,
    service: {
      probe: ["wget", "-q", "-O", "/dev/null", `${TRAEFIK_API_URL}/ping`],
      intervalSeconds: 10,
      timeoutSeconds: 5,
      retries: 3,
      readyDeadlineSeconds: 60,
    },
    stopSignal: "SIGTERM",
    // A little longer than Traefik itself waits for running requests.
    stopGraceSeconds: timeoutSeconds + 10,
  };
}

function planAcme(acme: AcmeSettings): AcmeInput {
  return {
    resolver: RESOLVER,
    email: acme.email,
    storageFile: `${ACME_FOLDER}/acme.json`,
    dnsProvider: acme.challenge.kind === "dns-01" ? acme.challenge.provider : undefined,
    staging: acme.staging,
    directoryUrl: acme.directoryUrl,
    authorityFile: acme.certificateAuthorityFile === undefined ? undefined : AUTHORITY_FILE,
  };
}
