import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { runCommand } from "../../components/provider/host/command.ts";
import { certificate } from "../../components/provider/tls/certificate.ts";
import { certificateAuthority } from "../../components/provider/tls/certificate-authority.ts";
import type { KeyAndCertificate } from "../../components/provider/tls/x509.ts";
import { operationContext } from "../support/operation-context.ts";

const DAY = 24 * 60 * 60 * 1000;

const { context } = operationContext();
const folder = mkdtempSync(join(tmpdir(), "tls-test-"));
const authorityInputs = certificateAuthority.inputs.parse({ commonName: "authority of a test" });
const NAMES = ["litellm.example.com", "*.example.org", "127.0.0.1", "::1"];

let authority: KeyAndCertificate;
let server: KeyAndCertificate;

const requestFrom = (issuer: KeyAndCertificate, names = NAMES) =>
  certificate.inputs.parse({
    authorityCertificate: issuer.certificate,
    authorityPrivateKey: issuer.privateKey,
    names,
  });
const create = async (issuer: KeyAndCertificate): Promise<KeyAndCertificate> =>
  (await certificate.create(context, requestFrom(issuer))).outputs;

const save = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const openssl = (...arguments_: string[]): Promise<string> =>
  runCommand("openssl", arguments_, { environment: process.env });
const verify = (issuer: KeyAndCertificate, issued: KeyAndCertificate, ...options: string[]) =>
  openssl(
    ...["verify", "-x509_strict", "-purpose", "sslserver", ...options],
    ...[
      "-CAfile",
      save("authority.pem", issuer.certificate),
      save("server.pem", issued.certificate),
    ],
  );

beforeAll(async () => {
  authority = (await certificateAuthority.create(context, authorityInputs)).outputs;
  server = await create(authority);
});

afterAll(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

describe("a certificate authority", () => {
  test("is one for OpenSSL, for ten years, on curve P-256", async () => {
    const text = await openssl(
      ...["x509", "-noout", "-text", "-in", save("authority.pem", authority.certificate)],
    );
    expect(text).toContain("Subject: CN = authority of a test");
    expect(text).toContain("CA:TRUE, pathlen:0");
    expect(text).toContain("NIST CURVE: P-256");
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(Date.parse(authority.notAfter) - Date.now()).toBeGreaterThan(3649 * DAY);
  });

  test("keeps its key when it is renewed, and what it signed stays valid", async () => {
    const renewed = await certificateAuthority.update(context, "id", {
      inputs: authorityInputs,
      previousInputs: authorityInputs,
      outputs: { ...authorityInputs, ...authority },
    });
    expect(renewed.privateKey).toBe(authority.privateKey);
    expect(renewed.certificate).not.toBe(authority.certificate);
    expect(await verify(renewed, server)).toContain("OK");
  });

  test("is renewed in the last fifth of its time, and not before", () => {
    const drift = (days: number) =>
      certificateAuthority.drift(
        { ...authorityInputs, ...authority, notAfter: inDays(days) },
        authorityInputs,
      );
    expect(drift(731)).toEqual([]);
    expect(drift(729)).toEqual(["notAfter"]);
  });
});

describe("a certificate", () => {
  test.each([
    ["-verify_hostname", "litellm.example.com"],
    ["-verify_hostname", "any.example.org"],
    ["-verify_ip", "127.0.0.1"],
    ["-verify_ip", "::1"],
  ])("is valid for OpenSSL: %s %s", async (option, name) => {
    expect(await verify(authority, server, option, name)).toContain("OK");
  });

  test("is not valid under another name, nor by another authority", async () => {
    await expect(
      verify(authority, server, "-verify_hostname", "other.example.com"),
    ).rejects.toThrow();
    const other = (await certificateAuthority.create(context, authorityInputs)).outputs;
    await expect(verify(other, server)).rejects.toThrow();
  });

  test("serves TLS to a client that trusts the authority", async () => {
    const listening = createServer({ key: server.privateKey, cert: server.certificate }, (socket) =>
      socket.end("hello"),
    );
    listening.listen(0, "127.0.0.1");
    await once(listening, "listening");
    const { port } = listening.address() as AddressInfo;
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername: "litellm.example.com",
      ca: authority.certificate,
    });
    const [greeting] = (await once(socket, "data")) as [Buffer];
    expect(greeting.toString()).toBe("hello");
    expect(socket.authorized).toBe(true);
    socket.destroy();
    listening.close();
  });

  test("is made anew by a plain `up` when it is due, with a new key", async () => {
    const inputs = requestFrom(authority);
    const drift = (days: number) =>
      certificate.drift({ ...inputs, ...server, notAfter: inDays(days) }, inputs);
    expect(drift(31)).toEqual([]);
    expect(drift(29)).toEqual(["notAfter"]);
    vi.useFakeTimers({ now: Date.now() + 368 * DAY, toFake: ["Date"] });
    expect(certificate.drift({ ...inputs, ...server }, inputs)).toEqual(["notAfter"]);
    const renewed = await certificate.update(context, "id", {
      inputs,
      previousInputs: inputs,
      outputs: { ...inputs, ...server },
    });
    expect(certificate.drift({ ...inputs, ...renewed }, inputs)).toEqual([]);
    vi.useRealTimers();
    expect(renewed.privateKey).not.toBe(server.privateKey);
    expect(certificate.volatileOutputs).toEqual(["certificate", "privateKey", "notAfter"]);
  });

  test("is replaced for other names, and its keys are secret", () => {
    expect(certificate.replaceOnChanges).toEqual(["names"]);
    expect(certificate.secretOutputs).toEqual(["privateKey"]);
    expect(certificateAuthority.secretOutputs).toEqual(["privateKey"]);
  });

  test("is as it was after a refresh, and cannot be imported", async () => {
    const inputs = requestFrom(authority);
    expect(await certificate.read(context, "id", { inputs, outputs: server })).toEqual({
      inputs,
      outputs: server,
    });
    expect(await certificate.read(context, "id", { inputs: {}, outputs: {} })).toBeUndefined();
    expect(
      await certificateAuthority.read(context, "id", { inputs: {}, outputs: {} }),
    ).toBeUndefined();
  });

  test("is refused for what is no name, and for a renewal at every `up`", () => {
    const parsed = certificate.inputs.safeParse({ ...requestFrom(authority), names: ["a b"] });
    expect(parsed.error?.issues[0]).toMatchObject({
      path: ["names", 0],
      message: "must be a DNS name or an IP address",
    });
    expect(
      certificate.check({ ...requestFrom(authority), validityDays: 20, renewBeforeDays: 20 }),
    ).toEqual([
      {
        property: "renewBeforeDays",
        reason: "must be less than validityDays, 20: every `up` would make the certificate anew",
      },
    ]);
  });

  test("never tells a key in an error", async () => {
    const failure = async (privateKey: string): Promise<string> => {
      const error: unknown = await create({ ...authority, privateKey }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return String(error);
    };
    const broken = authority.privateKey.replace("MIG", "XXX");
    expect(await failure(broken)).toBe(
      "Error: the private key of the certificate authority cannot be read: a key of curve P-256 in PEM is needed",
    );
    expect(await failure(server.privateKey)).toBe(
      "Error: the key of the certificate authority does not belong to its certificate; give both of one authority",
    );
  });
});

const inDays = (days: number): string => new Date(Date.now() + days * DAY).toISOString();
