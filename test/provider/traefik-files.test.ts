/** What is rendered for Traefik, loaded by the real one before a stand-in for LiteLLM. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import { type ManagedEdgePlan, planEdge } from "../../stacks/plan/edge-plan.ts";
import { edgeShape } from "../../stacks/settings/edge-settings.ts";
import {
  adminSessionCookie,
  renderTraefikCredentials,
} from "../../templates/traefik-credentials.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { AcmeServer } from "../support/acme-server.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { askEdge, type EdgeAnswer } from "../support/edge-client.ts";
import { findFreePort } from "../support/ports.ts";
import { TraefikServer } from "../support/traefik-server.ts";

/** `openssl passwd -apr1 -salt abcdefgh secret` */
const USERS = "admin:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const PASSWORD = `Basic ${Buffer.from("admin:secret").toString("base64")}`;
const HOST = "litellm.gateway.test";
const PATIENCE_MILLISECONDS = 30_000;

/** Answers what it was asked; a chat in three pieces; a WebSocket with a greeting. */
const UPSTREAM = `
const server = require("node:http").createServer(async (request, response) => {
  let length = 0;
  for await (const chunk of request) length += chunk.length;
  if (request.url === "/login") response.setHeader("set-cookie", "token=of-litellm");
  if (request.url === "/v1/chat/completions") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of ["one", "two", "three"]) {
      response.write("data: " + piece + "\\n\\n");
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return response.end();
  }
  response.end(JSON.stringify({ server: process.env.HOSTNAME, path: request.url, headers: request.headers, length }));
});
server.on("upgrade", (request, socket) => {
  socket.end("HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\n\\r\\nhello");
});
server.listen(4000);
process.on("SIGTERM", () => process.exit());
`;

const engine = dockerEngine();
const prefix = `traefik-files-${process.pid}`;
const made: string[] = [];
let folder: string;
let ports: { httpPort: number; httpsPort: number };
let certificate: { chain: string; privateKey: string };
let authority: string;

function plan(changes: object = {}): ManagedEdgePlan {
  const settings = z.object(edgeShape).parse({
    baseDomain: "gateway.test",
    traefik: { kind: "managed", address: "127.0.0.1", ...ports },
    certificates: { kind: "private" },
    maxRequestBodyMegabytes: 1,
    ...changes,
  });
  const edge = planEdge(settings, {
    prefix,
    network: prefix,
    requestTimeoutSeconds: 600,
    proxyPort: 4000,
    servers: [1, 2].map((number) => `http://${prefix}-upstream-${number}:4000`),
    files: {},
  });
  if (edge.kind !== "managed") throw new Error("not managed");
  return edge;
}

