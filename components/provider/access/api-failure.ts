import type { Answer } from "../../proxy-client.ts";
import { Unobservable } from "../resource.ts";

/** LiteLLM has answered, and said no. Holds no secret. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  /** What LiteLLM said, without its decoration. */
  readonly reason: string;

  /** @param advice - what to do about it; default: nothing more than the reason says */
  constructor(request: string, status: number, reason: string, advice?: string) {
    super(
      `${request} was refused with ${status}: ${reason}${advice === undefined ? "" : `; ${advice}`}`,
    );
    this.status = status;
    this.reason = reason;
  }
}

/**
 * LiteLLM could not be asked, or did not let us in, for as long as we were willing to wait. Nothing is
 * known of what is there: it is not gone.
 */
export class Unavailable extends Unobservable {}

/** A try that may go better when it is repeated. */
export interface Trouble {
  /** What happened, in words. */
  readonly problem: string;
  /** Whether LiteLLM may have done what it was asked all the same. */
  readonly mayHaveHappened: boolean;
  /** How long the answer says to wait. */
  readonly retryAfterSeconds?: number;
  /** Whether the connection had ended while nobody used it: no reason to wait. */
  readonly wasStale?: boolean;
  /** It is given up with this error when it is the same a few times; default: not before patience ends. */
  readonly lasting?: Error;
}

/** A request, as messages name it. */
export interface AskedRequest {
  /** `POST /team/new`, without its query. */
  readonly name: string;
  /** The gateway's. */
  readonly url: string;
}

const TOO_BUSY = new Set([408, 425, 429]);
const AWAY = new Set([502, 503, 504]);

/** LiteLLM has four sentences for it: `No connected db.` is for who has not the master key either. */
const NO_DATABASE = /\b(?:DB|Database) not connected|no (?:connected db|db connected)/i;

/** How LiteLLM says that something is for holders of its licence. */
const LICENCE =
  /LiteLLM Enterprise|enterprise(?: only)? feature|enterprise license|premium (?:feature|user)|LITELLM_LICENSE|license is over limit/i;

/** How LiteLLM says, with a 403, that a key may not manage: there are some thirty wordings of it. */
const NOT_ADMIN =
  /proxy[ _]admin|admin[- ]only|only admin|your (?:user )?role|not (?:allowed|authorized) to access|not allowed to call this route|view-only|no 'user_id' is associated/i;

/**
 * What an answer means for who asked.
 *
 * @returns undefined for success, an Error that no waiting would mend, or else the trouble
 */
export function judge(answer: Answer, { name, url }: AskedRequest): Error | Trouble | undefined {
  const { status, headers, json } = answer;
  if (status < 300 && (json !== undefined || status === 204)) return undefined;
  const reason = readReason(answer);
  if (status >= 300 && status < 400) {
    return new Unavailable(
      `${url} sends ${name} on to ${headers.location ?? "nowhere"}: give the URL where the gateway itself answers`,
    );
  }
  if (TOO_BUSY.has(status) || AWAY.has(status)) {
    const retryAfterSeconds = readRetryAfter(headers["retry-after"]);
    return {
      problem: `${status}: ${reason}`,
      mayHaveHappened: !TOO_BUSY.has(status) || status === 408,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    };
  }
  if (status < 500 && (json === undefined || isUnknownRoute(answer))) {
    return new Unavailable(
      `${url} answered ${name} with ${status} (${reason}), as LiteLLM does not: is this its base URL? ` +
        `See: curl ${url}/health/liveliness`,
    );
  }
  if (NO_DATABASE.test(reason)) {
    return new Unavailable(
      `the gateway at ${url} has no database, which is where LiteLLM keeps teams, users and keys ` +
        `(${status}: ${reason}): give it one by DATABASE_URL; see: curl ${url}/health/readiness`,
    );
  }
  if (LICENCE.test(reason) && status < 500) {
    return new Refusal(
      name,
      status,
      withoutAdvertisement(reason),
      "this needs LiteLLM's licence: leave it out, or set LITELLM_LICENSE for the gateway",
    );
  }
  if (status === 401 || (status === 403 && NOT_ADMIN.test(reason))) {
    return new Unavailable(
      `${name} at ${url}: the key that was given does not manage this gateway (${status}: ${reason}); ` +
        "its master key does, or a key of a proxy_admin; try it: " +
        `curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" ${url}/credentials`,
    );
  }
  if (status < 500 || NO_ROUTER.test(reason)) return new Refusal(name, status, reason);
  return {
    problem: `${status}: ${reason}`,
    mayHaveHappened: true,
    lasting: new Refusal(name, status, reason, "the gateway fails each time; see its log"),
  };
}

