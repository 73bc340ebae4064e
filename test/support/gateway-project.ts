import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { parse, stringify } from "yaml";

import { ProxyClient } from "../../components/proxy-client.ts";
import { findFreePort } from "./ports.ts";
import { type CommandResult, PulumiProject } from "./pulumi-project.ts";

type Config = Record<string, unknown>;

/** The product in a folder of its own, whose path has spaces, deployed for real. */
export class GatewayProject {
  readonly pulumi: PulumiProject;
  readonly proxyPort: number;
  readonly databasePort: number;
  /** Of Traefik, beside `proxyPort` for HTTPS. */
  readonly httpPort: number;
  /** What the names of this project's containers, networks and volumes begin with. */
  readonly namePrefix: string;

  private constructor(
    pulumi: PulumiProject,
    [proxyPort, databasePort, httpPort]: readonly [number, number, number],
  ) {
    this.pulumi = pulumi;
    this.proxyPort = proxyPort;
    this.databasePort = databasePort;
    this.httpPort = httpPort;
    this.namePrefix = `litellm-test-${proxyPort}`;
  }

  static async create(): Promise<GatewayProject> {
    const links = [
      "Pulumi.yaml",
      "package.json",
      "package-lock.json",
      "stacks",
      "components",
      "templates",
      "tools",
      ".toolchain",
    ];
    const pulumi = await PulumiProject.create({
      links: Object.fromEntries(links.map((name) => [name, name])),
    });
    // Root's PostgreSQL runs as another user, who must be able to come here.
    chmodSync(dirname(pulumi.folder), 0o755);
    return new GatewayProject(pulumi, [
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
    ]);
  }

  /** Settings of a small gateway in containers, on ports and with names of its own, changed by `changes`. */
  configureContainers(changes: Config = {}): void {
    const { deployment = {}, database = {}, ...others } = changes as Record<string, object>;
    this.configure({
      deployment: {
        topology: "single-host",
        namePrefix: this.namePrefix,
        proxyPort: this.proxyPort,
        workers: 1,
        protect: false,
        ...deployment,
      },
      database:
        "kind" in database && database.kind !== "managed"
          ? database
          : { kind: "managed", port: this.databasePort, keepVolume: false, ...database },
      ...others,
    });
  }

  /**
   * Settings of a small gateway behind Traefik, with networks, ports and names of its own and a private
   * certificate authority, changed by `changes`.
   */
  configureTraefik(changes: Config = {}): void {
    const { deployment = {}, database = {}, ...others } = changes as Record<string, object>;
    const { traefik = {}, ...otherDeployment } = deployment as Record<string, object>;
    const isExisting = "kind" in traefik && traefik.kind === "existing";
    this.configure({
      deployment: {
        topology: "traefik",
        namePrefix: this.namePrefix,
        baseDomain: "gateway.test",
        networks: {
          web: { name: `${this.namePrefix}-web` },
          internal: { name: `${this.namePrefix}-internal` },
        },
        ...(!isExisting && { certificates: { kind: "private" } }),
        workers: 1,
        protect: false,
        ...otherDeployment,
        traefik: {
          httpPort: this.httpPort,
          httpsPort: this.proxyPort,
          ...(!isExisting && { address: "127.0.0.1" }),
          ...traefik,
        },
      },
      database:
        "kind" in database && database.kind !== "managed"
          ? database
          : { kind: "managed", keepVolume: false, ...database },
      ...others,
    });
  }

  /** Settings of a gateway that is run elsewhere: its master key is to be set beside them. */
  configureExisting(url: string, changes: Config = {}): void {
    const { deployment, ...others } = changes;
    this.#write({
      deployment: { topology: "existing", url, ...(deployment as object | undefined) },
      ...others,
    });
  }

  /** Settings of a small local gateway on ports of its own, changed by `changes`. */
  configure(changes: Config = {}): void {
    this.#write({
      deployment: { topology: "local", proxyPort: this.proxyPort, protect: false },
      database: { kind: "embedded", port: this.databasePort },
      models: [
        { name: "hello", provider: "mock", response: "Hello." },
        { name: "vector", provider: "mock", mode: "embedding" },
      ],
      ...changes,
      // In production it writes once a minute, and the checks wait for what is written.
      generalSettings: { proxy_batch_write_at: 2, ...(changes["generalSettings"] as Config) },
    });
  }

  /** Settings in place of all that are no secrets. */
  #write(settings: Config): void {
    const file = join(this.pulumi.folder, `Pulumi.${this.pulumi.stack}.yaml`);
    const stack = existsSync(file)
      ? (parse(readFileSync(file, "utf8")) as Record<string, unknown>)
      : {};
    const secrets = Object.entries((stack["config"] ?? {}) as Config).filter(([, value]) =>
      JSON.stringify(value).includes('"secure"'),
    );
    stack["config"] = {
      ...Object.fromEntries(secrets),
      ...Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [`litellm-gateway:${key}`, value]),
      ),
    };
    writeFileSync(file, stringify(stack));
  }

  /** Everything a deployment has written into its own folder. */
  listFiles(): string[] {
    const folder = join(this.pulumi.folder, ".stacks", this.pulumi.stack);
    return existsSync(folder)
      ? readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name))
      : [];
  }

  /** A request with the master key. */
  async request(path: string, body?: object): Promise<{ status: number; json: unknown }> {
    const { masterKey = "", ...outputs } = (await this.pulumi.readOutputs()) as Record<
      string,
      string
    >;
    const { proxyUrl = "", connectAddress, certificateAuthority } = outputs;
    const client = new ProxyClient({
      url: proxyUrl,
      ...(connectAddress !== undefined && { connectAddress }),
      ...(certificateAuthority !== undefined && { certificateAuthority }),
    });
    const { status, json } = await client.request(path, {
      key: masterKey,
      ...(body !== undefined && { body }),
    });
    return { status, json };
  }

  /** What the mock model says. */
  async chat(model: string): Promise<string | undefined> {
    const { json } = await this.request("/v1/chat/completions", {
      model,
      messages: [{ role: "user", content: "Hi" }],
    });
    const { choices } = json as { choices?: { message: { content: string } }[] };
    return choices?.[0]?.message.content;
  }

  async remove(): Promise<CommandResult> {
    const result = await this.pulumi.run("destroy", "--yes", "--skip-preview");
    this.pulumi.remove();
    return result;
  }
}
