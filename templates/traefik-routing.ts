import { apiPathPattern } from "../stacks/plan/api-paths.ts";
import type { AdminSettings, EdgeSettings } from "../stacks/settings/edge-settings.ts";
import { formatSeconds, type TraefikMap } from "./traefik-yaml.ts";

/**
 * Where LiteLLM says that it runs. Its readiness is for those that nobody uses yet: it fails for a busy
 * proxy, whose question to the database takes some seconds, and for all of them at once when the database
 * does; with none left nobody would be served, not even those whose requests need no database.
 */
export const LIVENESS_PATH = "/health/liveliness";

/**
 * Until Traefik takes a proxy out that has not said so. A busy one is slow to answer, and the only one
 * taken out is no gateway at all; who is gone refuses the connection at once.
 */
export const HEALTH_TIMEOUT = "30s";

/** What decides which request gets to LiteLLM, and how. */
export type RoutingInput = Pick<
  EdgeSettings,
  "admin" | "hstsSeconds" | "maxRequestBodyMegabytes" | "rateLimit" | "trustedProxies"
> & { readonly hosts: readonly string[] };

/** Routers and middlewares by the last part of their names; "" is the main router. */
export interface Routing {
  readonly routers: Readonly<Record<string, Router>>;
  /** By name, the only key of each is its type. */
  readonly middlewares: Readonly<Record<string, TraefikMap>>;
}

export interface Router {
  readonly rule: string;
  /** Of two routers for a request the one with the higher priority has it. */
  readonly priority: number;
  /** In the order that a request passes them. */
  readonly middlewares: readonly string[];
}

/** Holds users and the cookie of their session, and so is defined beside them, among the secrets. */
export const ADMIN_USERS = "admin-users";
export const ADMIN_PAGE = "admin-page";

const MEBIBYTE = 1024 * 1024;
/** Of a body without a length, which is held in memory while it comes. */
const UNMEASURED_MEBIBYTES = 4;
/** Such requests at once, so that their bodies fit into Traefik's memory. */
const UNMEASURED_REQUESTS = 16;

const PRIORITY = {
  admin: 100,
  adminPage: 200,
  adminSession: 300,
  api: 400,
  /** Added for a request whose body has no length. */
  unmeasured: 1000,
  tooLarge: 2000,
} as const;

/**
 * Routers and middlewares without secrets.
 *
 * **Body limit.** Traefik's `buffering` also holds back the whole answer, which ends streaming, and
 * LiteLLM's own `max_request_size_mb` wants an enterprise licence. So the limit is a rule: a request with
 * a Content-Length above it has a router of its own, where `buffering` refuses it before it reads
 * anything, and the others never pass that middleware. A body without a length (chunked) must be counted
 * while it comes: only such requests are buffered, up to 4 MiB, 16 at once; their answers come in one
 * piece. GET, HEAD and OPTIONS have no body that LiteLLM reads and are left alone: WebSockets begin so.
 */
export function buildRouting(input: RoutingInput): Routing {
  const { admin, hstsSeconds, maxRequestBodyMegabytes, rateLimit } = input;
  const isRestricted = admin.access === "restricted";
  const hosts = matchHosts(input);
  const first = [
    ...(hstsSeconds > 0 ? ["hsts"] : []),
    ...(rateLimit === undefined ? [] : ["rate-limit"]),
  ];
  const base: Record<string, Router> = {
    "": {
      rule: isRestricted ? `${hosts} && ${matchApi(admin.openPaths)}` : hosts,
      priority: PRIORITY.api,
      middlewares: [...first, "retry"],
    },
    ...(isRestricted && {
      admin: {
        rule: hosts,
        priority: PRIORITY.admin,
        middlewares: [
          ...first,
          ...adminMiddlewares(admin),
          ...(admin.basicAuth ? [ADMIN_USERS] : []),
          "retry",
        ],
      },
    }),
    ...(isRestricted &&
      admin.basicAuth && {
        // Nothing but pages, which set no cookies of their own: the one that is set here replaces those.
        [ADMIN_PAGE]: {
          rule: `${hosts} && PathPrefix(\`/ui\`)`,
          priority: PRIORITY.adminPage,
          middlewares: [...first, ...adminMiddlewares(admin), ADMIN_USERS, ADMIN_PAGE, "retry"],
        },
      }),
  };
  return {
    routers: {
      ...base,
      ...(maxRequestBodyMegabytes > 0 && {
        ...limitUnmeasured(base),
        "too-large": {
          rule: `${hosts} && HeaderRegexp(\`Content-Length\`, \`^0*${greaterThan(maxRequestBodyMegabytes * MEBIBYTE)}$\`)`,
          priority: PRIORITY.tooLarge,
          middlewares: [...first, "body-limit"],
        },
      }),
    },
    middlewares: buildMiddlewares(input),
  };
}

/**
 * The router for administrators who have shown their password already.
 *
 * **Basic authentication and LiteLLM's keys.** Both want the header Authorization, and the admin
 * interface fills it with LiteLLM's key in every call. So a page of the interface asks for the password,
 * and answers with a cookie; requests with it pass without. Its value follows from the users: who knows
 * it has seen it set, and with other users it is another one. It never reaches scripts in pages (HttpOnly).
 * Scripts without cookies send the password in Authorization, and LiteLLM's key in `x-litellm-api-key`.
 */
