import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { stringify } from "yaml";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { traefikImage } from "../lab/traefik-image.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { findFreePort } from "./ports.ts";

const START_MILLISECONDS = 60_000;

export interface TraefikServerOptions {
  /** Of its container. */
  readonly name: string;
  /** Docker network in which it reaches what it routes to. */
  readonly network: string;
  /** Names that its certificate is for. */
  readonly names: readonly string[];
}

/**
 * Somebody else's Traefik, which routes by the labels of containers: entry points `web` and `websecure`,
 * and a certificate for everything. It has Docker's socket, as such ones do.
 */
export class TraefikServer {
  /** Ports of 127.0.0.1 that lead to its entry points. */
  readonly ports: { readonly web: number; readonly websecure: number };
  /** Signed its certificate, as PEM. */
  readonly certificateAuthority: string;
  readonly #container: string;
  readonly #folder: string;

  private constructor(
    container: string,
    folder: string,
    ports: TraefikServer["ports"],
    certificateAuthority: string,
  ) {
    this.#container = container;
    this.#folder = folder;
    this.ports = ports;
    this.certificateAuthority = certificateAuthority;
  }

  static async start(options: TraefikServerOptions): Promise<TraefikServer> {
    // The parent keeps others out; what is in the folder is read in the container.
    const folder = mkdtempSync(join(tmpdir(), "traefik-server-"));
    const dynamic = mkdtempSync(join(folder, "dynamic-"));
    chmodSync(dynamic, 0o755);
    const authority = await CertificateAuthority.create(join(folder, "authority"));
    const names = options.names.map((name) => `DNS:${name}`);
    const certificate = await authority.issue("traefik-server", names);
    copyFileSync(certificate.certificateFile, join(dynamic, "certificate.pem"));
    copyFileSync(certificate.keyFile, join(dynamic, "key.pem"));
    writeFileSync(join(dynamic, "tls.yaml"), describeCertificate());
    const ports = { web: await findFreePort(), websecure: await findFreePort() };
    const authorityText = readFileSync(authority.certificateFile, "utf8");
    const server = new TraefikServer(options.name, folder, ports, authorityText);
    await docker([
      ...["run", "--detach", `--name=${options.name}`, `--label=${LAB_LABEL}`],
      ...[`--network=${options.network}`, `--volume=${dynamic}:/dynamic:ro`],
      "--volume=/var/run/docker.sock:/var/run/docker.sock:ro",
      ...[`--publish=127.0.0.1:${ports.web}:80`, `--publish=127.0.0.1:${ports.websecure}:443`],
      traefikImage.image,
      ...["--global.checknewversion=false", "--global.sendanonymoususage=false"],
      ...["--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443"],
      "--entrypoints.websecure.http.tls=true",
      ...["--entrypoints.traefik.address=127.0.0.1:8080", "--api.insecure=true", "--ping=true"],
      ...["--providers.docker=true", "--providers.docker.exposedbydefault=false"],
      `--providers.docker.network=${options.network}`,
      ...["--providers.file.directory=/dynamic", "--providers.providersthrottleduration=500ms"],
    ]);
    await server.#waitUntilReady();
    return server;
  }

  async #waitUntilReady(): Promise<void> {
    const deadline = Date.now() + START_MILLISECONDS;
    for (;;) {
      try {
        await this.ask("/ping");
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  /** What its API answers, such as to `/api/http/services`. */
  ask(path: string): Promise<string> {
    return docker([
      "exec",
      this.#container,
      "wget",
      "-q",
      "-O",
      "-",
      `http://127.0.0.1:8080${path}`,
    ]);
  }

  log(): Promise<string> {
    return docker(["logs", this.#container]);
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", "--volumes", this.#container]);
    rmSync(this.#folder, { recursive: true });
  }
}

function describeCertificate(): string {
  const certificate = { certFile: "/dynamic/certificate.pem", keyFile: "/dynamic/key.pem" };
  return stringify({ tls: { stores: { default: { defaultCertificate: certificate } } } });
}
