import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { isDebianRoot } from "../lab/debian.ts";
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { type Registry, startRegistry } from "../lab/registry.ts";
import { type SshServer, startSshServer } from "../lab/ssh-server.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { type DockerByTls, offerDockerByTls } from "../support/docker-by-tls.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { findFreePort } from "../support/ports.ts";

const SOCKET = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "");
const REGISTRY_PASSWORD = "password-of-the-registry-0123456789";
const WRONG_PASSWORD = "no-password-of-the-registry-0123456789";
const CONTEXT = "gateway-host";

const engine = dockerEngine();
const reason = isDebianRoot() ? engine.reason : "starts an SSH server, for root on Debian";

let folder: string;
let gateway: GatewayProject;
let ssh: SshServer;
let authority: CertificateAuthority;
let tls: DockerByTls;
let registry: Registry;
/** Everything the CLI printed. */
let printed = "";

/** Of this machine, and not loopback: where a remote gateway is found. */
const ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((network) => network?.family === "IPv4" && !network.internal)?.address;

/** A gateway without a database on the engine that is reached in this way. */
const configure = (reach: object, response = "Hello.", deployment: object = {}): void => {
  gateway.configureContainers({
    deployment: {
      docker: {
        hostname: ADDRESS,
        registries: [{ address: registry.address, username: "ci", password: "registryPassword" }],
        ...reach,
      },
      proxyAddress: "0.0.0.0",
      ...deployment,
    },
    database: { kind: "none" },
    models: [{ name: "hello", provider: "mock", response }],
  });
};

const setRegistryPassword = (password: string): Promise<void> =>
  gateway.pulumi.setConfig("litellm-gateway:secrets.registryPassword", password, {
    secret: true,
    isPath: true,
  });

const run = async (...command: string[]): Promise<{ exitCode: number; output: string }> => {
  const result = await gateway.pulumi.run(...command);
  printed += result.output;
  return result;
};

/** What a preview says that ends before it has begun. */
const refuse = async (): Promise<string> => {
  const { exitCode, output } = await run("preview");
  expect(exitCode).not.toBe(0);
  return output;
};

const up = async (...options: string[]): Promise<string> => {
  const { exitCode, output } = await run("up", "--yes", "--skip-preview", ...options);
  expect(exitCode, output).toBe(0);
  expect(output).not.toContain("✗");
  return output;
};

const expectNoChanges = async (): Promise<void> => {
  await gateway.pulumi.succeed("preview", "--expect-no-changes");
  await gateway.pulumi.refresh("--expect-no-changes");
};

/** A folder with what a client needs for TLS, under the names that Docker gives them. */
const provideCertificates = async (issuer: CertificateAuthority, name: string): Promise<string> => {
  const { certificateFile, keyFile } = await issuer.issue(name);
  const place = join(folder, name);
  mkdirSync(place, { mode: 0o700 });
  copyFileSync(authority.certificateFile, join(place, "ca.pem"));
  copyFileSync(certificateFile, join(place, "cert.pem"));
  copyFileSync(keyFile, join(place, "key.pem"));
  return place;
};

