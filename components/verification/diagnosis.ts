import { isIP } from "node:net";

import { unbracket } from "../proxy-client.ts";

interface Diagnosis {
  readonly pattern: RegExp;
  /** What causes it, and what to do. */
  readonly advice: string;
}

/** Answers of Traefik in LiteLLM's place: the whole body, where LiteLLM would send JSON. */
const EDGE_DIAGNOSES: readonly Diagnosis[] = [
  {
    pattern: /^404 page not found$/,
    advice:
      "Traefik has no route for this name: the `baseDomain` or `subdomain` of the settings is not that of the URL, or the routes are not loaded; compare `pulumi stack output proxyUrl` with the settings, see Traefik's log, and run `pulumi up`",
  },
  {
    pattern: /^(no available server|Service Unavailable)$/,
    advice:
      "Traefik finds no proxy that is ready; see why: `docker ps --all` and the proxy's log (`pulumi stack output logs`), then run `pulumi up`",
  },
  {
    pattern: /^Bad Gateway$/,
    advice:
      "Traefik cannot reach the proxy: it does not run, or is not on Traefik's network; see `docker ps --all` and the proxy's log (`pulumi stack output logs`), then run `pulumi up`",
  },
  {
    pattern: /^Gateway Timeout$/,
    advice:
      "the proxy has not answered Traefik in time: it hangs, has vanished or is on another network; see the proxy's log (`pulumi stack output logs`), then run `pulumi up`",
  },
  {
    pattern: /^Forbidden$/,
    advice:
      "Traefik lets nobody in from this address: it is in none of the source ranges that the settings allow administration from; add it there and run `pulumi up`",
  },
  {
    pattern: /^401 Unauthorized$/,
    advice:
      "Traefik asks for a name and a password before this page: one of the secret `adminUsers`; set it: `pulumi config set --secret adminUsers`",
  },
  {
    pattern: /^Too Many Requests$/,
    advice:
      "Traefik's rate limit for one source is reached; wait, or raise `rateLimit` in the settings and run `pulumi up`",
  },
  {
    pattern: /^Request Entity Too Large$/,
    advice:
      "the request is larger than Traefik lets pass; raise `maxRequestBodyMegabytes` in the settings and run `pulumi up`",
  },
];

/** Well-known answers of LiteLLM, what causes them, and what to do. */
const DIAGNOSES: readonly Diagnosis[] = [
  {
    pattern: /Service Unhealthy|Cache not initialized/i,
    advice:
      "LiteLLM does not reach Redis, or Redis refuses the password; requests succeed without it, and nothing is cached: see that the Redis container runs (`docker ps --all`), or host, port, TLS and `redisPassword` of an external one, then run `pulumi up`",
  },
  {
    pattern: /no_db_connection|Can't reach database server/i,
    advice:
      "LiteLLM does not reach PostgreSQL: see that the server runs (`docker ps --all`), or host, port and firewall of an external one, then run `pulumi up`",
  },
  {
    pattern: /No connected db/i,
    advice:
      "LiteLLM has no database to look the key up in: it was given another key than the master key in a deployment with `database: {kind: none}`, or it started without DATABASE_URL; use the master key, or set a database and run `pulumi up`",
  },
  {
    pattern: /LLM Provider NOT provided/i,
    advice:
      "the model has no provider that LiteLLM knows; an OpenAI-compatible server, another LiteLLM included, is provider `openai-compatible` with its baseUrl. If the model is stored in the database, its salt key has changed",
  },
  {
    pattern: /Only proxy admin/i,
    advice:
      "this key may not manage keys; use the master key: `pulumi stack output masterKey --show-secrets`",
  },
  {
    pattern: /token_not_found_in_db|Invalid proxy server token/i,
    advice:
      "the key is not one of this gateway; take the master key from `pulumi stack output masterKey --show-secrets`",
  },
  {
    pattern: /Invalid model name/i,
    advice: "no model of that name is configured; `/v1/models` lists those that are",
  },
  {
    pattern: /Missing credentials|Incorrect API key|invalid_api_key|AuthenticationError/i,
    advice:
      "the provider refused its key; set it again with `pulumi config set --secret <provider>ApiKey` and run `pulumi up`",
  },
  {
    pattern:
      /Connection error|Cannot connect|Connection refused|APIConnectionError|Name or service/i,
    advice:
      "the upstream of this model cannot be reached: check that it runs, its baseUrl, and network, VPN and firewall from where the proxy runs",
  },
  {
    pattern: /deployments for selected model are in cooldown/i,
    advice:
      "the last requests to this model failed, and LiteLLM lets it rest for some seconds; ask again after them: that answer names the cause",
  },
  {
    pattern: /does not exist in the current database|relation .* does not exist/i,
    advice: "the database schema is not complete; run `pulumi up`, which applies what is missing",
  },
];

