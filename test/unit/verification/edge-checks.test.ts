import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { createAuthority, issueCertificate } from "../../../components/provider/tls/x509.ts";
import type { KeyAndCertificate } from "../../../components/provider/tls/x509.ts";
import { ProxyClient } from "../../../components/proxy-client.ts";
import {
  type CheckResult,
  runCheck,
  runChecks,
} from "../../../components/verification/run-check.ts";
import type { Check } from "../../../stacks/plan/checks.ts";

const HOST = "litellm.example.com";
const MASTER_KEY = "sk-master-key-of-this-test";
const DAY = 24 * 60 * 60 * 1000;

let authority: KeyAndCertificate;
let certificate: KeyAndCertificate;

/** What stands in for Traefik and LiteLLM: each test changes what it is about. */
interface Edge {
  headers: Record<string, string>;
  /** Whether every name gets to the proxy. */
  isOpen: boolean;
  /** What another name gets; undefined: nothing. */
  stranger: string | undefined;
  isBuffered: boolean;
  /** Requests that the rate limit still refuses. */
  limited: number;
  admin: { status: number; text: string; headers?: Record<string, string> };
  location: string | undefined;
  /** Message of the WebSocket; undefined: it is refused. */
  message: string | undefined;
}

let edge: Edge;
let secure: SecureServer;
let plain: Server;
let seen: IncomingMessage[];

const portOf = (server: Server | SecureServer): number => (server.address() as AddressInfo).port;
const urlOf = (host = HOST): string => `https://${host}:${portOf(secure)}`;
const target = () => ({
  proxyUrl: urlOf(),
  masterKey: MASTER_KEY,
  connectAddress: "127.0.0.1",
  certificateAuthority: authority.certificate as string | undefined,
});
const check = (planned: Check): Promise<CheckResult> => runCheck(planned, target());

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  seen.push(request);
  const text = (status: number, body: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
    response.end(body);
  };
  if (!edge.isOpen && request.headers.host !== `${HOST}:${portOf(secure)}`) {
    text(edge.stranger === undefined ? 404 : 200, edge.stranger ?? "404 page not found\n");
  } else if (edge.limited > 0) {
    edge.limited--;
    text(429, "Too Many Requests", { "retry-after": "0" });
  } else if (request.url === "/v1/chat/completions") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const events = ["a", "b", "c", "d", "e"].map((word) => `data: {"word":"${word}"}\n\n`);
    for (const piece of edge.isBuffered ? [events.join("")] : events) {
      response.write(piece);
      await sleep(5);
    }
    response.end("data: [DONE]\n\n");
  } else if (request.url === "/ui/" || request.url?.startsWith("/key/list") === true) {
    text(edge.admin.status, edge.admin.text, edge.admin.headers);
  } else {
    response.writeHead(200, { "content-type": "application/json", ...edge.headers });
    response.end('"I\'m alive!"');
  }
}

function upgrade(request: IncomingMessage, socket: Duplex): void {
  seen.push(request);
  if (edge.message === undefined) {
    socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 11\r\n\r\nBad Gateway");
    return;
  }
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"] ?? ""}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n" +
      `sec-websocket-accept: ${accept}\r\n\r\n`,
  );
  const payload = Buffer.from(edge.message);
  const head = Buffer.from([0x81, 126, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  const frame = Buffer.concat([head, payload]);
  socket.write(frame.subarray(0, 10));
  setTimeout(() => socket.write(frame.subarray(10)), 10);
}

const listen = async (server: Server | SecureServer): Promise<void> => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
};

beforeAll(async () => {
  authority = await createAuthority("authority of a test", 10);
  certificate = await issueCertificate(authority, [HOST], 9);
});

beforeEach(async () => {
  seen = [];
  edge = {
    headers: { "strict-transport-security": "max-age=31536000" },
    isOpen: false,
    stranger: undefined,
    isBuffered: false,
    limited: 0,
    admin: { status: 403, text: "Forbidden" },
    location: undefined,
    message: `{"error": "${"-".repeat(130)} Invalid model name passed in model=x"}`,
  };
  secure = createSecureServer(
    { key: certificate.privateKey, cert: certificate.certificate },
    (request, response) => void answer(request, response),
  );
  secure.on("upgrade", upgrade);
  plain = createServer((request, response) => {
    response.writeHead(301, { location: edge.location ?? `${urlOf()}${request.url ?? ""}` });
    response.end();
  });
  await Promise.all([listen(secure), listen(plain)]);
});

afterEach(() => {
  secure.closeAllConnections();
  secure.close();
  plain.close();
});

const certificateCheck: Check = {
  kind: "certificate",
  hosts: [HOST],
  issuer: "private",
  deadlineSeconds: 0,
};
const STREAM: Check = { kind: "stream-chunks", model: "hello" };
const refused: Check = { kind: "admin-refused", path: "/ui/", status: 403 };
const own = (): Check => ({ kind: "redirect", port: portOf(plain) });

