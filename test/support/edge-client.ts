import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import { type PeerCertificate, type SecureVersion, TLSSocket } from "node:tls";

/** A request from outside, of which every layer can be chosen on its own. */
export interface EdgeRequest {
  /** `https`, or `http` for the port that redirects. Default: `https`. */
  readonly scheme?: "https" | "http";
  /** IP address that is connected to, whatever DNS says. */
  readonly address: string;
  readonly port: number;
  /** What the Host header asks for. */
  readonly host: string;
  /** What TLS asks for. Default: the host, without its port. */
  readonly serverName?: string;
  /** Whose certificates are trusted, as PEM. Default: whatever comes is taken, and can be looked at. */
  readonly certificateAuthority?: string;
  /** Newest version of TLS that is offered. Default: 1.3. */
  readonly maxVersion?: SecureVersion;
  /** With its query. Default: `/`. */
  readonly path?: string;
  /** Default: POST where there is a body, else GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, a text as it is. */
  readonly body?: object | string;
}

export interface EdgeAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body as it came, piece by piece, with the milliseconds since the request was sent. */
  readonly pieces: readonly { readonly milliseconds: number; readonly text: string }[];
  /** Of TLS: the server's own certificate, with its issuers; and the version agreed on, such as `TLSv1.3`. */
  readonly certificate?: PeerCertificate;
  readonly version?: string;
}

const PATIENCE_MILLISECONDS = 60_000;

/**
 * Sends a request in a connection of its own.
 *
 * @throws Error when there is no connection, or the certificate is not what was asked for
 */
export function askEdge(asked: EdgeRequest): Promise<EdgeAnswer> {
  const { scheme = "https", address, port, host, certificateAuthority, maxVersion, body } = asked;
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  const options = {
    host: address,
    port,
    path: asked.path ?? "/",
    method: asked.method ?? (text === undefined ? "GET" : "POST"),
    agent: false,
    timeout: PATIENCE_MILLISECONDS,
    headers: {
      host,
      ...(typeof body === "object" && { "content-type": "application/json" }),
      ...(text !== undefined && { "content-length": Buffer.byteLength(text) }),
      ...asked.headers,
    },
  };
  const secure = {
    servername: asked.serverName ?? host.replace(/:\d+$/, ""),
    rejectUnauthorized: certificateAuthority !== undefined,
    ...(certificateAuthority !== undefined && { ca: certificateAuthority }),
    ...(maxVersion !== undefined && {
      minVersion: maxVersion,
      maxVersion,
      // Node.js itself refuses versions before 1.2 without it.
      ciphers: "DEFAULT@SECLEVEL=0",
    }),
  };
  return new Promise((resolve, reject) => {
    const request =
      scheme === "https" ? requestHttps({ ...options, ...secure }) : requestHttp(options);
    const began = performance.now();
    request.once("error", reject).once("timeout", () => {
      request.destroy(new Error(`${host} was silent for ${PATIENCE_MILLISECONDS / 1000} s`));
    });
    request.once("response", (response) => {
      // Before its end: then there may be no connection any more.
      const tls = describeTls(response.socket);
      const pieces: EdgeAnswer["pieces"][number][] = [];
      response
        .setEncoding("utf8")
        .on("data", (text: string) =>
          pieces.push({ milliseconds: performance.now() - began, text }),
        )
        .once("error", reject)
        .once("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(
              Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
            ),
            body: pieces.map((piece) => piece.text).join(""),
            pieces,
            ...tls,
          });
        });
    });
    request.end(text);
  });
}

function describeTls(socket: Socket): Pick<EdgeAnswer, "certificate" | "version"> {
  if (!(socket instanceof TLSSocket)) {
    return {};
  }
  return {
    certificate: socket.getPeerCertificate(true),
    version: socket.getProtocol() ?? "",
  };
}
