import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeAll, describe, expect, test } from "vitest";

import { Refusal, Unavailable } from "../../../components/provider/access/api-failure.ts";
import { gatewayConnection } from "../../../components/provider/access/connection.ts";
import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import { CertificateAuthority } from "../../support/certificate-authority.ts";
import {
  type FakeAnswer,
  type FakeGateway,
  type FakeGatewayOptions,
  type FakeRequest,
  startFakeGateway,
} from "../../support/fake-gateway.ts";
import { findFreePort } from "../../support/ports.ts";

const MASTER_KEY = "sk-master-0123456789";
const { signal } = new AbortController();
const started: FakeGateway[] = [];
const opened: GatewayApi[] = [];

afterEach(async () => {
  await Promise.all([
    ...opened.splice(0).map((api) => api.close()),
    ...started.splice(0).map((gateway) => gateway.stop()),
  ]);
});

async function start(
  answer: (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>,
  options?: FakeGatewayOptions,
): Promise<FakeGateway> {
  const gateway = await startFakeGateway(answer, options);
  started.push(gateway);
  return gateway;
}

function open(url: string, changes: object = {}): GatewayApi {
  const connection = { url, masterKey: MASTER_KEY, patienceSeconds: 5, ...changes };
  const api = new GatewayApi(gatewayConnection.parse(connection));
  opened.push(api);
  return api;
}

/** Answers in turn; the last one again and again. */
const inTurn =
  (...answers: FakeAnswer[]) =>
  ({ index }: FakeRequest): FakeAnswer =>
    answers[Math.min(index, answers.length - 1)] ?? {};

async function measure<T>(task: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const before = performance.now();
  const result = await task();
  return { result, seconds: (performance.now() - before) / 1000 };
}

const fail = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as Error,
  );

const BUSY: FakeAnswer = { status: 429, json: { error: { message: "too many" } } };
const PATH = "/team/list";

