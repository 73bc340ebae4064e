import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { checkServerIdentity, connect, type DetailedPeerCertificate } from "node:tls";

import type { EdgeCheck } from "../../stacks/plan/checks.ts";
import {
  type CertificateFault,
  describeRecord,
  explainCertificate,
  explainUnreachable,
  explainUnresolved,
} from "./diagnosis.ts";
import { type Endpoint, unbracket } from "../proxy-client.ts";

type CertificateCheck = Extract<EdgeCheck, { readonly kind: "certificate" }>;

/** What a check has seen. */
export interface Observation {
  readonly detail: string;
  /** It works, but something is to be done. */
  readonly isWarning: boolean;
}

/** The certificate that a server presents under one name. */
interface PresentedCertificate {
  /** Why a client would not accept it. */
  readonly fault: CertificateFault | undefined;
  readonly issuer: string;
  readonly notAfter: Date;
  readonly fingerprint: string;
  /** The last one of the chain that was sent, in PEM. */
  readonly top: string;
}

const POLL_MILLISECONDS = 1000;
const CONNECTION_MILLISECONDS = 10_000;
const MILLISECONDS_PER_DAY = 24 * 60 * 60 * 1000;
/** Fewer days than these are left only when a renewal has failed. */
const SHORT_DAYS = 7;
/** Name in the certificate that Traefik makes for itself. */
const TRAEFIKS_OWN = "TRAEFIK DEFAULT CERT";

/**
 * Waits until the gateway presents a certificate that is accepted under each of its names.
 *
 * @returns what was seen, and the authorities to trust from then on where they are others than before
 * @throws Error that says what is wrong with it, and what to do
 */
export async function awaitCertificate(
  endpoint: Endpoint,
  { hosts, issuer, deadlineSeconds }: CertificateCheck,
  report: (waiting: string) => void = () => undefined,
): Promise<{ observation: Observation; certificateAuthority: string | undefined }> {
  const deadline = Date.now() + deadlineSeconds * 1000;
  let isReported = false;
  for (;;) {
    const found = await Promise.all(hosts.map((host) => judge(endpoint, host, issuer)));
    const fault = found.find((one) => typeof one === "string");
    const certificates = found.filter((one) => typeof one !== "string");
    const [first] = certificates;
    if (fault === undefined && first !== undefined) {
      return {
        observation: describe(certificates, first),
        certificateAuthority:
          issuer === "acme-staging"
            ? certificates.map(({ top }) => top).join("\n")
            : endpoint.certificateAuthority,
      };
    }
    if (Date.now() >= deadline) {
      throw new Error(
        `${fault ?? "no name to check"} (waited ${deadlineSeconds} s for a valid certificate)`,
      );
    }
    if (!isReported) {
      report(`waiting up to ${deadlineSeconds} s for the certificate of ${hosts.join(", ")}`);
      isReported = true;
    }
    await sleep(POLL_MILLISECONDS);
  }
}

/** The certificate under one name, or what is wrong with it. */
async function judge(
  endpoint: Endpoint,
  host: string,
  issuer: CertificateCheck["issuer"],
): Promise<PresentedCertificate | string> {
  try {
    const presented = await presentCertificate(endpoint, host);
    const { fault } = presented;
    // Who signs for tests is in nobody's trust.
    const isAccepted =
      fault === undefined ||
      (issuer === "acme-staging" && /ISSUER|VERIFY|SELF_SIGNED_CERT_IN_CHAIN/.test(fault.code));
    return isAccepted && fault?.isTraefiksOwn !== true
      ? presented
      : explainCertificate(host, fault);
  } catch (error) {
    const url = new URL(endpoint.url);
    url.hostname = isIP(host) === 6 ? `[${host}]` : host;
    return explainUnreachable(url.origin, error, endpoint.connectAddress);
  }
}

function describe(
  certificates: readonly PresentedCertificate[],
  first: PresentedCertificate,
): Observation {
  const soonest = Math.min(...certificates.map(({ notAfter }) => notAfter.getTime()));
  const days = Math.floor((soonest - Date.now()) / MILLISECONDS_PER_DAY);
  const isWarning = days < SHORT_DAYS;
  return {
    detail: `by ${first.issuer}, ${days} ${days === 1 ? "day" : "days"} left${isWarning ? "; renew it: `pulumi up`, or see Traefik's log for ACME" : ""}`,
    isWarning,
  };
}