describe.skipIf(reason !== "")(`a Docker host that is reached from elsewhere (${reason})`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "remote docker "));
    authority = await CertificateAuthority.create(join(folder, "authority"));
    tls = await offerDockerByTls(SOCKET, authority);
    ssh = await startSshServer(join(folder, "ssh"), await findFreePort());
    registry = await startRegistry({ username: "ci", password: REGISTRY_PASSWORD });
    vi.stubEnv("DOCKER_CONFIG", join(folder, "docker"));
    // Nothing reaches this machine's engine by the way.
    vi.stubEnv("DOCKER_HOST", "tcp://127.0.0.1:9");
    gateway = await GatewayProject.create();
    vi.unstubAllEnvs();
    vi.stubEnv("DOCKER_CONFIG", join(folder, "docker"));
    await setRegistryPassword(WRONG_PASSWORD);
  });

  afterAll(async () => {
    await gateway.remove();
    await Promise.all([ssh.close(), tls.close(), registry.close()]);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  describe("by SSH", () => {
    test("is refused under another key than the known one", async () => {
      configure({ host: ssh.host, sshOptions: [...ssh.options, "-o", "HostKeyAlias=another"] });
      expect(await refuse()).toMatch(
        /ssh:\/\/deploy@127\.0\.0\.1:\d+ does not answer \(Host key verification failed\.\); see what it says: ssh -l deploy -p \d+ .* 127\.0\.0\.1 'docker info'/,
      );
    });

    test("runs a gateway", async () => {
      configure({ host: ssh.host, sshOptions: ssh.options });
      await up();
      const { proxyUrl } = await gateway.pulumi.readOutputs();
      expect(proxyUrl).toBe(`http://${ADDRESS ?? ""}:${gateway.proxyPort}`);
      expect(await gateway.chat("hello")).toBe("Hello.");
      await expectNoChanges();
    });
  });

  describe("by TLS", () => {
    test("is refused to a stranger", async () => {
      const stranger = await CertificateAuthority.create(join(folder, "stranger's authority"));
      const certificateFolder = await provideCertificates(stranger, "stranger");
      configure({ host: tls.host, certificateFolder });
      expect(await refuse()).toMatch(
        /tcp:\/\/127\.0\.0\.1:\d+ does not answer \(.*\); see what it says: DOCKER_CERT_PATH='.*stranger' DOCKER_TLS_VERIFY=1 docker --host tcp:\/\/127\.0\.0\.1:\d+ info/,
      );
      expect(tls.countConnections()).toBe(0);
    });

    test("changes the gateway", async () => {
      const certificateFolder = await provideCertificates(authority, "client");
      configure({ host: tls.host, certificateFolder }, "Hello by TLS.");
      await up();
      expect(await gateway.chat("hello")).toBe("Hello by TLS.");
      await expectNoChanges();
      expect(tls.countConnections()).toBeGreaterThan(0);
    });
  });

  describe("by a Docker context", () => {
    test("must be one that there is", async () => {
      configure({ context: CONTEXT }, "Hello by TLS.");
      expect(await refuse()).toMatch(
        /Docker context gateway-host cannot be read \(.*\); see which there are: docker context ls/,
      );
    });

    test("takes address and certificates from it", async () => {
      const [ca, cert, key] = ["ca", "cert", "key"].map((name) =>
        join(folder, "client", `${name}.pem`),
      );
      const endpoint = `host=${tls.host},ca=${ca ?? ""},cert=${cert ?? ""},key=${key ?? ""}`;
      await docker(["context", "create", CONTEXT, "--docker", endpoint]);
      const output = await up();
      expect(output).toMatch(/gateway-docker-engine updated/);
      expect(output).not.toMatch(/docker:index:\w+ .* (created|replaced|deleted)/);
      const connections = tls.countConnections();
      await expectNoChanges();
      expect(tls.countConnections()).toBeGreaterThan(connections);
    });
  });

  describe("with a registry that wants a login", () => {
    const pull = (suffix = ""): string => {
      const image = `${registry.address}/team/litellm:v1${suffix}`;
      configure({ context: CONTEXT }, "Hello by TLS.", { image });
      return image;
    };
    const identify = () =>
      docker(["inspect", "--format", "{{.Id}}", `${gateway.namePrefix}-proxy`]);

    afterAll(async () => {
      const images = ["images", "--quiet", `${registry.address}/team/litellm`];
      const ids = (await docker(images)).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await docker(["rmi", "--force", ...ids]);
    });

    test("a wrong password is told before anything is touched", async () => {
      const before = await identify();
      pull();
      const { exitCode, output } = await run("up", "--yes", "--skip-preview");
      expect(exitCode).not.toBe(0);
      expect(output).toMatch(/unauthorized/);
      expect(await identify()).toBe(before);
      expect(await gateway.chat("hello")).toBe("Hello by TLS.");
    });

    test("the right one brings the image, by its digest", async () => {
      await setRegistryPassword(REGISTRY_PASSWORD);
      const image = pull(`@${registry.digest}`);
      // The image alone: there is no LiteLLM in it.
      const targets = ["engine", "image-litellm"].flatMap((name) => [
        "--target",
        `**gateway-docker-${name}`,
      ]);
      await up(...targets);
      expect(await docker(["image", "inspect", "--format", "{{.RepoDigests}}", image])).toContain(
        registry.digest,
      );
      await gateway.pulumi.succeed("preview", "--expect-no-changes", ...targets);
    });

    test("the password is nobody else's business", async () => {
      const environment = await docker([
        ...["inspect", "--format", "{{.Config.Env}}"],
        `${gateway.namePrefix}-proxy`,
      ]);
      expect(environment).toContain("LITELLM_MASTER_KEY");
      const state = (await gateway.pulumi.succeed("stack", "export")).stdout;
      expect(state).toContain("registryAuth");
      for (const password of [REGISTRY_PASSWORD, WRONG_PASSWORD]) {
        for (const text of [environment, state, printed]) expect(text).not.toContain(password);
      }
    });
  });

  test("is left as it was found", async () => {
    await gateway.pulumi.destroy();
    for (const kind of [
      ["ps", "--all"],
      ["volume", "ls"],
      ["network", "ls"],
    ]) {
      const filter = ["--quiet", "--filter", `name=${gateway.namePrefix}`];
      expect(await docker([...kind, ...filter])).toBe("");
    }
  });
});
