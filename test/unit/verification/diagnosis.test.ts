import { describe, expect, test } from "vitest";

import {
  describeRecord,
  explainAnswer,
  explainCertificate,
  explainDatabase,
  explainLog,
  explainUnreachable,
} from "../../../components/verification/diagnosis.ts";

const URL = "https://litellm.example.com";
const failure = (code: string, message = code) => Object.assign(new Error(message), { code });

describe("an answer", () => {
  test.each([
    ["no route", 404, "404 page not found\n", "Traefik has no route for this name"],
    ["no proxy that is ready", 503, "no available server\n", "no proxy that is ready"],
    ["a proxy that is gone", 502, "Bad Gateway", "Traefik cannot reach the proxy"],
    ["a proxy that hangs", 504, "Gateway Timeout", "has not answered Traefik in time"],
    ["a source that may not", 403, "Forbidden", "none of the source ranges"],
    ["a page with a password", 401, "401 Unauthorized\n", "asks for a name and a password"],
    ["the rate limit", 429, "Too Many Requests", "rate limit for one source"],
    ["the size limit", 413, "Request Entity Too Large", "raise `maxRequestBodyMegabytes`"],
  ])("of Traefik tells of %s", (_name, status, body, advice) => {
    const text = explainAnswer("/v1/models", status, body);
    expect(text).toMatch(`/v1/models answered ${status}: ${body.trim()} — `);
    expect(text).toContain(advice);
  });

  test("of LiteLLM is never taken for one of Traefik", () => {
    expect(explainAnswer("/x", 404, '{"detail":"Not Found"}')).toBe(
      '/x answered 404: {"detail":"Not Found"}',
    );
    expect(explainAnswer("/x", 403, '{"error":{"message":"Forbidden"}}')).toBe(
      "/x answered 403: Forbidden",
    );
  });

  test.each([
    [
      "Redis",
      503,
      '{"error":{"message":"{\\"message\\": \\"Service Unhealthy\\", \\"litellm_cache_params\\": 1}"}}',
      "LiteLLM does not reach Redis, or Redis refuses the password",
    ],
    [
      "PostgreSQL",
      503,
      '{"error":{"message":"Service Unavailable","type":"no_db_connection"}}',
      "LiteLLM does not reach PostgreSQL",
    ],
    [
      "a model",
      400,
      `{"error":{"message":"/chat/completions: Invalid model name passed in model=none."}}`,
      "no model of that name is configured",
    ],
  ])("of LiteLLM tells that %s is missing", (_name, status, body, advice) => {
    expect(explainAnswer("/v1/chat/completions", status, body)).toContain(advice);
  });
});

describe("no answer", () => {
  test("because the name is not in DNS tells the record to set", () => {
    expect(explainUnreachable(URL, failure("ENOTFOUND"), "203.0.113.7")).toBe(
      "litellm.example.com has no address — set the DNS record `litellm.example.com. A 203.0.113.7`; until then use it from one machine by a line in its hosts file",
    );
  });

  test.each([
    ["2001:db8::7", "`a.example. AAAA 2001:db8::7`"],
    ["docker.example.net", "`a.example. CNAME docker.example.net.`"],
    ["127.0.0.1", "`a.example. A <address of the Docker host>`"],
    [undefined, "`a.example. A <address of the Docker host>`"],
  ])("at %s asks for the record %s", (address, record) => {
    expect(describeRecord("a.example", address)).toBe(`the DNS record ${record}`);
  });

  test("because nobody listens tells the port", () => {
    expect(explainUnreachable(`${URL}:8443`, failure("ECONNREFUSED"), "203.0.113.7")).toMatch(
      /^203\.0\.113\.7 refuses connections on port 8443 — Traefik does not run there.*run `pulumi up`$/,
    );
    expect(explainUnreachable(URL, failure("ECONNREFUSED"))).toMatch(
      /^litellm\.example\.com refuses connections on port 443 — /,
    );
  });

  test("of several addresses tells that of the first", () => {
    const error = new AggregateError([failure("ECONNREFUSED"), failure("EHOSTUNREACH")]);
    expect(explainUnreachable(URL, error)).toContain("refuses connections on port 443");
  });

  test.each([
    ["ERR_TLS_CERT_ALTNAME_INVALID", "is for other names than litellm.example.com"],
    ["CERT_HAS_EXPIRED", "the certificate of litellm.example.com has expired"],
    ["CERT_NOT_YET_VALID", "clock of this machine or of the Docker host"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "by nobody who is trusted here"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "the whole chain with the intermediates"],
  ])("because of %s explains the certificate", (code, advice) => {
    expect(explainUnreachable(URL, failure(code))).toContain(advice);
  });

  test("because Traefik has no certificate but its own tells of ACME", () => {
    const text = explainCertificate("litellm.example.com", {
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
      reason: "DEPTH_ZERO_SELF_SIGNED_CERT",
      isTraefiksOwn: true,
    });
    for (const hint of ["public DNS", "port 80", "rate limit", "`staging`", "run `pulumi up`"]) {
      expect(text).toContain(hint);
    }
  });
});

describe("PostgreSQL", () => {
  test("that cannot be reached", () => {
    expect(explainDatabase(failure("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:5433"))).toMatch(
      /^connect ECONNREFUSED 127\.0\.0\.1:5433 — PostgreSQL cannot be reached from here: .*`pulumi up`$/,
    );
  });

  test("that refuses the password, or something else", () => {
    expect(
      explainDatabase(failure("28P01", 'password authentication failed for user "a"')),
    ).toMatch(/^password authentication failed for user "a" — the role has another password there/);
    expect(explainDatabase(failure("42P01", 'relation "x" does not exist'))).toBe(
      'relation "x" does not exist',
    );
  });
});

describe("the log of a proxy that does not start", () => {
  test.each([
    [
      "yaml.parser.ParserError: while parsing a block collection\n" +
        '  in "/etc/litellm/config.yaml", line 2, column 3',
      "a configuration file is no valid YAML",
    ],
    [
      'yaml.scanner.ScannerError: mapping values are not allowed here\n  in "x.yaml", line 1, column 9',
      "a configuration file is no valid YAML",
    ],
    [
      "FileNotFoundError: Included file not found: /etc/litellm/models/none.yaml",
      "the configuration includes a file that is not there",
    ],
    ["httpx.ConnectError: All connection attempts failed", "PostgreSQL cannot be reached"],
    [
      "Can't reach database server at `postgresql`:`5432`",
      "PostgreSQL cannot be reached from the proxy's network",
    ],
    [
      "redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.",
      "Redis cannot be reached from the proxy's network",
    ],
    [
      "redis.exceptions.AuthenticationError: invalid username-password pair or user is disabled.",
      "Redis refuses the password",
    ],
  ])("%s", (log, advice) => {
    expect(explainLog(`a line\n${log}\nanother`)).toContain(advice);
    expect(explainLog(log)).toMatch(/run `pulumi up`$/);
  });

  test("that is not well known is left to speak for itself", () => {
    expect(explainLog("ModuleNotFoundError: No module named 'x'")).toBeUndefined();
  });
});