/** A gateway that has not one model answers so where it is asked for models. */
const NO_ROUTER = /LLM Router is not loaded in/;

/** Whether LiteLLM is asked for no models at all, for it has none. */
export const isWithoutModels = (error: unknown): boolean =>
  error instanceof Refusal && NO_ROUTER.test(error.reason);

/** FastAPI's own words for a path that it does not know: LiteLLM names what it has not found. */
function isUnknownRoute({ status, json }: Pick<Answer, "status" | "json">): boolean {
  return status === 404 && (json as { detail?: unknown } | null)?.detail === "Not Found";
}

/** Seconds, or a date of HTTP. */
function readRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const found = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds;
  return Number.isFinite(found) ? Math.max(found, 0) : undefined;
}

const LONGEST_REASON = 500;

/** What an answer says: LiteLLM wraps it in one of several ways. */
export function readReason({ text, json }: Pick<Answer, "text" | "json">): string {
  const said = unwrap(json) ?? (json === undefined ? stripHtml(text) : JSON.stringify(json));
  return said.replace(/\s+/g, " ").trim().slice(0, LONGEST_REASON) || "nothing";
}

/** The innermost text of `error`, `detail` and `message`, whichever there are. */
function unwrap(value: unknown): string | undefined {
  if (typeof value === "string") return unwrapPython(value);
  if (Array.isArray(value)) return unwrapValidation(value);
  if (typeof value !== "object" || value === null) return undefined;
  const { error, detail, message } = value as Readonly<Record<string, unknown>>;
  return unwrap(error) ?? unwrap(detail) ?? unwrap(message);
}

/** LiteLLM often sends a dictionary as Python prints it: `{'error': "No team 'a'"}`. */
function unwrapPython(text: string): string {
  const [, quote, inner] =
    /^\s*\{['"](?:error|message|detail)['"]: (['"])((?:\\.|(?!\1).)*)\1/s.exec(text) ?? [];
  if (quote === undefined || inner === undefined) return text;
  return inner.replace(/\\(.)/gs, (_, escaped: string) => (/[nrt]/.test(escaped) ? " " : escaped));
}

/** What FastAPI says of a body that it does not take. The value itself, which it may repeat, is left out. */
function unwrapValidation(problems: readonly unknown[]): string | undefined {
  const texts = problems.map((problem) => {
    const { loc, msg } = problem as { loc?: unknown; msg?: unknown };
    const path = Array.isArray(loc) ? loc.slice(1).join(".") : "";
    return `${path === "" ? "" : `${path}: `}${typeof msg === "string" ? msg : "not accepted"}`;
  });
  return texts.length === 0 ? undefined : texts.join("; ");
}

/** The words of a page. */
function stripHtml(text: string): string {
  return text.replace(/<(style|script)\b.*?<\/\1>/gis, " ").replace(/<[^>]*>/g, " ");
}

/** Without where to buy it. */
function withoutAdvertisement(reason: string): string {
  const rest = reason.replace(/\.?\s*You must be a LiteLLM Enterprise user.*$/is, "");
  return rest === "" ? "for holders of LiteLLM's licence" : rest;
}