describe("a request", () => {
  test("carries the key, the method and the body, below the path of the base URL", async () => {
    const gateway = await start(() => ({ json: { ok: 1 } }));
    const api = open(`${gateway.url}/litellm/`);
    expect(await api.call({ path: "/team/new?x=1", body: { team_id: "a" }, signal })).toEqual({
      ok: 1,
    });
    await api.call({ method: "DELETE", path: "/credentials/a%2Fb", signal });
    expect(gateway.requests).toMatchObject([
      { method: "POST", path: "/litellm/team/new?x=1", body: { team_id: "a" } },
      { method: "DELETE", path: "/litellm/credentials/a%2Fb", body: undefined },
    ]);
    expect(gateway.requests[0]?.authorization).toBe(`Bearer ${MASTER_KEY}`);
    expect(api.requests).toBe(3);
  });

  test("that is refused is not repeated", async () => {
    const gateway = await start(() => ({
      status: 400,
      json: { detail: { error: "no such model" } },
    }));
    const error = await fail(open(gateway.url).call({ path: PATH, signal }));
    expect(error).toBeInstanceOf(Refusal);
    expect(error.message).toBe("GET /team/list was refused with 400: no such model");
    expect(gateway.requests).toHaveLength(1);
  });

  test.each<[string, FakeAnswer]>([
    ["429", BUSY],
    ["500 without JSON", { status: 500, text: "Internal Server Error" }],
    ["500 with JSON", { status: 500, json: { error: { message: "Internal server error" } } }],
    ["502", { status: 502, text: "Bad Gateway" }],
    ["503", { status: 503, json: { error: { message: "Worker at capacity" } } }],
    ["a connection that is reset", "reset"],
  ])("is repeated after %s", async (_, answer) => {
    const gateway = await start(inTurn(answer, answer, { json: [] }));
    expect(await open(gateway.url).call({ path: PATH, signal })).toEqual([]);
    expect(gateway.requests).toHaveLength(3);
  });

  test("waits as long as it is asked to, and the others with it", async () => {
    const gateway = await start(inTurn({ ...BUSY, headers: { "retry-after": "1" } }, { json: [] }));
    const api = open(gateway.url, { concurrency: 1 });
    const { seconds } = await measure(() =>
      Promise.all([api.call({ path: PATH, signal }), api.call({ path: PATH, signal })]),
    );
    expect(seconds).toBeGreaterThan(0.95);
    expect(gateway.requests).toHaveLength(3);
  });

  test("does not wait longer than there is patience, and says how long it was to", async () => {
    const gateway = await start(() => ({ ...BUSY, headers: { "retry-after": "3600" } }));
    const { result, seconds } = await measure(() =>
      fail(open(gateway.url).call({ path: PATH, signal })),
    );
    expect(seconds).toBeLessThan(1);
    expect(result).toBeInstanceOf(Unavailable);
    expect(result.message).toContain("429: too many, and asks to wait 3600 s");
  });

  test("is answered slowly without being asked again", async () => {
    const gateway = await start(async () => {
      await sleep(4000);
      return { json: ["slow"] };
    });
    expect(await open(gateway.url, { patienceSeconds: 0 }).call({ path: PATH, signal })).toEqual([
      "slow",
    ]);
    expect(gateway.requests).toHaveLength(1);
  });

  test("is not answered at all: that is said after five seconds at least", async () => {
    const gateway = await start(() => "hang");
    const { result, seconds } = await measure(() =>
      fail(open(gateway.url, { patienceSeconds: 1 }).call({ path: PATH, signal })),
    );
    expect(result.message).toContain(
      "has not done GET /team/list within 1 s: no answer within 5 s",
    );
    expect(seconds).toBeGreaterThan(4.9);
    expect(seconds).toBeLessThan(6);
    expect(gateway.requests).toHaveLength(1);
  });

  test("that fails the same way each time ends after three tries, not with patience", async () => {
    const gateway = await start(() => ({
      status: 500,
      json: { error: { message: "'NoneType' object has no attribute 'x'" } },
    }));
    const { result, seconds } = await measure(() =>
      fail(open(gateway.url, { patienceSeconds: 60 }).call({ path: PATH, signal })),
    );
    expect(result.message).toBe(
      "GET /team/list was refused with 500: 'NoneType' object has no attribute 'x'; " +
        "the gateway fails each time; see its log",
    );
    expect(gateway.requests).toHaveLength(3);
    expect(seconds).toBeLessThan(2);
  });

  test("that fails because the database is away is waited for as long as there is patience", async () => {
    const failed = { status: 500, json: { error: { message: "Internal server error" } } };
    const gateway = await start(inTurn(...Array<FakeAnswer>(5).fill(failed), { json: [] }), {
      admissions: [{ json: {} }, ...Array<FakeAnswer>(5).fill(failed), { json: {} }],
    });
    const api = open(gateway.url, { patienceSeconds: 20 });
    expect(await api.call({ path: PATH, signal })).toEqual([]);
    expect(gateway.requests).toHaveLength(6);
  });

  test("ends as soon as it is cancelled: while it waits, for its turn, or for an answer", async () => {
    const gateway = await start(({ path }) => (path === "/busy" ? BUSY : "hang"));
    const api = open(gateway.url, { concurrency: 1, patienceSeconds: 60 });
    const cancellation = new AbortController();
    const requests = ["/busy", "/hang", "/next"].map((path) =>
      fail(api.call({ path, signal: cancellation.signal })),
    );
    setTimeout(() => {
      cancellation.abort(new Error("cancelled"));
    }, 400);
    const { result, seconds } = await measure(() => Promise.all(requests));
    expect(result.map(({ message }) => message)).toEqual(Array(3).fill("cancelled"));
    expect(seconds).toBeLessThan(1);
  });
});

