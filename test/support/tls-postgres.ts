import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { findFreePort } from "./ports.ts";

/** Passwords over TLS only, the way a shared server is set up. */
const HBA = `
local   all postgres     peer
hostssl all all      all scram-sha-256
`;

/** Run by the image before the server's first start. */
const INITIALISATION = `
cp /setup/server.crt /setup/server.key /setup/pg_hba.conf "$PGDATA"
chmod 600 "$PGDATA/server.key"
echo "ssl = on" >> "$PGDATA/postgresql.conf"
`;

/** A PostgreSQL server that nobody may talk to without TLS, in a container of the test's own. */
export class TlsPostgres {
  /** Of 127.0.0.1. */
  readonly adminPort: number;
  /** Of the whole Docker host, for its containers. */
  readonly port: number;
  /** Signed the server's certificate. */
  readonly authority: CertificateAuthority;
  readonly #folder: string;
  readonly #container: string;

  private constructor(
    folder: string,
    authority: CertificateAuthority,
    ports: { readonly adminPort: number; readonly port: number },
  ) {
    this.#folder = folder;
    this.authority = authority;
    this.adminPort = ports.adminPort;
    this.port = ports.port;
    this.#container = `litellm-test-${this.port}-server`;
  }

  static async start(options: { readonly maxConnections: number }): Promise<TlsPostgres> {
    // The parent keeps others out; the server's own user must read what is in the folder itself.
    const folder = mkdtempSync(join(tmpdir(), "tls-postgres-"));
    const setup = join(folder, "setup");
    const initialisation = join(folder, "initialisation");
    const authority = await CertificateAuthority.create(join(folder, "authority"));
    const certificate = await authority.issue("postgresql", [
      "DNS:host.docker.internal",
      "IP:127.0.0.1",
    ]);
    mkdirSync(setup);
    mkdirSync(initialisation);
    copyFileSync(certificate.certificateFile, join(setup, "server.crt"));
    copyFileSync(certificate.keyFile, join(setup, "server.key"));
    chmodSync(join(setup, "server.key"), 0o644);
    writeFileSync(join(setup, "password"), "superuser of a test");
    writeFileSync(join(setup, "pg_hba.conf"), HBA);
    writeFileSync(join(initialisation, "tls.sh"), INITIALISATION);
    const ports = { adminPort: await findFreePort(), port: await findFreePort() };
    const server = new TlsPostgres(folder, authority, ports);
    await server.#run(setup, initialisation, options.maxConnections);
    return server;
  }

  async #run(setup: string, initialisation: string, maxConnections: number): Promise<void> {
    await docker([
      ...["run", "--detach", "--name", this.#container, "--label", LAB_LABEL],
      ...["--publish", `127.0.0.1:${this.adminPort}:5432`, "--publish", `${this.port}:5432`],
      ...["--env", "POSTGRES_PASSWORD_FILE=/setup/password"],
      ...["--volume", `${setup}:/setup:ro`],
      ...["--volume", `${initialisation}:/docker-entrypoint-initdb.d:ro`],
      ...["postgres:16", "postgres", "-c", "fsync=off"],
    ]);
    await this.#waitUntilReady();
    await this.allowConnections(maxConnections);
  }

  /** Restarts the server with another limit. */
  async allowConnections(count: number): Promise<void> {
    await this.sql(`ALTER SYSTEM SET max_connections = ${count}`);
    await docker(["restart", this.#container]);
    await this.#waitUntilReady();
  }

  async #waitUntilReady(): Promise<void> {
    const DEADLINE = Date.now() + 60_000;
    // By TCP: while the image sets the server up, it listens on a socket only.
    const probe = ["exec", this.#container, "pg_isready", "--host=127.0.0.1", "--quiet"];
    for (;;) {
      try {
        await docker(probe);
        return;
      } catch (error) {
        if (Date.now() > DEADLINE) throw error;
        await sleep(200);
      }
    }
  }

  /** A statement as the superuser; rows as lines, columns with | between them. */
  async sql(statement: string, database = "postgres"): Promise<string> {
    const psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];
    const output = await docker(
      [
        "exec",
        "--interactive",
        "--user=postgres",
        this.#container,
        ...psql,
        `--dbname=${database}`,
      ],
      // By standard input: there may be a password in it.
      statement,
    );
    return output.trim();
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", "--volumes", this.#container]);
    rmSync(this.#folder, { recursive: true });
  }
}