export function buildAdminSession(
  input: RoutingInput,
  cookie: { readonly name: string; readonly value: string },
): Readonly<Record<string, Router>> {
  const { hstsSeconds, rateLimit, admin } = input;
  const router: Router = {
    rule: `${matchHosts(input)} && HeaderRegexp(\`Cookie\`, \`(?:^|; ?)${cookie.name}=${cookie.value}(?:;|$)\`)`,
    priority: PRIORITY.adminSession,
    middlewares: [
      ...(hstsSeconds > 0 ? ["hsts"] : []),
      ...(rateLimit === undefined ? [] : ["rate-limit"]),
      ...adminMiddlewares(admin),
      "retry",
    ],
  };
  const routers = { "admin-session": router };
  return input.maxRequestBodyMegabytes > 0 ? { ...routers, ...limitUnmeasured(routers) } : routers;
}

/** Each router once more, for requests whose body has no length. */
function limitUnmeasured(routers: Readonly<Record<string, Router>>): Record<string, Router> {
  return Object.fromEntries(
    Object.entries(routers).map(([name, { rule, priority, middlewares }]) => [
      name === "" ? "unmeasured" : `${name}-unmeasured`,
      {
        rule: `(${rule}) && !Method(\`GET\`) && !Method(\`HEAD\`) && !Method(\`OPTIONS\`) && !HeaderRegexp(\`Content-Length\`, \`.\`)`,
        priority: PRIORITY.unmeasured + priority,
        middlewares: [
          ...middlewares.filter((middleware) => middleware !== "retry"),
          "unmeasured-count",
          "unmeasured-limit",
          "retry",
        ],
      },
    ]),
  );
}

function matchHosts({ hosts }: RoutingInput): string {
  const matchers = hosts.map((host) => `Host(\`${host}\`)`);
  return matchers.length === 1 ? matchers.join("") : `(${matchers.join(" || ")})`;
}

function matchApi(openPaths: readonly string[]): string {
  return `PathRegexp(\`${apiPathPattern(openPaths)}\`)`;
}

function adminMiddlewares(admin: AdminSettings): string[] {
  return admin.access === "restricted" && admin.sourceRanges.length > 0 ? ["admin-sources"] : [];
}

function buildMiddlewares(input: RoutingInput): Record<string, TraefikMap> {
  const { admin, hstsSeconds, maxRequestBodyMegabytes, rateLimit } = input;
  const source = identifySource(input);
  const unmeasured = Math.min(maxRequestBodyMegabytes, UNMEASURED_MEBIBYTES) * MEBIBYTE;
  return {
    ...(hstsSeconds > 0 && {
      hsts: {
        headers: {
          customResponseHeaders: { "Strict-Transport-Security": `max-age=${hstsSeconds}` },
        },
      },
    }),
    ...(rateLimit !== undefined && {
      "rate-limit": {
        rateLimit: {
          average: rateLimit.requests,
          period: formatSeconds(rateLimit.periodSeconds),
          burst: rateLimit.burst ?? rateLimit.requests,
          ...(source !== undefined && { sourceCriterion: { ipStrategy: source } }),
        },
      },
    }),
    ...(admin.access === "restricted" &&
      admin.sourceRanges.length > 0 && {
        "admin-sources": {
          ipAllowList: {
            sourceRange: admin.sourceRanges,
            ...(source !== undefined && { ipStrategy: source }),
          },
        },
      }),
    ...(maxRequestBodyMegabytes > 0 && {
      "body-limit": { buffering: { maxRequestBodyBytes: maxRequestBodyMegabytes * MEBIBYTE } },
      "unmeasured-count": { inFlightReq: { amount: UNMEASURED_REQUESTS } },
      "unmeasured-limit": {
        buffering: { maxRequestBodyBytes: unmeasured, memRequestBodyBytes: unmeasured },
      },
    }),
    // Repeats only what no server has got: a connection that was refused, never a request that was sent.
    // Servers are taken in turn by all requests, so one of them may meet the same dead proxy several times.
    retry: { retry: { attempts: 10, initialInterval: "100ms" } },
  };
}

/** Behind load balancers the source is the last address that is none of theirs. */
function identifySource({ trustedProxies }: RoutingInput): TraefikMap | undefined {
  return trustedProxies.length === 0 ? undefined : { excludedIPs: trustedProxies };
}

/** Regular expression for the whole numbers above `limit`, without leading zeros. */
export function greaterThan(limit: number): string {
  const digits = String(limit);
  const some = (count: number): string => (count === 0 ? "" : `[0-9]{${count}}`);
  const sameLength = Array.from(digits).flatMap((digit, index) =>
    digit === "9"
      ? []
      : [`${digits.slice(0, index)}[${Number(digit) + 1}-9]${some(digits.length - index - 1)}`],
  );
  return `(?:${[`[1-9][0-9]{${digits.length},}`, ...sameLength].join("|")})`;
}
