import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { findGatewayObstacles } from "../../components/preflight/existing-gateway.ts";
import { runChecks } from "../../components/verification/run-check.ts";
import { type ExistingPlan, planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { findFreePort } from "../support/ports.ts";

const MASTER_KEY = "sk-master-of-this-test";

type Reply = readonly [status: number, body: unknown];

/** What LiteLLM answers by path; other paths are not found. */
let replies: Record<string, Reply>;
const seen: string[] = [];
const healthy: Record<string, Reply> = {
  "/health/liveliness": [200, "I'm alive!"],
  "/health/readiness": [200, { status: "healthy", db: "connected" }],
  "/key/list?size=1": [200, { keys: [] }],
  "/user/list?page_size=1": [200, { users: [] }],
};

const answer: Parameters<typeof createHttpServer>[1] = (request, response) => {
  const { url = "", headers } = request;
  seen.push(`${url} ${headers.authorization ?? "without key"}`);
  const [status, body] = replies[url] ?? [404, { detail: "Not Found" }];
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
};

let folder: string;
let authority: CertificateAuthority;
let plain: ReturnType<typeof createHttpServer>;
let encrypted: ReturnType<typeof createHttpsServer>;

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
const plan = (deployment: object): ExistingPlan =>
  planDeployment(
    parseSettings({
      plain: { deployment: { topology: "existing", ...deployment } },
      secret: { masterKey: MASTER_KEY },
    }),
    imagineCircumstances({ files: { "ca.pem": readFileSync(authority.certificateFile, "utf8") } }),
  ) as ExistingPlan;
const find = (deployment: object = {}): Promise<string[]> =>
  findGatewayObstacles(
    plan({ url: `http://127.0.0.1:${portOf(plain)}`, ...deployment }),
    MASTER_KEY,
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "existing "));
  authority = await CertificateAuthority.create(join(folder, "ca"));
  const { certificateFile, keyFile } = await authority.issue("gateway", ["DNS:gateway.test"]);
  plain = createHttpServer(answer).listen(0, "127.0.0.1");
  encrypted = createHttpsServer(
    { cert: readFileSync(certificateFile), key: readFileSync(keyFile) },
    answer,
  ).listen(0, "127.0.0.1");
  await Promise.all([once(plain, "listening"), once(encrypted, "listening")]);
});

afterAll(() => {
  plain.close();
  encrypted.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  replies = healthy;
  seen.length = 0;
});

describe("a gateway that is run elsewhere", () => {
  test("that is well meets no obstacle, and only what needs the key is sent it", async () => {
    expect(await find()).toEqual([]);
    expect(seen).toEqual([
      "/health/readiness without key",
      `/user/list?page_size=1 Bearer ${MASTER_KEY}`,
    ]);
  });

  test("may be below a path", async () => {
    const url = `http://127.0.0.1:${portOf(plain)}/litellm/`;
    replies = Object.fromEntries(
      Object.entries(healthy).map(([path, reply]) => [`/litellm${path}`, reply]),
    );
    expect(await find({ url })).toEqual([]);
    const { checks, proxyUrl } = plan({ url });
    const results = await runChecks(checks, { proxyUrl, masterKey: MASTER_KEY });
    expect(results.map(({ passed }) => passed)).toEqual([true, true, true]);
  });

  const unauthorized = (message: string): Reply => [401, { error: { message } }];
  test.each<[string, string, Reply, string]>([
    [
      "does not know the key",
      "/user/list?page_size=1",
      unauthorized("Authentication Error, Invalid proxy server token passed. Key Hash =88"),
      "masterKey is no key of the gateway at <gateway>; set its master key: pulumi config set --secret masterKey",
    ],
    [
      "knows the key of somebody who is no admin",
      "/user/list?page_size=1",
      [403, { detail: { error: "Only proxy admins and organization admins can list users." } }],
      "masterKey is a key of the gateway at <gateway> that may not manage it: only the master key may, or a key of a user who is proxy_admin; set that one: pulumi config set --secret masterKey",
    ],
    [
      "has no database",
      "/health/readiness",
      [200, { status: "healthy", db: "Not connected" }],
      'the gateway at <gateway> has no database (its readiness says "Not connected"), and without one there are no teams, users and keys; give it DATABASE_URL, or name another gateway: pulumi config set --path deployment.url <url>',
    ],
    [
      "is none",
      "/health/readiness",
      [404, { detail: "Not Found" }],
      "<gateway> does not answer as LiteLLM does (404: Not Found); see what is there: curl <gateway>/health/readiness, or name the gateway: pulumi config set --path deployment.url <url>",
    ],
  ])("that %s", async (_, path, reply, obstacle) => {
    replies = { ...healthy, [path]: reply };
    const url = `http://127.0.0.1:${portOf(plain)}`;
    expect(await find()).toEqual([obstacle.replaceAll("<gateway>", url)]);
  });

  test("that is down, too busy or without its database for a moment is waited for later", async () => {
    expect(await find({ url: `http://127.0.0.1:${await findFreePort()}` })).toEqual([]);
    replies = { ...healthy, "/health/readiness": [503, { detail: "Service Unhealthy" }] };
    expect(await find()).toEqual([]);
    replies = { ...healthy, "/user/list?page_size=1": [429, { error: { message: "slow down" } }] };
    expect(await find()).toEqual([]);
  });

  test("with a private authority is trusted with its certificate only", async () => {
    const url = `https://gateway.test:${portOf(encrypted)}`;
    const connectAddress = "127.0.0.1";
    expect(await find({ url, connectAddress, certificateAuthorityFile: "ca.pem" })).toEqual([]);
    const [obstacle = ""] = await find({ url, connectAddress });
    expect(obstacle).toContain(`${url} has no TLS that is trusted here: `);
    expect(obstacle).toContain(
      "pulumi config set --path deployment.certificateAuthorityFile <file>",
    );
  });

  test("that lists the keys of whoever asks is no proof of an admin", async () => {
    replies = {
      ...healthy,
      "/user/list?page_size=1": [403, { detail: { error: "Only proxy admins can list users." } }],
    };
    const { checks, proxyUrl } = plan({ url: `http://127.0.0.1:${portOf(plain)}` });
    const results = await runChecks(checks, { proxyUrl, masterKey: MASTER_KEY });
    expect(results.map(({ passed }) => passed)).toEqual([true, true, false]);
  });
});
