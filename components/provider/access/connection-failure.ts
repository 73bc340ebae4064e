import { type AskedRequest, type Trouble, Unavailable } from "./api-failure.ts";

/** A connection that was never made has changed nothing. */
const NEVER_ASKED = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
]);
/** How Node names a certificate that it does not accept: OpenSSL's words for it, and its own. */
const CERTIFICATE =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|INVALID_CA|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME_INVALID)/;
const OTHER_TLS = /^(?:EPROTO|ERR_SSL_|ERR_OSSL_|ERR_TLS_)/;

interface ConnectionError extends NodeJS.ErrnoException {
  /** Whether the request went through a connection that earlier ones had used. */
  readonly isReused?: boolean;
}

/**
 * What a request without an answer means for who asked.
 *
 * @param seconds - how long an answer was waited for
 * @returns an Error that no waiting would mend, or else the trouble
 */
export function judgeConnection(
  error: ConnectionError,
  { name, url }: AskedRequest,
  seconds: number,
): Error | Trouble {
  const { code = "", message } = error;
  if (CERTIFICATE.test(code)) {
    return new Unavailable(
      `${name}: the certificate of ${url} is not accepted: ${message} (${code}); give the authority that has ` +
        `issued it as certificateAuthority; see: openssl s_client -connect ${placeOf(url)} </dev/null`,
    );
  }
  if (OTHER_TLS.test(code)) {
    return new Unavailable(
      `${name}: no TLS with ${url}: ${message} (${code}); does it begin with http:// rather? ` +
        `See: curl -v ${url}/health/liveliness`,
    );
  }
  if (code === "ENOTFOUND") {
    const unknown = `${name}: nobody knows the name in ${url} (${code}); correct the URL, or see: getent hosts ${new URL(url).hostname}`;
    return { problem: message, mayHaveHappened: false, lasting: new Unavailable(unknown) };
  }
  return {
    problem: code === "ABORT_ERR" ? `no answer within ${Math.round(seconds)} s` : message,
    mayHaveHappened: !NEVER_ASKED.has(code),
    // The other end had closed it already, or was about to.
    wasStale: error.isReused === true && (code === "ECONNRESET" || code === "EPIPE"),
  };
}

function placeOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port === "" ? (protocol === "https:" ? 443 : 80) : port}`;
}