describe("an edge as it should be", () => {
  test.each<[() => Check, RegExp]>([
    [() => certificateCheck, /^by authority of a test, 8 days left$/],
    [own, /^301 to https:\/\/litellm\.example\.com:\d+$/],
    [() => ({ kind: "hsts", seconds: 31_536_000 }), /^max-age=31536000$/],
    [() => ({ kind: "unknown-host" }), /^404$/],
    [() => refused, /^\/ui\/: 403$/],
    [() => STREAM, /^5 events in [3-6] pieces, \d+ ms from first to last$/],
    [() => ({ kind: "websocket" }), /^101, and LiteLLM answers in it$/],
  ])("passes %s", async (plan, detail) => {
    expect(await check(plan())).toMatchObject({
      passed: true,
      detail: expect.stringMatching(detail) as string,
    });
  });

  test("gets the key through TLS only, and an unknown host gets none", async () => {
    await check({ kind: "unknown-host" });
    await check(STREAM);
    const [unknown, stream] = seen;
    expect(unknown?.headers.host).toBe(`unknown-host.invalid:${portOf(secure)}`);
    expect(unknown?.headers.authorization).toBeUndefined();
    expect(stream?.headers.authorization).toBe(`Bearer ${MASTER_KEY}`);
  });

  test("is asked again when its rate limit refuses", async () => {
    edge.limited = 2;
    expect(await check({ kind: "live" })).toMatchObject({ passed: true });
    expect(seen).toHaveLength(3);
  });

  test("may keep administration for other machines", async () => {
    expect(await check({ kind: "admin", isRestricted: true })).toMatchObject({
      passed: true,
      detail: "not for this machine: the settings restrict administration",
    });
    expect((await check({ kind: "admin" })).detail).toMatch(/^\/key\/list answered 403: Forbidden/);
  });

  test("may let this machine administrate", async () => {
    edge.admin = { status: 200, text: "<html>" };
    expect(await check({ ...refused, mayBeAllowed: true })).toMatchObject({
      passed: true,
      detail: "/ui/: this machine is among those that may",
    });
  });

  test("may be shared with others, who answer other names", async () => {
    edge.stranger = "<html>of somebody else";
    expect(await check({ kind: "unknown-host" })).toMatchObject({ passed: false });
    expect(await check({ kind: "unknown-host", isShared: true })).toMatchObject({
      passed: true,
      detail: "200",
    });
  });

  test("may ask administrators for a password", async () => {
    const headers = { "www-authenticate": 'Basic realm="traefik"' };
    edge.admin = { status: 401, text: "401 Unauthorized\n", headers };
    expect(await check({ kind: "admin-refused", path: "/ui/", status: 401 })).toMatchObject({
      passed: true,
      detail: "/ui/: 401",
    });
  });
});

describe("an edge with a fault", () => {
  test.each<[string, () => Check, () => void, RegExp]>([
    [
      "redirects elsewhere",
      own,
      () => (edge.location = "https://other.example.com/"),
      /answered 301 to https:\/\/other\.example\.com\/; 301 or 308 to https:\/\/litellm\.example\.com:\d+\/health\/liveliness\?redirect=1 was expected$/,
    ],
    [
      "sends no HSTS header",
      () => ({ kind: "hsts", seconds: 1 }),
      () => (edge.headers = {}),
      /^Strict-Transport-Security is missing; max-age=1 was expected/,
    ],
    [
      "sends too short an HSTS header",
      () => ({ kind: "hsts", seconds: 40_000_000 }),
      () => undefined,
      /^Strict-Transport-Security is "max-age=31536000"; max-age=40000000 was expected/,
    ],
    [
      "lets every host in",
      () => ({ kind: "unknown-host" }),
      () => (edge.isOpen = true),
      /^Host unknown-host\.invalid was answered with 200 by LiteLLM; 404 by Traefik was expected/,
    ],
    [
      "lets everybody administrate",
      () => refused,
      () => (edge.admin = { status: 401, text: '{"error":{}}' }),
      /^\/ui\/ was answered with 401 by LiteLLM from here; 403 by Traefik was expected/,
    ],
    [
      "collects streams",
      () => STREAM,
      () => (edge.isBuffered = true),
      /^a stream does not arrive piece by piece: .*`buffering`/,
    ],
    [
      "does not pass WebSockets on",
      () => ({ kind: "websocket" }),
      () => (edge.message = undefined),
      /^a WebSocket was answered with 502; 101 was expected: \/v1\/realtime answered 502: Bad Gateway — Traefik cannot reach the proxy/,
    ],
    [
      "has a certificate for other names",
      () => ({ ...certificateCheck, hosts: ["other.example.com"] }),
      () => undefined,
      /^the certificate is for other names than other\.example\.com \(DNS:litellm\.example\.com\) — .*\(waited 0 s for a valid certificate\)$/,
    ],
  ])("that %s is named", async (_name, plan, spoil, detail) => {
    spoil();
    expect(await check(plan())).toMatchObject({
      passed: false,
      detail: expect.stringMatching(detail) as string,
    });
  });
});

