import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { docker, LAB_LABEL } from "../lab/docker.ts";
import { pebbleImage } from "../lab/pebble-image.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { askEdge } from "./edge-client.ts";
import { findFreePort } from "./ports.ts";

const DIRECTORY_PORT = 14_000;
const MANAGEMENT_PORT = 15_000;
const START_MILLISECONDS = 60_000;

export interface AcmeServerOptions {
  /** Of the server's container and its name in the network. */
  readonly name: string;
  /** Docker network in which clients reach the server. */
  readonly network: string;
  /** Port of a name that challenges by HTTP are sent to. Default: 80, as everywhere. */
  readonly httpPort?: number;
  /** Port of a name that challenges by TLS are sent to. Default: 443. */
  readonly tlsPort?: number;
  /**
   * Addresses of names, by the name; `host-gateway` is the machine that Docker runs on, with all ports
   * published there. Other names are those of the network. Default: none.
   */
  readonly addresses?: Readonly<Record<string, string>>;
}

/** Pebble, a small ACME server for tests, in a container of the test's own. */
export class AcmeServer {
  /** `https://…/dir`, for the containers of the network. */
  readonly directoryUrl: string;
  /** PEM file of the authority that vouches for the directory itself; clients must be told to trust it. */
  readonly directoryAuthorityFile: string;
  readonly #container: string;
  readonly #folder: string;
  readonly #managementPort: number;

  private constructor(container: string, folder: string, authorityFile: string, port: number) {
    this.#container = container;
    this.#folder = folder;
    this.#managementPort = port;
    this.directoryUrl = `https://${container}:${DIRECTORY_PORT}/dir`;
    this.directoryAuthorityFile = authorityFile;
  }

  static async start(options: AcmeServerOptions): Promise<AcmeServer> {
    // The parent keeps others out; the server's own user must read what is mounted.
    const folder = mkdtempSync(join(tmpdir(), "acme-server-"));
    const setup = mkdtempSync(join(folder, "setup-"));
    chmodSync(setup, 0o755);
    const authority = await CertificateAuthority.create(join(folder, "authority"));
    const names = [`DNS:${options.name}`, "DNS:localhost", "IP:127.0.0.1"];
    const certificate = await authority.issue("acme-server", names);
    copyFileSync(certificate.certificateFile, join(setup, "certificate.pem"));
    copyFileSync(certificate.keyFile, join(setup, "key.pem"));
    chmodSync(join(setup, "key.pem"), 0o644);
    writeFileSync(join(setup, "pebble.json"), describeSettings(options));
    const port = await findFreePort();
    const hosts = Object.entries(options.addresses ?? {});
    const server = new AcmeServer(options.name, folder, authority.certificateFile, port);
    await docker([
      ...["run", "--detach", `--name=${options.name}`, `--label=${LAB_LABEL}`],
      ...[`--network=${options.network}`, `--publish=127.0.0.1:${port}:${MANAGEMENT_PORT}`],
      ...hosts.map(([name, address]) => `--add-host=${name}:${address}`),
      // It neither waits before a challenge nor refuses good nonces, which it does to test clients.
      ...["--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_WFE_NONCEREJECT=0"],
      ...[`--volume=${setup}:/setup:ro`, pebbleImage.image, "-config", "/setup/pebble.json"],
    ]);
    await server.#waitUntilReady();
    return server;
  }

  async #waitUntilReady(): Promise<void> {
    const deadline = Date.now() + START_MILLISECONDS;
    for (;;) {
      try {
        await this.readIssuingAuthority();
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  /** The authority that signs what the server issues, as PEM: a new one at every start. */
  async readIssuingAuthority(): Promise<string> {
    const { status, body } = await askEdge({
      address: "127.0.0.1",
      port: this.#managementPort,
      host: "localhost",
      path: "/roots/0",
      certificateAuthority: readFileSync(this.directoryAuthorityFile, "utf8"),
    });
    if (status !== 200) throw new Error(`the ACME server answered ${status}: ${body}`);
    return body;
  }

  /** What it has done so far, challenges and their outcomes among it. */
  log(): Promise<string> {
    return docker(["logs", this.#container]);
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", "--volumes", this.#container]);
    rmSync(this.#folder, { recursive: true });
  }
}

/** https://github.com/letsencrypt/pebble#configuration */
function describeSettings({ httpPort = 80, tlsPort = 443 }: AcmeServerOptions): string {
  return JSON.stringify({
    pebble: {
      listenAddress: `0.0.0.0:${DIRECTORY_PORT}`,
      managementListenAddress: `0.0.0.0:${MANAGEMENT_PORT}`,
      certificate: "/setup/certificate.pem",
      privateKey: "/setup/key.pem",
      httpPort,
      tlsPort,
      ocspResponderURL: "",
      externalAccountBindingRequired: false,
    },
  });
}