describe("an outage", () => {
  test("is waited for until it ends", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url);
    await api.call({ path: PATH, signal });
    await gateway.stop();
    const calls = Array.from({ length: 20 }, () => api.call({ path: PATH, signal }));
    await sleep(700);
    await gateway.start();
    expect(await Promise.all(calls)).toHaveLength(20);
    expect(gateway.requests).toHaveLength(21);
  });

  test("takes one patience for all requests together, and those after it try once", async () => {
    const url = `http://127.0.0.1:${await findFreePort()}`;
    const api = open(url, { patienceSeconds: 1 });
    const { result, seconds } = await measure(() =>
      Promise.all(Array.from({ length: 50 }, () => fail(api.call({ path: PATH, signal })))),
    );
    expect(seconds).toBeGreaterThan(0.9);
    expect(seconds).toBeLessThan(2);
    for (const error of result) {
      expect(error).toBeInstanceOf(Unavailable);
      expect(error.message).toMatch(
        /^the gateway at .* has not done .* within 1 s: .*ECONNREFUSED/,
      );
      expect(error.message).toContain(`curl ${url}/health/readiness`);
    }
    const before = api.requests;
    const later = await measure(async () => {
      for (let index = 0; index < 50; index++) await fail(api.call({ path: PATH, signal }));
    });
    expect(later.seconds).toBeLessThan(1);
    expect(api.requests - before).toBeLessThanOrEqual(50);
  });

  test("of a gateway that hangs does not take as long again for each that waited", async () => {
    const gateway = await start(() => "hang");
    const api = open(gateway.url, { patienceSeconds: 1, concurrency: 2 });
    const { seconds } = await measure(() =>
      Promise.all(Array.from({ length: 40 }, () => fail(api.call({ path: PATH, signal })))),
    );
    expect(seconds).toBeLessThan(7);
  });

  test("is forgotten at the first answer: the next one has patience again", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url, { patienceSeconds: 1 });
    await api.call({ path: PATH, signal });
    await gateway.stop();
    await fail(api.call({ path: PATH, signal }));
    await gateway.start();
    await sleep(1100);
    await api.call({ path: PATH, signal });
    await gateway.stop();
    const { seconds } = await measure(() => fail(api.call({ path: PATH, signal })));
    expect(seconds).toBeGreaterThan(0.9);
  });

  test("of one request is over with its own patience, however well the others go", async () => {
    const gateway = await start(({ path }) => (path === "/busy" ? BUSY : { json: [] }));
    const api = open(gateway.url, { patienceSeconds: 1 });
    const busy = measure(() => fail(api.call({ path: "/busy", signal })));
    const answers = setInterval(() => {
      // The last one may find the server gone.
      api.call({ path: PATH, signal }).catch(() => undefined);
    }, 50);
    await busy;
    clearInterval(answers);
    expect((await busy).seconds).toBeLessThan(2);
  });
});

describe("making something", () => {
  /** A gateway that makes teams, and loses its answers as told. */
  async function startTeams(lose: (index: number) => FakeAnswer | undefined) {
    const teams: string[] = [];
    const gateway = await start(({ index, method, body }) => {
      if (method === "GET") return { json: teams };
      teams.push((body as { team_id: string }).team_id);
      return lose(index) ?? { json: { made: true } };
    });
    const api = open(gateway.url);
    const find = async () => {
      const found = (await api.call({ path: PATH, signal })) as string[];
      return found.find((id) => id === "a");
    };
    const create = () => api.create({ path: "/team/new", body: { team_id: "a" }, signal }, find);
    return { gateway, teams, create };
  }

  test("says what was answered", async () => {
    const { create, teams } = await startTeams(() => undefined);
    expect(await create()).toEqual({ answer: { made: true } });
    expect(teams).toEqual(["a"]);
  });

  test.each<[string, FakeAnswer]>([
    ["reset", "reset"],
    ["500", { status: 500, text: "Internal Server Error" }],
    ["502", { status: 502, text: "Bad Gateway" }],
  ])("is not done twice when the answer is lost: %s", async (_, answer) => {
    const { create, teams } = await startTeams((index) => (index === 0 ? answer : undefined));
    expect(await create()).toEqual({ found: "a" });
    expect(teams).toEqual(["a"]);
  });

  test("is not looked for where nothing can have happened", async () => {
    const gateway = await start(inTurn(BUSY, BUSY, { json: 1 }));
    const outcome = await open(gateway.url).create({ path: "/team/new", body: {}, signal }, () => {
      throw new Error("looked for");
    });
    expect(outcome).toEqual({ answer: 1 });
  });

  test("that is refused for being there, after an answer was lost, is found", async () => {
    const gateway = await start(
      inTurn("reset", { status: 400, json: { error: "already exists" } }),
    );
    let looks = 0;
    // It was still being made when it was looked for first.
    const find = () => Promise.resolve(++looks > 1 ? "it" : undefined);
    const outcome = await open(gateway.url).create({ path: "/team/new", body: {}, signal }, find);
    expect(outcome).toEqual({ found: "it" });
  });

  test("that is refused at once is not looked for", async () => {
    const gateway = await start(() => ({ status: 400, json: { error: "already exists" } }));
    const making = open(gateway.url).create({ path: "/team/new", body: {}, signal }, () =>
      Promise.resolve("somebody else's"),
    );
    await expect(making).rejects.toThrow("already exists");
  });
});

