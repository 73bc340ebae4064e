import { sha256 } from "../stacks/sha256.ts";
import {
  buildRouting,
  HEALTH_TIMEOUT,
  LIVENESS_PATH,
  type RoutingInput,
} from "./traefik-routing.ts";
import type { TraefikMap, TraefikValue } from "./traefik-yaml.ts";

export interface TraefikLabelsInput {
  readonly routing: RoutingInput;
  /** What the names of everything in Traefik begin with. */
  readonly prefix: string;
  /** Network on which Traefik reaches the proxy. */
  readonly network: string;
  /** Port of the proxy in its container. */
  readonly port: number;
  /** Entry points of Traefik for HTTPS and HTTP. */
  readonly entryPoint: string;
  readonly httpEntryPoint: string;
  /** Port of the host for HTTPS. */
  readonly httpsPort: number;
  readonly certificateResolver: string | undefined;
  /** Middlewares of Traefik's own that come first. */
  readonly middlewares: readonly string[];
}

/**
 * Labels of a proxy for a Traefik that takes its routes from Docker. All names carry a hash of what they
 * name: while proxies are replaced there are old and new ones at once, and of two definitions under one
 * name Traefik uses neither.
 */
export function renderTraefikLabels(input: TraefikLabelsInput): Record<string, string> {
  const build = (name: string): TraefikMap => buildHttp(input, name);
  // A dot would end the name.
  const prefix = input.prefix.replaceAll(".", "-");
  const name = `${prefix}-${sha256(JSON.stringify(build(prefix))).slice(0, 8)}`;
  return {
    "traefik.enable": "true",
    "traefik.docker.network": input.network,
    ...flatten("traefik.http", build(name)),
  };
}

function buildHttp(input: TraefikLabelsInput, base: string): TraefikMap {
  const { httpsPort, certificateResolver } = input;
  const { routers, middlewares } = buildRouting(input.routing);
  const nameOf = (name: string): string => (name === "" ? base : `${base}-${name}`);
  const tls: TraefikMap = {
    tls: certificateResolver === undefined ? true : { certresolver: certificateResolver },
  };
  return {
    routers: {
      ...Object.fromEntries(
        Object.entries(routers).map(([name, router]) => [
          nameOf(name),
          {
            entrypoints: input.entryPoint,
            rule: router.rule,
            priority: router.priority,
            middlewares: [...input.middlewares, ...router.middlewares.map(nameOf)],
            service: base,
            ...tls,
          },
        ]),
      ),
      [nameOf("http")]: {
        entrypoints: input.httpEntryPoint,
        rule: input.routing.hosts.map((host) => `Host(\`${host}\`)`).join(" || "),
        middlewares: [nameOf("https-only")],
        service: base,
      },
    },
    services: {
      [base]: {
        loadbalancer: {
          server: { port: input.port },
          healthcheck: { path: LIVENESS_PATH, interval: "1s", timeout: HEALTH_TIMEOUT },
          responseforwarding: { flushinterval: "-1ms" },
        },
      },
    },
    middlewares: {
      ...Object.fromEntries(
        Object.entries(middlewares).map(([name, middleware]) => [nameOf(name), middleware]),
      ),
      [nameOf("https-only")]: {
        redirectscheme: {
          scheme: "https",
          permanent: true,
          ...(httpsPort !== 443 && { port: httpsPort }),
        },
      },
    },
  };
}

/** `{ a: { b: ["c", "d"] } }` → `{ "a.b": "c,d" }`. */
function flatten(path: string, value: TraefikValue): Record<string, string> {
  if (typeof value !== "object") return { [path]: String(value) };
  if (isList(value)) return { [path]: value.map(String).join(",") };
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) =>
      Object.entries(flatten(`${path}.${key}`, child)),
    ),
  );
}

function isList(value: TraefikMap | readonly TraefikValue[]): value is readonly TraefikValue[] {
  return Array.isArray(value);
}