describe("checks through TLS", () => {
  const checks: Check[] = [{ kind: "live" }, certificateCheck, { kind: "unknown-model" }];

  test("begin after that of the certificate, and keep their order", async () => {
    const results = await runChecks(checks.slice(0, 2), target());
    expect(results.map(({ title, passed }) => [title, passed])).toEqual([
      ["proxy is live", true],
      ["certificate is valid", true],
    ]);
  });

  test("are not tried with a certificate that is not valid, and send it no key", async () => {
    const results = await runChecks(checks, { ...target(), certificateAuthority: undefined });
    expect(results.map(({ passed }) => passed)).toEqual([false, false, false]);
    expect(results[0]?.detail).toBe("not tried: the certificate is not valid");
    expect(results[1]?.detail).toMatch(/is by nobody who is trusted here/);
    expect(seen).toEqual([]);
    const alone = await runCheck(checks[0] as Check, {
      ...target(),
      certificateAuthority: undefined,
    });
    expect(alone.detail).toMatch(/is by nobody who is trusted here/);
    expect(seen).toEqual([]);
  });

  test("trust what an authority for tests has issued, if the names are right", async () => {
    const staging = { ...certificateCheck, issuer: "acme-staging" } as Check;
    const untrusting = { ...target(), certificateAuthority: undefined };
    // Of any length: PEM has lines of 64 characters, and none may be empty.
    for (const commonName of ["a", "ab", "abc", "abcd", "x".repeat(40), "x".repeat(64)]) {
      const stranger = await createAuthority(commonName, 10);
      const issued = await issueCertificate(stranger, [HOST], 9);
      secure.setSecureContext({ key: issued.privateKey, cert: issued.certificate });
      const results = await runChecks([{ kind: "live" }, staging], untrusting);
      expect(results.map(({ passed }) => passed)).toEqual([true, true]);
    }
    const other = { ...staging, hosts: ["other.example.com"] } as Check;
    expect(await runChecks([other], untrusting)).toMatchObject([{ passed: false }]);
  });

  test("wait for a certificate, and say so", async () => {
    const waiting: string[] = [];
    const late = { ...certificateCheck, hosts: [HOST], deadlineSeconds: 30 } as Check;
    const wrong = await issueCertificate(authority, ["TRAEFIK.invalid"], 9);
    secure.setSecureContext({ key: wrong.privateKey, cert: wrong.certificate });
    const results = await runChecks([late], target(), (text) => {
      waiting.push(text);
      secure.setSecureContext({ key: certificate.privateKey, cert: certificate.certificate });
    });
    expect(results).toMatchObject([{ passed: true }]);
    expect(waiting).toEqual([`waiting up to 30 s for the certificate of ${HOST}`]);
  });

  test("warn of a certificate that nobody has renewed", async () => {
    const short = await issueCertificate(authority, [HOST], 2);
    secure.setSecureContext({ key: short.privateKey, cert: short.certificate });
    expect(await check(certificateCheck)).toMatchObject({
      passed: true,
      warning: true,
      detail:
        "by authority of a test, 1 day left; renew it: `pulumi up`, or see Traefik's log for ACME",
    });
    expect(Date.parse(short.notAfter)).toBeLessThan(Date.now() + 3 * DAY);
  });
});

describe("names", () => {
  test("that nobody has set are a warning with the record", async () => {
    const results = await runChecks([{ kind: "dns", hosts: ["gateway.invalid"] }], {
      ...target(),
      connectAddress: "203.0.113.7",
    });
    expect(results).toMatchObject([
      {
        title: "name leads to the gateway",
        passed: true,
        warning: true,
        detail:
          "gateway.invalid has no address — set the DNS record `gateway.invalid. A 203.0.113.7`; until then use it from one machine by a line in its hosts file",
      },
    ]);
  });

  test("that lead to the gateway under another address are right", async () => {
    const result = await runCheck({ kind: "dns", hosts: ["localhost"] }, target());
    expect(result).toMatchObject({ passed: true });
    expect(result.detail).toMatch(/^localhost is /);
  });
});

test("a client connects to the address it is given, by the name of the URL", async () => {
  const client = new ProxyClient({
    url: urlOf(),
    connectAddress: "127.0.0.1",
    certificateAuthority: authority.certificate,
  });
  const { status, json } = await client.request("/x?y=1", { key: MASTER_KEY });
  expect({ status, json }).toEqual({ status: 200, json: "I'm alive!" });
  expect(seen[0]).toMatchObject({ url: "/x?y=1", method: "GET" });
  expect(seen[0]?.headers.host).toBe(`${HOST}:${portOf(secure)}`);
  await expect(
    new ProxyClient({ ...client.endpoint, url: urlOf("other.example.com") }).request("/"),
  ).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
});

test("a client gives a request up after its time", async () => {
  plain.removeAllListeners("request");
  const client = new ProxyClient({ url: `http://127.0.0.1:${portOf(plain)}` });
  await expect(client.request("/", { timeoutMilliseconds: 50 })).rejects.toThrow(/abort/);
  plain.closeAllConnections();
});
