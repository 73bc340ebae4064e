import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, type Server, type TLSSocket } from "node:tls";

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";

import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { changeUnderLoad, describeLoad, UNHARMED } from "../support/change-under-load.ts";
import { askEdge } from "../support/edge-client.ts";
import { type LoadOptions, startLoad } from "../support/load-client.ts";

const HOST = "litellm.lab.test";
const MINUTE = 60_000;

let folder: string;
let authority: string;
let upstream: Upstream;
let edge: Server;
let port: number;
const connections = new Set<TLSSocket>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "load-client-"));
  const ca = await CertificateAuthority.create(join(folder, "authority"));
  const { certificateFile, keyFile } = await ca.issue("edge", [`DNS:${HOST}`]);
  authority = readFileSync(ca.certificateFile, "utf8");
  upstream = await startUpstream();
  const { port: upstreamPort } = new URL(upstream.url);
  edge = createServer(
    { cert: readFileSync(certificateFile), key: readFileSync(keyFile) },
    (client) => {
      const server = connect(Number(upstreamPort), "127.0.0.1");
      connections.add(client);
      client.on("error", () => undefined).on("close", () => server.destroy());
      server.on("error", () => undefined).on("close", () => client.destroy());
      client.pipe(server).pipe(client);
    },
  );
  await new Promise<void>((resolve) => edge.listen(0, "127.0.0.1", resolve));
  ({ port } = edge.address() as AddressInfo);
});

afterAll(async () => {
  cutConnections();
  edge.close();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  upstream.resetRequests();
});

function cutConnections(): void {
  for (const connection of connections) {
    connection.destroy();
  }
  connections.clear();
}

function load(options: Partial<LoadOptions> = {}): LoadOptions {
  return {
    url: `https://${HOST}`,
    connectAddress: "127.0.0.1",
    port,
    certificateAuthority: authority,
    key: "sk-load",
    model: "gpt-delay-5",
    streamModel: "gpt-pause-5",
    streamWords: 20,
    stagger: 0.05,
    ...options,
  };
}

function countOf(model: string): number {
  return upstream.countRequests().find((entry) => entry.model === model)?.count ?? 0;
}

it(
  "counts what was asked, and finds nothing wrong where nothing is",
  async () => {
    let changes = 0;
    const change = () => {
      changes += 1;
      return Promise.resolve();
    };
    const report = await changeUnderLoad(load(), change, { before: 0.5, after: 0.5 });
    expect(changes).toBe(1);
    expect(report).toMatchObject(UNHARMED);
    expect(report.requests).toBe(countOf("gpt-delay-5"));
    expect(report.streams).toBe(countOf("gpt-pause-5"));
    expect(report.requests).toBeGreaterThan(8);
    expect(report.streams).toBeGreaterThanOrEqual(3);
    const { p50Milliseconds, p99Milliseconds } = report.latencies;
    expect(p50Milliseconds).toBeGreaterThanOrEqual(4);
    expect(p99Milliseconds).toBeGreaterThanOrEqual(p50Milliseconds);
    expect(describeLoad(report)).toMatch(
      /^\d+ requests, 0 failed; \d+ streams, 0 cut; p50 \d+ ms, p99 \d+ ms; longest gap \d+ ms$/,
    );
  },
  MINUTE,
);

it(
  "sees every request that a broken connection harms, and the silence",
  async () => {
    const before = load({ streamModel: "gpt-pause-20", streamWords: 100, stagger: 0 });
    const change = async () => {
      edge.close();
      cutConnections();
      await sleep(700);
      await new Promise<void>((resolve) => edge.listen(port, "127.0.0.1", resolve));
    };
    const report = await changeUnderLoad(before, change, { before: 1, after: 1 });
    expect(report.failed.length).toBeGreaterThanOrEqual(8);
    expect(report.failed.length).toBeLessThan(report.requests);
    expect(report.failed.map(({ what }) => what).join("\n")).toMatch(/ECONNREFUSED.*, begun at /);
    expect(report.failed.every(({ when }) => when >= 0.9)).toBe(true);
    expect(report.longestGapMilliseconds).toBeGreaterThan(600);
    expect(report.cutStreams.length).toBeGreaterThanOrEqual(3);
    expect(report.cutStreams.length).toBeLessThan(report.streams);
    expect(report.cutStreams[0]?.what).toMatch(/^\w+ after \d+ words: /);
  },
  MINUTE,
);

it(
  "counts errors, and streams that end too soon",
  async () => {
    const running = startLoad(load({ model: "gpt-fail-503", streamModel: "gpt-cut-5" }));
    await running.begun;
    await sleep(500);
    const report = await running.stop();
    expect(report.requests).toBeGreaterThan(0);
    expect(report.failed).toHaveLength(report.requests);
    expect(report.failed[0]?.what).toMatch(/^status 503: /);
    expect(report.streams).toBeGreaterThan(0);
    expect(report.cutStreams).toHaveLength(report.streams);
    expect(report.cutStreams[0]?.what).toMatch(/ after 4 words: /);
    expect(report.latencies.p50Milliseconds).toBeNaN();
  },
  MINUTE,
);

it(
  "proves nothing where nothing was answered, and passes on what a change throws",
  async () => {
    const around = { before: 0.2, after: 0 };
    const nothing = () => Promise.resolve();
    await expect(changeUnderLoad(load({ model: "gpt-fail-500" }), nothing, around)).rejects.toThrow(
      /^no chat succeeded: \d+ requests, \d+ failed \(first at /,
    );
    await expect(
      changeUnderLoad(load({ certificateAuthority: "" }), nothing, around),
    ).rejects.toThrow("no chat succeeded");
    const failing = () => Promise.reject(new Error("the change failed"));
    await expect(changeUnderLoad(load(), failing, around)).rejects.toThrow("the change failed");
  },
  MINUTE,
);

it("asks an edge by any name, and shows its certificate and the pieces of its answer", async () => {
  const body = {
    model: "gpt-pause-50",
    stream: true,
    messages: [{ role: "user", content: "one two" }],
  };
  const asked = { address: "127.0.0.1", port, host: HOST, path: "/v1/chat/completions", body };
  const answer = await askEdge({ ...asked, certificateAuthority: authority });
  expect(answer).toMatchObject({
    status: 200,
    headers: { "content-type": "text/event-stream" },
    certificate: { subjectaltname: `DNS:${HOST}` },
    version: "TLSv1.3",
  });
  expect(answer.pieces.length).toBeGreaterThan(2);
  const [first, last] = [answer.pieces.at(0), answer.pieces.at(-1)];
  expect((last?.milliseconds ?? 0) - (first?.milliseconds ?? 0)).toBeGreaterThan(150);
  expect(answer.pieces.map(({ text }) => text).join("")).toBe(answer.body);

  const elsewhere = { ...asked, host: "elsewhere.lab.test", certificateAuthority: authority };
  await expect(askEdge(elsewhere)).rejects.toThrow("does not match certificate's altnames");
  await expect(askEdge({ ...elsewhere, serverName: HOST })).resolves.toMatchObject({ status: 200 });
  await expect(askEdge({ ...asked, certificateAuthority: "" })).rejects.toThrow();
  const older = await askEdge({ ...asked, maxVersion: "TLSv1.2" });
  expect(older.version).toBe("TLSv1.2");
  const { hostname, port: upstreamPort } = new URL(upstream.url);
  const plain = await askEdge({
    scheme: "http",
    address: hostname,
    port: Number(upstreamPort),
    host: HOST,
    path: "/nothing",
  });
  expect(plain).toMatchObject({ status: 404 });
  expect(plain.certificate).toBeUndefined();
});
