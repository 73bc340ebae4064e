import type { MachineCheck } from "./machine-checks.ts";

/**
 * What is verified after every `up`. Planned beside the deployment, so that what
 * is checked follows from what was planned; run by components/verification.
 *
 * None of them costs money: chat and embedding go to models of provider `mock` and
 * are left out where there is none, because LiteLLM ignores a `mock_response` that
 * comes with the request.
 */
export type Check =
  | { readonly kind: "live" }
  | { readonly kind: "ready"; readonly database: "connected" | "Not connected" }
  | { readonly kind: "database" }
  | { readonly kind: "schema" }
  /** The server allows as many connections as the proxy may open. */
  | { readonly kind: "connections"; readonly needed: number }
  /** `exact`: and no others. */
  | { readonly kind: "models"; readonly names: readonly string[]; readonly exact: boolean }
  | { readonly kind: "chat"; readonly model: string; readonly stream: boolean }
  | { readonly kind: "embedding"; readonly model: string }
  | { readonly kind: "wrong-key"; readonly status: 400 | 401 }
  | { readonly kind: "unknown-model" }
  | ({ readonly kind: "admin" } & Management)
  | ({
      readonly kind: "spend-log";
      readonly model: string;
      readonly deadlineSeconds: number;
    } & Management)
  /** The proxy's cache answers a question that was asked before. */
  | { readonly kind: "cache-hit"; readonly model: string; readonly mode: CacheMode }
  /** The proxy reaches its cache. */
  | ({ readonly kind: "redis" } & Management)
  | EdgeCheck
  | MachineCheck;

/** What a reverse proxy with TLS in front of the gateway does, seen from outside. */
export type EdgeCheck =
  /** The names lead here. Only a warning: it may be for others to set. */
  | { readonly kind: "dns"; readonly hosts: readonly string[] }
  /** Valid and for all hosts, within so many seconds. The other checks begin after it. */
  | {
      readonly kind: "certificate";
      readonly hosts: readonly string[];
      readonly issuer: CertificateIssuer;
      readonly deadlineSeconds: number;
    }
  /** HTTP on this port is sent to HTTPS. */
  | { readonly kind: "redirect"; readonly port: number }
  /** Browsers are told to use HTTPS only, for at least so many seconds. */
  | { readonly kind: "hsts"; readonly seconds: number }
  /** A request with another Host does not get to the proxy. */
  | {
      readonly kind: "unknown-host";
      /** Others may answer it. Default: nobody does. */
      readonly isShared?: true;
    }
  /** What only administrators need is refused from here, before it gets to the proxy. */
  | ({ readonly kind: "admin-refused" } & RefusedPath)
  /** A stream is passed on piece by piece. */
  | { readonly kind: "stream-chunks"; readonly model: string }
  | { readonly kind: "websocket" };

interface RefusedPath {
  readonly path: string;
  /** 403 for an address that may not, 401 for a missing password. */
  readonly status: 401 | 403;
  /** This machine may be among those that are allowed: then nothing is seen. Default: false. */
  readonly mayBeAllowed?: true;
}

/** A check that asks what only administrators may ask. */
interface Management {
  /** Not everywhere allowed: that this machine is refused is no fault. Default: false. */
  readonly isRestricted?: true;
}

/** Whether LiteLLM caches what does not ask for it. */
export type CacheMode = "default_on" | "default_off";

/**
 * Who has issued the certificate. `acme-staging`: an ACME server that nobody trusts, such as one for
 * tests; what it issues is trusted for the checks if the names are right. `existing`: somebody else's
 * business.
 */
type CertificateIssuer = "private" | "files" | "acme" | "acme-staging" | "existing";

/** Checks that take longer are left to `npm run verify`: `up` is not to wait for them. */
const QUICK_SECONDS = 60;

/** The checks that `up` runs. */
export function selectQuick(checks: readonly Check[]): Check[] {
  return checks.filter((check) => {
    if (check.kind === "spend-log") return check.deadlineSeconds <= QUICK_SECONDS;
    return check.kind !== "load" && check.kind !== "database-activity";
  });
}

/** A certificate by ACME is there a little after the first start of what asks for it. */
const ACME_DEADLINE_SECONDS = 120;
/** Files are read within seconds. */
const CERTIFICATE_DEADLINE_SECONDS = 15;

/** What stands between the gateway and its users. */
export interface CheckedEdge {
  /** Names that the gateway is reached under, that of its URL first. */
  readonly hosts: readonly string[];
  readonly issuer: CertificateIssuer;
  /** Least time that browsers are told to use HTTPS only for; 0: they are not told. */
  readonly hstsSeconds: number;
  /** Port that sends HTTP to HTTPS; undefined where there is none. */
  readonly httpPort: number | undefined;
  /** Paths that are refused from this machine, and how. */
  readonly refused: readonly RefusedPath[];
  /** Whether this machine may ask what only administrators may (`/key/list`, `/spend/logs`, `/cache/ping`). */
  readonly management: "allowed" | "refused" | "unknown";
}

