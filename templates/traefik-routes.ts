import {
  buildRouting,
  HEALTH_TIMEOUT,
  LIVENESS_PATH,
  type Router,
  type RoutingInput,
} from "./traefik-routing.ts";
import { stringifyTraefik, type TraefikMap } from "./traefik-yaml.ts";

/** What the names of routers, services and middlewares in Traefik's files begin with. */
export const TRAEFIK_NAME = "litellm";

export interface TraefikRoutesInput {
  readonly routing: RoutingInput;
  /** `http://<container>:<port>` of each proxy. */
  readonly servers: readonly string[];
  readonly certificateResolver: string | undefined;
}

/** Text of routes.yaml: who gets which requests, without secrets. */
export function renderTraefikRoutes(input: TraefikRoutesInput): string {
  const { routers, middlewares } = buildRouting(input.routing);
  return stringifyTraefik({
    http: {
      routers: buildRouters(routers, input),
      services: {
        [TRAEFIK_NAME]: {
          loadBalancer: {
            servers: input.servers.map((url) => ({ url })),
            healthCheck: { path: LIVENESS_PATH, interval: "5s", timeout: HEALTH_TIMEOUT },
            // At once: a chunk of a stream is not held back.
            responseForwarding: { flushInterval: "-1ms" },
            serversTransport: TRAEFIK_NAME,
          },
        },
      },
      serversTransports: {
        [TRAEFIK_NAME]: {
          maxIdleConnsPerHost: 64,
          forwardingTimeouts: {
            // With the default of 30 s a request to a proxy that has vanished hangs that long.
            dialTimeout: "2s",
            // Shorter than LiteLLM's 5 s: it never closes a connection that is about to be used.
            idleConnTimeout: "3s",
          },
        },
      },
      middlewares: nameMiddlewares(middlewares),
    },
    tls: { options: { default: TLS_OPTIONS } },
  });
}

/** Forward secrecy and authenticated encryption only; TLS 1.3 has its own list. */
const TLS_OPTIONS: TraefikMap = {
  minVersion: "VersionTLS12",
  cipherSuites: [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
  ],
};

/** Routers as Traefik's files have them. */
export function buildRouters(
  routers: Readonly<Record<string, Router>>,
  {
    routing: { hosts },
    certificateResolver,
  }: Pick<TraefikRoutesInput, "routing" | "certificateResolver">,
): TraefikMap {
  const [main = "", ...sans] = hosts;
  return Object.fromEntries(
    Object.entries(routers).map(([name, { rule, priority, middlewares }]) => [
      nameOf(name),
      {
        entryPoints: ["websecure"],
        rule,
        priority,
        middlewares: middlewares.map(nameOf),
        service: TRAEFIK_NAME,
        tls:
          certificateResolver === undefined
            ? {}
            : {
                certResolver: certificateResolver,
                // One certificate for all names.
                domains: [{ main, ...(sans.length > 0 && { sans }) }],
              },
      },
    ]),
  );
}

/** Middlewares as Traefik's files have them. */
export function nameMiddlewares(middlewares: Readonly<Record<string, TraefikMap>>): TraefikMap {
  return Object.fromEntries(
    Object.entries(middlewares).map(([name, middleware]) => [nameOf(name), middleware]),
  );
}

function nameOf(name: string): string {
  return name === "" ? TRAEFIK_NAME : `${TRAEFIK_NAME}-${name}`;
}