describe("connections", () => {
  test("are shared, and no more are open than requests may be under way", async () => {
    let running = 0;
    let most = 0;
    const gateway = await start(async () => {
      most = Math.max(most, ++running);
      await sleep(20);
      running--;
      return { json: [] };
    });
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);
    const api = open(gateway.url, { concurrency: 4 });
    await Promise.all(Array.from({ length: 60 }, () => api.call({ path: PATH, signal })));
    await sleep(0);
    process.off("warning", listen);
    expect(most).toBe(4);
    expect(gateway.connections).toBeLessThanOrEqual(4);
    expect(warnings).toEqual([]);
  });

  test("that the gateway has closed meanwhile cost nothing, not even patience", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url, { patienceSeconds: 0 });
    await Promise.all(Array.from({ length: 8 }, () => api.call({ path: PATH, signal })));
    // It goes away and comes back, and none of the connections is good any more.
    await gateway.stop();
    await gateway.start();
    for (let index = 0; index < 8; index++) {
      expect(await api.call({ path: PATH, signal })).toEqual([]);
    }
  });

  test("are closed here before the gateway closes them", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url, { patienceSeconds: 0 });
    await api.call({ path: PATH, signal });
    await sleep(3300);
    await api.call({ path: PATH, signal });
    expect(gateway.connections).toBe(2);
    expect(api.requests).toBe(3);
  });
});

describe("TLS", () => {
  let folder: string;
  let authority: string;
  let other: string;
  let tls: { cert: string; key: string };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "access-tls-"));
    const ours = await CertificateAuthority.create(join(folder, "ours"));
    const theirs = await CertificateAuthority.create(join(folder, "theirs"));
    const { certificateFile, keyFile } = await ours.issue("gateway", ["DNS:litellm.example.com"]);
    authority = readFileSync(ours.certificateFile, "utf8");
    other = readFileSync(theirs.certificateFile, "utf8");
    tls = { cert: readFileSync(certificateFile, "utf8"), key: readFileSync(keyFile, "utf8") };
    return () => {
      rmSync(folder, { recursive: true });
    };
  });

  async function openTls(changes: object, name = "litellm.example.com") {
    const gateway = await start(() => ({ json: [] }), { tls });
    const { port } = new URL(gateway.url);
    const url = `https://${name}:${port}`;
    return open(url, { patienceSeconds: 60, connectAddress: "127.0.0.1", ...changes });
  }

  test("with a private authority, at another address than the name's", async () => {
    const api = await openTls({ certificateAuthority: authority });
    expect(await api.call({ path: PATH, signal })).toEqual([]);
  });

  test.each([
    ["the wrong authority", () => ({ certificateAuthority: other }), "litellm.example.com"],
    ["no authority", () => ({}), "litellm.example.com"],
    ["another name", () => ({ certificateAuthority: authority }), "other.example.com"],
  ])("with %s fails at once, and says what to look at", async (_, changes, name) => {
    const api = await openTls(changes(), name);
    const { result, seconds } = await measure(() => fail(api.call({ path: PATH, signal })));
    expect(result).toBeInstanceOf(Unavailable);
    expect(result.message).toMatch(
      /the certificate of https:.* is not accepted: .*certificateAuthority; see: openssl s_client -connect \w+\.example\.com:\d+/,
    );
    expect(seconds).toBeLessThan(2);
    expect(api.requests).toBe(1);
  });

  test("where there is none fails at once", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url.replace("http:", "https:"), { patienceSeconds: 60 });
    const { result, seconds } = await measure(() => fail(api.call({ path: PATH, signal })));
    expect(result.message).toContain("does it begin with http:// rather?");
    expect(seconds).toBeLessThan(2);
  });
});

