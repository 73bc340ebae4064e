import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { dockerEngine } from "../lab/environment.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { TlsPostgres } from "../support/tls-postgres.ts";

const engine = dockerEngine();
const NO_TLS = Buffer.from("N");
const PASSWORD_WANTED = Buffer.from([0x52, 0, 0, 0, 23, 0, 0, 0, 10]);

/** An error as PostgreSQL sends it. */
function refuse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** Waits for the role `litellm_user`; returns what the script says, and throws where it fails. */
function wait(port: number, ...options: readonly string[]): Promise<string> {
  const script = ["templates/wait-for-database.py", "--host", "127.0.0.1", "--port", String(port)];
  script.push("--database", "litellm_db", "--user", "litellm_user", ...options);
  return runCommand("python3", script, { environment: process.env });
}

async function failureOf(waiting: Promise<string>): Promise<string> {
  const error: unknown = await waiting.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).output;
}

describe("a wait for a database", () => {
  /** What the server answers to the first message of a client, and to its second. */
  let answer: (connection: number, message: number) => Buffer | undefined;
  let server: Server;
  let port: number;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    let connections = 0;
    server = createServer((socket) => {
      const connection = connections++;
      let messages = 0;
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => {
        const reply = answer(connection, messages++);
        if (reply === undefined) socket.destroy();
        else socket.write(reply);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it("ends when it asks for a password, not when it answers", async () => {
    const starting = refuse("57P03", "the database system is starting up");
    answer = (connection, message) => {
      if (message === 0) return connection === 0 ? undefined : NO_TLS;
      return connection === 1 ? starting : PASSWORD_WANTED;
    };
    const said = await wait(port);
    expect(said.split("\n")).toEqual([
      expect.stringContaining("it closed the connection"),
      expect.stringContaining("the database system is starting up"),
      `PostgreSQL at 127.0.0.1:${port} is ready`,
      "",
    ]);
  });

  it("is bounded, and tells the last reason", async () => {
    answer = () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n");
    const said = await failureOf(wait(port, "--seconds", "1"));
    expect(said).toContain("was not ready within 1 s: something else answers there");
  });

  it("does not take a server without TLS where a certificate is asked for", async () => {
    answer = () => NO_TLS;
    const said = await failureOf(wait(port, "--seconds", "0", "--ca-file", "/dev/null"));
    expect(said).toContain("it has no TLS");
  });
});

describe.skipIf(!engine.available)(`a wait for PostgreSQL ${engine.reason}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "wait-for-database-"));
  let postgres: TlsPostgres;

  beforeAll(async () => {
    postgres = await TlsPostgres.start({ maxConnections: 10 });
  });

  afterAll(async () => {
    await postgres.remove();
    rmSync(folder, { recursive: true });
  });

  it("ends with a certificate of the authority alone", async () => {
    const { port, authority } = postgres;
    expect(await wait(port)).toContain("is ready");
    expect(await wait(port, "--ca-file", authority.certificateFile)).toContain("is ready");
    const other = await CertificateAuthority.create(join(folder, "other"));
    const options = ["--seconds", "0", "--ca-file", other.certificateFile];
    expect(await failureOf(wait(port, ...options))).toMatch(/certificate verify failed/i);
  });
});