async function startUpstream(name: string, labels: Readonly<Record<string, string>> = {}) {
  made.push(name);
  await docker([
    ...["run", "--detach", `--name=${name}`, `--hostname=${name}`, `--label=${LAB_LABEL}`],
    ...Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`),
    ...[`--network=${prefix}`, "node:24-slim", "node", "-e", UPSTREAM],
  ]);
}

/** As the deployment starts it. */
async function startTraefik(
  { container }: ManagedEdgePlan,
  aliases: readonly string[] = [],
): Promise<void> {
  made.push(container.name);
  await docker([
    ...["run", "--detach", `--name=${container.name}`, `--label=${LAB_LABEL}`],
    ...[`--network=${prefix}`, "--read-only", "--cap-drop=ALL"],
    ...aliases.map((alias) => `--network-alias=${alias}`),
    ...container.capabilities.map((capability) => `--cap-add=${capability}`),
    ...["--security-opt=no-new-privileges", `--memory=${container.memoryMegabytes}m`],
    ...Object.entries(container.temporaryFolders).map(
      ([path, size]) => `--tmpfs=${path}:rw,size=${size}m`,
    ),
    ...container.ports.map(
      ({ address, port, containerPort }) => `--publish=${address}:${port}:${containerPort}`,
    ),
    // Volumes without a name go with the container.
    ...container.volumes.map(({ folder: target }) => `--volume=${target}`),
    ...[container.image, ...container.command],
  ]);
  const probe = container.service?.probe ?? [];
  await until(
    () => docker(["exec", container.name, ...probe]),
    () => true,
  );
}

/** Puts the files of a plan in force. */
async function apply(edge: ManagedEdgePlan): Promise<void> {
  const { name } = edge.container;
  if (edge.credentials !== undefined) {
    const values = { users: edge.credentials.users ? USERS : undefined, certificate };
    await put(name, edge.credentials.path, renderTraefikCredentials(edge.credentials, values));
  }
  await put(name, edge.routes.path, edge.routes.content);
  const wanted = (edge.routes.content.match(/^ {6}rule: /gm) ?? []).length;
  const session = edge.credentials?.users === true ? 2 : 0;
  await until(
    () => readRouters(name),
    (routers) =>
      routers.length === wanted + session && routers.every(({ status }) => status === "enabled"),
  );
}

async function put(container: string, path: string, content: string): Promise<void> {
  const file = join(folder, "file");
  writeFileSync(file, content, { mode: 0o600 });
  await docker(["cp", "--quiet", file, `${container}:${path}.new`]);
  await docker(["exec", container, "mv", "-f", `${path}.new`, path]);
}

interface LoadedRouter {
  readonly name: string;
  readonly status: string;
  readonly error?: readonly string[];
}

async function readRouters(container: string): Promise<LoadedRouter[]> {
  const routers = JSON.parse(await ask(container, "/api/http/routers")) as LoadedRouter[];
  return routers.filter(({ name }) => name.endsWith("@file"));
}

function ask(container: string, path: string): Promise<string> {
  return docker(["exec", container, "wget", "-q", "-O", "-", `http://127.0.0.1:8080${path}`]);
}

async function until<Value>(
  read: () => Promise<Value>,
  isGood: (value: Value) => boolean,
): Promise<Value> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await read();
      if (isGood(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(100);
  }
  throw last instanceof Error ? last : new Error(`still ${JSON.stringify(last)}`);
}

function get(
  path: string,
  changes: Partial<Parameters<typeof askEdge>[0]> = {},
): Promise<EdgeAnswer> {
  return askEdge({
    ...{ address: "127.0.0.1", port: ports.httpsPort, host: HOST },
    ...{ certificateAuthority: authority, path, ...changes },
  });
}

/** Sends a body without saying how long it is. */
function sendChunks(path: string, bytes: number): Promise<{ status: number; pieces: number }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: "127.0.0.1", port: ports.httpsPort, servername: HOST, ca: authority, path },
        ...{
          method: "POST",
          headers: { host: HOST, "transfer-encoding": "chunked" },
          agent: false,
        },
      },
      (response) => {
        let pieces = 0;
        response.on("data", () => (pieces += 1));
        response.once("end", () => {
          resolve({ status: response.statusCode ?? 0, pieces });
        });
      },
    );
    sent.once("error", reject);
    sent.end(Buffer.alloc(bytes));
  });
}

function greet(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({
      ...{ host: "127.0.0.1", port: ports.httpsPort, servername: HOST, ca: authority, path },
      ...{ headers: { host: HOST, connection: "upgrade", upgrade: "websocket" }, agent: false },
    });
    sent.once("error", reject);
    sent.once("response", ({ statusCode }) => {
      reject(new Error(`no upgrade but ${statusCode}`));
    });
    sent.once("upgrade", (_, socket, head) => {
      const pieces: Buffer[] = [head];
      socket.on("data", (piece: Buffer) => pieces.push(piece));
      socket.once("end", () => {
        resolve(Buffer.concat(pieces).toString());
      });
    });
    sent.end();
  });
}

interface Echo {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly length: number;
}

const echo = ({ body }: EdgeAnswer): Echo => JSON.parse(body) as Echo;