/** What the checks follow from. */
export interface CheckedDeployment {
  /** Whether there is a database, and whether this machine reaches it. */
  readonly database: "none" | "reachable" | "unreachable";
  /** Connections that a server which others use as well must allow. */
  readonly connections: number | undefined;
  /** Every model name the proxy must offer. */
  readonly models: readonly string[];
  /** Whether it offers others too. */
  readonly offersUnregistered: boolean;
  /** A chat model of provider `mock`. */
  readonly chatModel: string | undefined;
  /** An embedding model of provider `mock`. */
  readonly embeddingModel: string | undefined;
  /** How often LiteLLM writes its spend log, in seconds. Default: LiteLLM's own 10. */
  readonly spendLogSeconds: number | undefined;
  /** Whether answers are cached, and which. Default: none are. */
  readonly cache?: CacheMode | undefined;
  /** Whether keys are looked up in a file, whatever LiteLLM stores. Default: they are not. */
  readonly hasStaticKeys?: boolean;
  /** Default: the gateway is reached directly. */
  readonly edge?: CheckedEdge | undefined;
}

export function planChecks(deployment: CheckedDeployment): Check[] {
  const { connections, models, chatModel, embeddingModel, spendLogSeconds = 10 } = deployment;
  const { cache, edge, hasStaticKeys = false } = deployment;
  const isManageable = edge?.management !== "refused";
  const management: Management = edge?.management === "unknown" ? { isRestricted: true } : {};
  const hasDatabase = deployment.database !== "none";
  return [
    ...(edge === undefined ? [] : planConnectionChecks(edge)),
    { kind: "live" },
    { kind: "ready", database: hasDatabase ? "connected" : "Not connected" },
    ...(deployment.database === "reachable"
      ? ([{ kind: "database" }, { kind: "schema" }] as const)
      : []),
    ...(connections === undefined ? [] : ([{ kind: "connections", needed: connections }] as const)),
    {
      kind: "models",
      names: [...new Set(models)].sort(),
      exact: !deployment.offersUnregistered,
    },
    ...(chatModel === undefined
      ? []
      : ([
          { kind: "chat", model: chatModel, stream: false },
          { kind: "chat", model: chatModel, stream: true },
        ] as const)),
    ...(embeddingModel === undefined
      ? []
      : ([{ kind: "embedding", model: embeddingModel }] as const)),
    // Without a database LiteLLM cannot look a key up and says "No connected db." with status 400.
    { kind: "wrong-key", status: hasDatabase || hasStaticKeys ? 401 : 400 },
    { kind: "unknown-model" },
    ...(hasDatabase && isManageable ? ([{ kind: "admin", ...management }] as const) : []),
    ...(cache !== undefined && isManageable ? ([{ kind: "redis", ...management }] as const) : []),
    ...(cache !== undefined && chatModel !== undefined
      ? ([{ kind: "cache-hit", model: chatModel, mode: cache }] as const)
      : []),
    ...(edge === undefined ? [] : planPassageChecks(edge, chatModel)),
    ...(hasDatabase && isManageable && chatModel !== undefined
      ? ([
          // Batches are written some seconds later than they should be.
          {
            kind: "spend-log",
            model: chatModel,
            deadlineSeconds: spendLogSeconds + 50,
            ...management,
          },
        ] as const)
      : []),
  ];
}

/** How one gets to the gateway. */
function planConnectionChecks({ hosts, issuer, httpPort }: CheckedEdge): Check[] {
  const isAwaited = issuer === "acme" || issuer === "acme-staging";
  return [
    { kind: "dns", hosts },
    {
      kind: "certificate",
      hosts,
      issuer,
      deadlineSeconds: isAwaited ? ACME_DEADLINE_SECONDS : CERTIFICATE_DEADLINE_SECONDS,
    },
    ...(httpPort === undefined ? [] : ([{ kind: "redirect", port: httpPort }] as const)),
  ];
}

/** What is let through, and how. */
function planPassageChecks(
  { issuer, hstsSeconds, refused }: CheckedEdge,
  chatModel: string | undefined,
): Check[] {
  return [
    ...(hstsSeconds === 0 ? [] : ([{ kind: "hsts", seconds: hstsSeconds }] as const)),
    { kind: "unknown-host", ...(issuer === "existing" && { isShared: true }) },
    ...refused.map((path) => ({ kind: "admin-refused", ...path }) as const),
    ...(chatModel === undefined ? [] : ([{ kind: "stream-chunks", model: chatModel }] as const)),
    { kind: "websocket" },
  ];
}