describe("admission", () => {
  const DENIED: FakeAnswer = {
    status: 401,
    json: {
      error: {
        message:
          "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...6789, Key Hash " +
          `(Token) =${createHash("sha256").update(MASTER_KEY).digest("hex")}. Unable to find token in cache`,
      },
    },
  };

  test("a key that is no admin's is found out before anything is asked", async () => {
    const gateway = await start(() => ({ json: { keys: [] } }), { admissions: [DENIED] });
    const api = open(gateway.url, { patienceSeconds: 60 });
    const error = await fail(api.call({ path: "/key/list", signal }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain("the key that was given does not manage this gateway (401:");
    expect(error.message).toContain("[secret]. Unable to find token");
    expect(gateway.requests).toHaveLength(0);
  });

  test("is looked at once for all", async () => {
    const gateway = await start(() => ({ json: [] }));
    const api = open(gateway.url);
    await Promise.all(Array.from({ length: 10 }, () => api.call({ path: PATH, signal })));
    expect(api.requests).toBe(11);
    expect(gateway.requests).toHaveLength(10);
  });

  test("that somebody is cancelled in is looked at again for the others", async () => {
    const gateway = await start(inTurn({ json: [] }), { admissions: ["hang", { json: {} }] });
    const api = open(gateway.url);
    const cancellation = new AbortController();
    const first = fail(api.call({ path: PATH, signal: cancellation.signal }));
    const second = api.call({ path: PATH, signal });
    await sleep(100);
    cancellation.abort(new Error("cancelled"));
    expect((await first).message).toBe("cancelled");
    expect(await second).toEqual([]);
    expect(api.requests).toBe(3);
  });
});

test("no message holds what was sent in secret, nor its hash", async () => {
  const secrets = [
    "sk-mine-0123456789",
    "sk-other-0123456789",
    'a "secret"\nof lines',
    "gsk_0123456789",
  ];
  const [key = "", other = "", value = "", apiKey = ""] = secrets;
  const body = {
    key,
    keys: [other],
    credential_values: { api_key: value },
    litellm_params: { model: "openai/gpt-5", nested: { api_key: apiKey } },
    key_alias: "search-ci",
  };
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  for (const status of [400, 401, 403, 500, 503]) {
    const gateway = await start(({ body, authorization }) => ({
      status,
      json: {
        error: {
          message: `${JSON.stringify(body)} ${authorization} ${[MASTER_KEY, key].map(hash).join(" ")}`,
        },
      },
    }));
    const error = await fail(
      open(gateway.url, { patienceSeconds: 0 }).call({ path: "/key/generate", body, signal }),
    );
    expect(error.message).toContain("search-ci");
    expect(error.message).toContain("openai/gpt-5");
    for (const secret of [
      MASTER_KEY,
      key,
      other,
      apiKey,
      "secret\\",
      hash(MASTER_KEY),
      hash(key),
    ]) {
      expect(error.message).not.toContain(secret);
    }
  }
});

describe("the configuration of a provider", () => {
  const parse = (changes: object) =>
    gatewayConnection.safeParse({ url: "https://a.example", masterKey: "sk-1", ...changes });

  test.each<[string, object, string]>([
    ["no address of the web", { url: "litellm.example.com" }, "must be a URL such as"],
    ["a password in the URL", { url: "https://a:b@a.example" }, "no user, no password"],
    ["a query", { url: "https://a.example/?x=1" }, "no query"],
    ["no PEM", { certificateAuthority: "/etc/ca.pem" }, "must be certificates in PEM"],
    ["a machine that is no JSON", { machine: "{host" }, "machine"],
  ])("is refused with %s", (_, changes, message) => {
    const { error } = parse(changes);
    expect(JSON.stringify(error?.issues)).toContain(message);
  });

  test("takes a path, and texts as Pulumi hands them over", () => {
    const { data } = parse({
      url: "https://a.example/litellm",
      concurrency: "4",
      patienceSeconds: "10",
      machine: '{"host":"gateway"}',
    });
    expect(data).toMatchObject({
      concurrency: 4,
      patienceSeconds: 10,
      machine: { host: "gateway" },
    });
  });
});