describe.skipIf(!engine.available)(`Traefik's files ${engine.reason}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "traefik-files-"));
    ports = { httpPort: await findFreePort(), httpsPort: await findFreePort() };
    const issuer = await CertificateAuthority.create(join(folder, "authority"));
    const issued = await issuer.issue("gateway", [`DNS:${HOST}`]);
    authority = readFileSync(issuer.certificateFile, "utf8");
    certificate = {
      chain: readFileSync(issued.certificateFile, "utf8"),
      privateKey: readFileSync(issued.keyFile, "utf8"),
    };
    await docker(["network", "create", `--label=${LAB_LABEL}`, prefix]);
    await Promise.all([
      startTraefik(plan()),
      ...[1, 2].map((number) => startUpstream(`${prefix}-upstream-${number}`)),
    ]);
    await apply(plan());
    await until(
      () => get("/v1/models"),
      ({ status }) => status === 200,
    );
  });

  afterAll(async () => {
    await docker(["rm", "--force", "--volumes", ...made]);
    await docker(["network", "rm", prefix]);
    rmSync(folder, { recursive: true });
  });

  test("lead to all proxies, with the name and the scheme that were asked for", async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => get("/v1/models")));
    expect(new Set(answers.map((answer) => echo(answer).server)).size).toBe(2);
    expect(answers[0]?.headers["strict-transport-security"]).toBe("max-age=31536000");
    expect(answers.map((answer) => echo(answer).headers)[0]).toMatchObject({
      host: HOST,
      "x-forwarded-proto": "https",
    });
  });

  test("lead from HTTP to HTTPS, for good", async () => {
    const asked = { scheme: "http", port: ports.httpPort } as const;
    const target = `https://${HOST}:${ports.httpsPort}/v1/models?a=b`;
    expect(await get("/v1/models?a=b", asked)).toMatchObject({
      status: 301,
      headers: { location: target },
    });
    expect(await get("/v1/models?a=b", { ...asked, method: "POST" })).toMatchObject({
      status: 308,
      headers: { location: target },
    });
  });

  test("know no other name and no older TLS", async () => {
    const other = await get("/v1/models", { host: "other.test", serverName: HOST });
    expect(other).toMatchObject({ status: 404, body: "404 page not found\n" });
    await expect(get("/v1/models", { maxVersion: "TLSv1.1" })).rejects.toThrow();
    expect(await get("/v1/models", { maxVersion: "TLSv1.2" })).toMatchObject({ status: 200 });
  });

  test("pass pieces of a stream on at once, and WebSockets", async () => {
    const { pieces } = await get("/v1/chat/completions", { body: { stream: true } });
    expect(pieces.map(({ text }) => text.trim())).toEqual([
      "data: one",
      "data: two",
      "data: three",
    ]);
    const [first, , last] = pieces;
    expect((last?.milliseconds ?? 0) - (first?.milliseconds ?? 0)).toBeGreaterThan(300);
    expect(await greet("/v1/realtime?model=any")).toBe("hello");
  });

  test("refuse a body that is too large", async () => {
    const limit = 1024 * 1024;
    expect(echo(await get("/v1/files", { body: "x".repeat(limit) })).length).toBe(limit);
    expect(await get("/v1/files", { body: "x".repeat(limit + 1) })).toMatchObject({ status: 413 });
    expect(await sendChunks("/v1/files", limit)).toMatchObject({ status: 200 });
    expect(await sendChunks("/v1/files", limit + 1)).toMatchObject({ status: 413 });
    // The price of a body without a length.
    expect(await sendChunks("/v1/chat/completions", 10)).toEqual({ status: 200, pieces: 1 });
  });

  test("hide that a proxy has gone", async () => {
    await docker(["stop", "--time=0", `${prefix}-upstream-2`]);
    for (let count = 0; count < 6; count += 1) {
      expect(await get("/v1/models")).toMatchObject({ status: 200 });
    }
    await docker(["start", `${prefix}-upstream-2`]);
  });

  test("let in administrators from their addresses only", async () => {
    await apply(
      plan({
        admin: { access: "restricted", sourceRanges: ["192.0.2.0/24"], openPaths: ["/mine"] },
      }),
    );
    for (const path of ["/", "/ui/", "/key/list", "/metrics", "//key/list", "/v1/mcp/server"]) {
      expect([path, (await get(path)).status]).toEqual([path, 403]);
    }
    for (const path of ["/v1/models", "/health/readiness", "/openai/x", "/mine/x"]) {
      expect([path, (await get(path)).status]).toEqual([path, 200]);
    }
    expect(await sendChunks("/key/generate", 10)).toMatchObject({ status: 403 });
    await apply(plan({ admin: { access: "restricted", sourceRanges: ["0.0.0.0/0"] } }));
    await until(
      () => get("/key/list"),
      ({ status }) => status === 200,
    );
  });

  test("ask administrators for a password once, and leave Authorization to LiteLLM", async () => {
    await apply(plan({ admin: { access: "restricted", basicAuth: true } }));
    const key = { authorization: "Bearer sk-of-litellm" };
    await until(
      () => get("/ui/"),
      ({ status }) => status === 401,
    );
    expect((await get("/ui/")).headers["www-authenticate"]).toBe('Basic realm="LiteLLM"');
    expect(await get("/key/list", { headers: key })).toMatchObject({ status: 401 });
    const page = await get("/ui/", { headers: { authorization: PASSWORD } });
    expect(page.status).toBe(200);
    // The password itself never gets to LiteLLM.
    expect(echo(page).headers["authorization"]).toBeUndefined();
    const cookie = adminSessionCookie(USERS);
    expect(page.headers["set-cookie"]).toBe(
      `${cookie.name}=${cookie.value}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    );
    const session = { cookie: `theme=dark; ${cookie.name}=${cookie.value}` };
    const listed = await get("/key/list", { headers: { ...session, ...key } });
    expect(echo(listed).headers["authorization"]).toBe("Bearer sk-of-litellm");
    const login = await get("/login", { headers: session, body: {} });
    expect(login.headers["set-cookie"]).toBe("token=of-litellm");
    const forged = { cookie: `${cookie.name}=${"0".repeat(64)}`, ...key };
    expect(await get("/key/list", { headers: forged })).toMatchObject({ status: 401 });
    const script = { authorization: PASSWORD, "x-litellm-api-key": "Bearer sk-of-litellm" };
    expect(echo(await get("/key/list", { headers: script })).headers["x-litellm-api-key"]).toBe(
      "Bearer sk-of-litellm",
    );
    expect(await get("/v1/models", { headers: key })).toMatchObject({ status: 200 });
  });

  test("limit how fast one address asks", async () => {
    await apply(plan({ rateLimit: { requests: 2, periodSeconds: 60 } }));
    const statuses = await until(
      async () => {
        const answers = await Promise.all(Array.from({ length: 6 }, () => get("/v1/models")));
        return answers.map(({ status }) => status).sort();
      },
      (statuses) => statuses.includes(429),
    );
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(2);
  });

  test("log requests without what may hold keys", async () => {
    const secret = "sk-in-the-url-0123456789";
    await get(`/v1/models?key=${secret}`, { headers: { authorization: `Bearer ${secret}` } });
    const log = await until(
      () => docker(["logs", plan().container.name]),
      (text) => text.includes('"RequestMethod":"GET"'),
    );
    expect(log).not.toContain(secret);
    expect(log).not.toContain("Authorization");
    expect(log).toContain('"RouterName":"litellm@file"');
  });

  test("lead to a certificate from an issuer that asks by HTTP", async () => {
    const acme = await AcmeServer.start({ name: `${prefix}-issuer`, network: prefix });
    try {
      const httpsPort = await findFreePort();
      const settings = z.object(edgeShape).parse({
        baseDomain: "issued.test",
        additionalHosts: ["ai.issued.test"],
        traefik: {
          kind: "managed",
          address: "127.0.0.1",
          httpPort: await findFreePort(),
          httpsPort,
        },
        certificates: {
          kind: "acme",
          email: "admin@gateway.org",
          directoryUrl: acme.directoryUrl,
          certificateAuthorityFile: "issuer.pem",
        },
      });
      const edge = planEdge(settings, {
        ...{ prefix: `${prefix}-issued`, network: prefix, requestTimeoutSeconds: 600 },
        proxyPort: 4000,
        servers: [`http://${prefix}-upstream-1:4000`],
        files: { "issuer.pem": readFileSync(acme.directoryAuthorityFile, "utf8") },
      });
      if (edge.kind !== "managed") throw new Error("not managed");
      await startTraefik(edge, edge.hosts);
      for (const [path, text] of Object.entries(edge.files)) {
        await put(edge.container.name, path, text);
      }
      await apply(edge);
      const asked = {
        ...{ port: httpsPort, certificateAuthority: await acme.readIssuingAuthority() },
        host: edge.host,
      };
      const answer = await until(
        () => get("/v1/models", asked),
        ({ status }) => status === 200,
      );
      expect(answer.certificate?.subjectaltname?.split(", ").sort()).toEqual([
        "DNS:ai.issued.test",
        "DNS:litellm.issued.test",
      ]);
    } finally {
      await acme.remove();
    }
  });

  test("are labels for a Traefik that was there before", async () => {
    const existing = await TraefikServer.start({
      name: `${prefix}-existing`,
      network: prefix,
      names: [HOST],
    });
    try {
      const settings = z.object(edgeShape).parse({
        baseDomain: "gateway.test",
        traefik: { kind: "existing", httpsPort: existing.ports.websecure },
        admin: { access: "restricted", sourceRanges: ["192.0.2.0/24"] },
        rateLimit: { requests: 100 },
      });
      const edge = planEdge(settings, {
        ...{ prefix, network: prefix, requestTimeoutSeconds: 600, servers: [], files: {} },
        proxyPort: 4000,
      });
      if (edge.kind !== "existing") throw new Error("not existing");
      await startUpstream(`${prefix}-labelled`, edge.labels);
      const asked = {
        port: existing.ports.websecure,
        certificateAuthority: existing.certificateAuthority,
      };
      const answer = await until(
        () => get("/v1/models", asked),
        ({ status }) => status === 200,
      );
      expect(echo(answer).server).toBe(`${prefix}-labelled`);
      expect(answer.headers["strict-transport-security"]).toBe("max-age=31536000");
      expect(await get("/key/list", asked)).toMatchObject({ status: 403 });
      expect(await get("/v1/models", { scheme: "http", port: existing.ports.web })).toMatchObject({
        status: 301,
        headers: { location: `https://${HOST}:${existing.ports.websecure}/v1/models` },
      });
      const routers = JSON.parse(await existing.ask("/api/http/routers")) as LoadedRouter[];
      const ours = routers.filter(({ name }) => name.endsWith("@docker"));
      expect(ours.map(({ error }) => error)).toEqual(ours.map(() => undefined));
      expect(ours.length).toBe(6);
    } finally {
      await existing.remove();
    }
  });
});