/** One line on an answer that should have been a success. */
export function explainAnswer(path: string, status: number, body: string): string {
  const route = path.split("?")[0] ?? path;
  const advice = findAdvice(EDGE_DIAGNOSES, body.trim()) ?? findAdvice(DIAGNOSES, body);
  return `${route} answered ${status}: ${firstLine(body)}${advice === undefined ? "" : ` — ${advice}`}`;
}

const findAdvice = (diagnoses: readonly Diagnosis[], text: string): string | undefined =>
  diagnoses.find(({ pattern }) => pattern.test(text))?.advice;

/** One line on a proxy that did not answer at all. */
export function explainUnreachable(url: string, error: unknown, connectAddress?: string): string {
  const { code, reason } = describeConnectionError(error);
  const { protocol, host, hostname, port } = new URL(url);
  const name = unbracket(hostname);
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return explainUnresolved(name, connectAddress);
    case "ECONNREFUSED":
      if (protocol === "https:") {
        return explainRefused(connectAddress ?? host, port === "" ? "443" : port);
      }
      break;
    default:
      if (isCertificateFault(code)) {
        return explainCertificate(name, { code, reason });
      }
  }
  return `no answer from ${url} (${reason}) — the proxy is not running there, or the URL is wrong; see its log and run \`pulumi up\``;
}

/** A name that DNS does not know. */
export function explainUnresolved(name: string, connectAddress?: string): string {
  return `${name} has no address — set ${describeRecord(name, connectAddress)}; until then use it from one machine by a line in its hosts file`;
}

/** The DNS record that leads to the gateway. */
export function describeRecord(name: string, address: string | undefined): string {
  if (address === undefined || /^(127\.|0\.0\.0\.0$|::1?$|localhost$)/.test(address)) {
    return `the DNS record \`${name}. A <address of the Docker host>\``;
  }
  const type = { 4: "A", 6: "AAAA" }[isIP(address)] ?? "CNAME";
  return `the DNS record \`${name}. ${type} ${address}${type === "CNAME" ? "." : ""}\``;
}

/** A port on which nobody listens. */
function explainRefused(address: string, port: string): string {
  return `${address} refuses connections on port ${port} — Traefik does not run there, or publishes another port, or a firewall rejects it; see \`docker ps --all --filter name=traefik\` and its log, then run \`pulumi up\``;
}

/** How a certificate was judged. */
export interface CertificateFault {
  /** Of Node.js or OpenSSL, such as `CERT_HAS_EXPIRED`. */
  readonly code: string;
  readonly reason: string;
  /** Whether it is the one that Traefik makes for itself while it has no other. */
  readonly isTraefiksOwn?: boolean;
}

const CERTIFICATE_FAULT =
  /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|HOSTNAME_MISMATCH)/;

const isCertificateFault = (code: string): boolean => CERTIFICATE_FAULT.test(code);