/** Connects, and looks at the certificate without trusting it. */
async function presentCertificate(
  { url, connectAddress, certificateAuthority }: Endpoint,
  host: string,
): Promise<PresentedCertificate> {
  const { port } = new URL(url);
  const socket = connect({
    host: connectAddress ?? host,
    port: port === "" ? 443 : Number(port),
    ...(isIP(host) === 0 && { servername: host }),
    ...(certificateAuthority !== undefined && {
      ca: certificateAuthority,
      allowPartialTrustChain: true,
    }),
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECTION_MILLISECONDS) });
    const certificate = socket.getPeerCertificate(true);
    return {
      fault: findFault(
        socket.authorized ? undefined : socket.authorizationError,
        host,
        certificate,
      ),
      issuer: [certificate.issuer.O, certificate.issuer.CN].flat().filter(Boolean).join(" "),
      notAfter: new Date(certificate.valid_to),
      fingerprint: certificate.fingerprint256,
      top: toPem(findTop(certificate)),
    };
  } finally {
    socket.destroy();
  }
}

function findFault(
  authorization: unknown,
  host: string,
  certificate: DetailedPeerCertificate,
): CertificateFault | undefined {
  const isTraefiksOwn = [certificate.subject.CN].flat().includes(TRAEFIKS_OWN);
  if (checkServerIdentity(host, certificate) !== undefined) {
    const code = "ERR_TLS_CERT_ALTNAME_INVALID";
    return { code, reason: describeNames(certificate), isTraefiksOwn };
  }
  if (authorization === undefined) return undefined;
  // Node.js gives the code alone, whatever its types say.
  const code = typeof authorization === "string" ? authorization : (authorization as Error).message;
  return { code, reason: code, isTraefiksOwn };
}

const describeNames = ({ subjectaltname, subject }: DetailedPeerCertificate): string =>
  subjectaltname ?? [subject.CN].flat().join(", ");

function findTop(certificate: DetailedPeerCertificate): DetailedPeerCertificate {
  let top = certificate;
  // The last one is its own issuer, or has none.
  while ((top.issuerCertificate as DetailedPeerCertificate | undefined)?.raw !== undefined) {
    if (top.issuerCertificate.fingerprint256 === top.fingerprint256) break;
    top = top.issuerCertificate;
  }
  return top;
}

const toPem = ({ raw }: DetailedPeerCertificate): string => new X509Certificate(raw).toString();

/** Whether the names lead to the gateway: to what presents the very certificate that it presents. */
export async function observeNames(
  endpoint: Endpoint,
  hosts: readonly string[],
): Promise<Observation> {
  const observations = await Promise.all(hosts.map((host) => observeName(endpoint, host)));
  return {
    detail: observations.map(({ detail }) => detail).join("; "),
    isWarning: observations.some(({ isWarning }) => isWarning),
  };
}

async function observeName(endpoint: Endpoint, host: string): Promise<Observation> {
  if (isIP(unbracket(host)) !== 0) return { detail: `${host} is an address`, isWarning: false };
  const { connectAddress } = endpoint;
  const addresses = await lookup(host, { all: true }).then(
    (found) => found.map(({ address }) => address),
    (): string[] => [],
  );
  if (addresses.length === 0) {
    return { detail: explainUnresolved(host, connectAddress), isWarning: true };
  }
  const seen = `${host} is ${addresses.join(", ")}`;
  if (connectAddress === undefined || addresses.includes(connectAddress)) {
    return { detail: seen, isWarning: false };
  }
  const expected = await findFingerprint(endpoint, host);
  const strangers = await Promise.all(
    addresses.map(async (address) =>
      expected !== undefined &&
      (await findFingerprint({ ...endpoint, connectAddress: address }, host)) === expected
        ? []
        : [address],
    ),
  );
  const [stranger] = strangers.flat();
  return stranger === undefined
    ? { detail: seen, isWarning: false }
    : {
        detail: `${seen}, and the gateway does not answer at ${stranger} from here — set ${describeRecord(host, connectAddress)}; if that is right behind a load balancer or NAT, leave it`,
        isWarning: true,
      };
}

const findFingerprint = (endpoint: Endpoint, host: string): Promise<string | undefined> =>
  presentCertificate(endpoint, host).then(
    ({ fingerprint }) => fingerprint,
    () => undefined,
  );
