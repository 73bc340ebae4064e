import { formatSeconds } from "./traefik-yaml.ts";

/** Where Traefik's own API answers: inside its container only. */
export const TRAEFIK_API_URL = "http://127.0.0.1:8080";

/** Let's Encrypt's issuer for tests. */
const STAGING_DIRECTORY = "https://acme-staging-v02.api.letsencrypt.org/directory";

export interface TraefikArgumentsInput {
  /** Folder of the dynamic configuration. */
  readonly dynamicFolder: string;
  /** Port of the host under which the HTTPS entry point is reached. */
  readonly httpsPort: number;
  /** Load balancers before Traefik, as addresses or ranges. */
  readonly trustedProxies: readonly string[];
  readonly accessLog: boolean;
  /** Longest time that a request may take, from its first byte to the last one of its answer. */
  readonly timeoutSeconds: number;
  readonly acme: AcmeInput | undefined;
}

export interface AcmeInput {
  /** Name of the certificate resolver. */
  readonly resolver: string;
  readonly email: string;
  /** File that keeps account and certificates. */
  readonly storageFile: string;
  /** `undefined`: HTTP-01. */
  readonly dnsProvider: string | undefined;
  readonly staging: boolean;
  readonly directoryUrl: string | undefined;
  /** Certificate authority of the issuer's own HTTPS. */
  readonly authorityFile: string | undefined;
}

/**
 * Command line of Traefik: its static configuration, without secrets.
 * https://doc.traefik.io/traefik/reference/install-configuration/configuration-options/
 */
export function renderTraefikArguments(input: TraefikArgumentsInput): string[] {
  const { dynamicFolder, httpsPort, trustedProxies, timeoutSeconds } = input;
  return [
    ...flags("global", { checkNewVersion: "false", sendAnonymousUsage: "false" }),
    ...flags("log", { level: "INFO", format: "json" }),
    ...(input.accessLog ? ACCESS_LOG : []),
    ...flags("entryPoints.web", {
      address: ":80",
      "http.redirections.entryPoint.to": httpsPort === 443 ? "websecure" : `:${httpsPort}`,
      "http.redirections.entryPoint.scheme": "https",
      "http.redirections.entryPoint.permanent": "true",
    }),
    ...flags("entryPoints.websecure", {
      address: ":443",
      "http.tls": "true",
      // Until the end of its body: a large file over a slow line takes longer than the default of 60 s.
      "transport.respondingTimeouts.readTimeout": formatSeconds(timeoutSeconds),
      "transport.respondingTimeouts.writeTimeout": "0s",
      // Longer than the minutes for which clients keep idle connections.
      "transport.respondingTimeouts.idleTimeout": "180s",
      // When Traefik itself is stopped.
      "transport.lifeCycle.graceTimeOut": formatSeconds(timeoutSeconds),
    }),
    ...["web", "websecure"].flatMap((entryPoint) =>
      trustedProxies.length === 0
        ? []
        : flags(`entryPoints.${entryPoint}`, {
            "forwardedHeaders.trustedIPs": trustedProxies.join(","),
          }),
    ),
    // The entry point `traefik` is that of API and ping.
    ...flags("entryPoints.traefik", { address: new URL(TRAEFIK_API_URL).host }),
    ...flags("api", { insecure: "true", dashboard: "false" }),
    ...flags("ping", { entryPoint: "traefik" }),
    ...flags("providers", {
      "file.directory": dynamicFolder,
      "file.watch": "true",
      // With the default of 2 s a second change waits that long.
      providersThrottleDuration: "500ms",
    }),
    ...(input.acme === undefined ? [] : renderResolver(input.acme)),
  ];
}

/** Headers carry keys, and so do URLs: Google's clients send them as `?key=…`. */
const ACCESS_LOG = flags("accessLog", {
  format: "json",
  "fields.defaultMode": "keep",
  "fields.headers.defaultMode": "drop",
  "fields.names.RequestPath": "drop",
  "fields.names.ClientUsername": "keep",
});

function renderResolver(acme: AcmeInput): string[] {
  const { directoryUrl, dnsProvider, authorityFile } = acme;
  const server = directoryUrl ?? (acme.staging ? STAGING_DIRECTORY : undefined);
  return flags(`certificatesResolvers.${acme.resolver}.acme`, {
    email: acme.email,
    storage: acme.storageFile,
    keyType: "EC256",
    ...(server !== undefined && { caServer: server }),
    ...(authorityFile !== undefined && { caCertificates: authorityFile }),
    ...(dnsProvider === undefined
      ? { "httpChallenge.entryPoint": "web" }
      : { "dnsChallenge.provider": dnsProvider }),
  });
}

function flags(section: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${section}.${name}=${value}`);
}