/** A certificate that clients do not accept. */
export function explainCertificate(
  name: string,
  { code, reason, isTraefiksOwn = false }: CertificateFault,
): string {
  if (isTraefiksOwn) {
    return `${name} has no certificate yet: Traefik serves the one it made for itself — with ACME, see Traefik's log: the name must lead here by public DNS, port 80 must be reachable from the internet for HTTP-01, and the authority's rate limit must not be reached (try it with \`staging\`); with a certificate of your own, see that it is for this name; then run \`pulumi up\``;
  }
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
    case "HOSTNAME_MISMATCH":
      return `the certificate is for other names than ${name} (${reason}) — the certificate of the settings must hold every name of the gateway: put in one that does, or set \`baseDomain\` right, and run \`pulumi up\``;
    case "CERT_HAS_EXPIRED":
      return `the certificate of ${name} has expired — renew it: \`pulumi up\` for one of the stack's own authority, a new file for one from files; with ACME, Traefik's log says why it was not renewed`;
    case "CERT_NOT_YET_VALID":
      return `the certificate of ${name} is not valid yet — the clock of this machine or of the Docker host is wrong; set it right and run \`pulumi up\``;
    default:
      return `the certificate of ${name} is by nobody who is trusted here (${reason}) — for a private authority take its certificate into NODE_EXTRA_CA_CERTS and your clients' trust (\`pulumi stack output certificateAuthority\`); for files, give the whole chain with the intermediates; then run \`pulumi up\``;
  }
}

/** Why a question to PostgreSQL failed. */
export function explainDatabase(error: unknown): string {
  const { code, reason } = describeConnectionError(error);
  switch (code) {
    case "ECONNREFUSED":
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${reason} — PostgreSQL cannot be reached from here: see that the server runs (\`docker ps --all\`), and host, port and firewall of an external one; then run \`pulumi up\``;
    case "28P01":
      return `${reason} — the role has another password there; run \`pulumi refresh\` and \`pulumi up\`, which set it again`;
    default:
      return reason;
  }
}

/** What LiteLLM writes to its log when it cannot start. */
const LOG_DIAGNOSES: readonly Diagnosis[] = [
  {
    pattern: /yaml\.\w+\.\w+Error/,
    advice:
      "a configuration file is no valid YAML, at the line and column that the log names; mend what it was made from in the settings or the included file, and run `pulumi up`",
  },
  {
    pattern: /Included file not found/,
    advice:
      "the configuration includes a file that is not there; put it into `includes` of the settings, or take it out, and run `pulumi up`",
  },
  {
    pattern: /P1001|Can't reach database server|All connection attempts failed/,
    advice:
      "PostgreSQL cannot be reached from the proxy's network: see that the server runs (`docker ps --all`), and host, port and firewall of an external one; then run `pulumi up`",
  },
  {
    pattern: /redis\.exceptions\.AuthenticationError|WRONGPASS|NOAUTH/,
    advice: "Redis refuses the password; set `redisPassword` right and run `pulumi up`",
  },
  {
    pattern: /redis\.exceptions\.(ConnectionError|TimeoutError)|exception from REDIS/i,
    advice:
      "Redis cannot be reached from the proxy's network: see that it runs (`docker ps --all`), and host, port and TLS of an external one; then run `pulumi up`",
  },
];

/** What to do about what a proxy's log tells; undefined where that is not well known. */
export function explainLog(log: string): string | undefined {
  return findAdvice(LOG_DIAGNOSES, log);
}

/** The innermost cause of a failed connection. */
function describeConnectionError(error: unknown): { code: string; reason: string } {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return describeConnectionError(error.errors[0]); // one for each address of a name
  }
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code } = cause as { code?: unknown };
  return {
    code: typeof code === "string" ? code : "",
    reason: cause instanceof Error ? cause.message || cause.name : String(cause),
  };
}

function firstLine(body: string): string {
  let message: unknown;
  try {
    message = (JSON.parse(body) as { error?: { message?: unknown } }).error?.message;
  } catch {
    message = undefined; // not JSON: a proxy in between answered
  }
  const text = typeof message === "string" ? message : body;
  const [line = ""] = text.trim().split("\n");
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
