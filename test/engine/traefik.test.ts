import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import litellmKeys from "../../stacks/settings/litellm-keys.json" with { type: "json" };
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";
import { changeUnderLoad, describeLoad, UNHARMED } from "../support/change-under-load.ts";
import { watchCommandLines } from "../support/command-lines.ts";
import {
  inspectContainer,
  type InspectedContainer,
  listObjects,
} from "../support/docker-objects.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import type { LoadOptions, LoadReport } from "../support/load-client.ts";
import { type CommandResult, nameOf, type PulumiProject } from "../support/pulumi-project.ts";

/** A provider's key that must appear nowhere but in the proxies' environment. */
const PROVIDER_KEY = "sk-proj-provider-key-of-this-test-0123456789";
const ROTATED_PASSWORD = "another-password-0123456789";
const IMAGE = `ghcr.io/berriai/litellm:v${litellmKeys.version}`;
/** What makes Traefik look after a proxy that has gone, in seconds. */
const HEALTH_INTERVAL_SECONDS = 5;

const engine = dockerEngine();

let gateway: GatewayProject;
let pulumi: PulumiProject;
let upstream: Upstream;
/** Lets nobody in but with the provider's key. */
let keyed: Upstream;
/** Where clients find the gateway, with a virtual key that was made before any change. */
let client: Pick<LoadOptions, "url" | "connectAddress" | "certificateAuthority" | "key">;
/** Another image's name for the same image. */
let otherImage: string;
/** Everything the CLI printed. */
const printed: string[] = [];
/** Every command line that was seen while a deployment ran, in containers too. */
const commandLines = new Set<string>();

const container = (service: string): string => `${gateway.namePrefix}-${service}`;
const inspect = (service: string): Promise<InspectedContainer> =>
  inspectContainer(container(service));
const portOf = ({ url }: Upstream): string => new URL(url).port;

const model = (name: string, double = upstream, others = {}) => ({
  name,
  provider: "openai-compatible",
  model: name,
  baseUrl: `http://host.docker.internal:${portOf(double)}/v1`,
  ...others,
});
const models = () => [
  { name: "hello", provider: "mock", response: "Hello." },
  // As many at once as clients wait for, and time for others between them.
  model("chat-delay-300"),
  model("stream-pause-100"),
];
/** Of (a), and kept from then on. */
const added = () => [...models(), model("added", keyed, { apiKey: "addedApiKey" })];

const configure = (changes: Record<string, unknown> = {}): void => {
  gateway.configureTraefik({
    redis: { kind: "managed" },
    models: models(),
    access: { teams: { search: {} }, keys: { before: { team: "search" } } },
    ...changes,
  });
};

const setSecret = (path: string, value: string): Promise<void> =>
  pulumi.setConfig(`litellm-gateway:${path}`, value, { secret: true, isPath: true });

/** An `up`, whatever comes of it. */
const run = async (): Promise<CommandResult> => {
  const result = await watchCommandLines(commandLines, () =>
    pulumi.run("up", "--yes", "--skip-preview"),
  );
  printed.push(result.output);
  return result;
};
const up = async (): Promise<string> => {
  const { exitCode, output } = await run();
  expect(exitCode, output).toBe(0);
  expect(output).not.toContain("✗");
  return output;
};

/** Makes a change while chats and streams go on, and prints what their clients saw. */
const loaded = async (name: string, change: () => Promise<void>): Promise<LoadReport> => {
  const report = await changeUnderLoad(
    {
      ...client,
      port: gateway.proxyPort,
      model: "chat-delay-300",
      streamModel: "stream-pause-100",
      rate: 8,
      streamWords: 80,
      stagger: 2,
    },
    change,
    { before: 3, after: 2 },
  );
  console.log(`${name}: ${describeLoad(report)}`);
  return report;
};

/** The proxies' containers, by the generation that they belong to. */
const proxies = async (): Promise<string[]> =>
  (await listObjects("container", gateway.namePrefix)).filter((name) =>
    name.startsWith(container("proxy-")),
  );
const generation = async (): Promise<string> => {
  const [first = ""] = await proxies();
  return first.slice(container("proxy-").length).replace(/-\d+$/, "");
};
/** That there is nothing but one whole generation of proxies and what they need. */
const expectNothingElse = async (replicas = 1): Promise<void> => {
  const now = await generation();
  const numbers = Array.from({ length: replicas }, (_, index) => index + 1);
  const fixed = ["migration", "migration-step", "postgresql", "redis", "traefik"];
  const names = [
    ...[...fixed, `configuration-${now}`].map(container),
    ...numbers.map((number) => container(`proxy-${now}-${number}`)),
  ];
  expect(await listObjects("container", gateway.namePrefix)).toEqual(names.sort());
  const volumes = await listObjects("volume", gateway.namePrefix);
  expect(volumes.filter((name) => name.startsWith(container("configuration")))).toEqual([
    container(`configuration-${now}`),
  ]);
};

/** SQL as the superuser, in the container. */
const sql = async (statement: string): Promise<string> =>
  (
    await docker([
      ...["exec", container("postgresql"), "sh", "-c"],
      `PGPASSWORD="$POSTGRES_PASSWORD" psql -h 127.0.0.1 -U postgres -d litellm -tAc "$0"`,
      statement,
    ])
  ).trim();

describe.skipIf(!engine.available)(`a gateway behind Traefik (${engine.reason})`, () => {
  beforeAll(async () => {
    gateway = await GatewayProject.create();
    pulumi = gateway.pulumi;
    upstream = await startUpstream({ host: "0.0.0.0" });
    keyed = await startUpstream({ host: "0.0.0.0", apiKey: PROVIDER_KEY });
    otherImage = `${gateway.namePrefix}/litellm:v${litellmKeys.version}-again`;
  });

  afterAll(async () => {
    await gateway.remove();
    await upstream.close();
    await keyed.close();
    await docker(["rmi", otherImage]).catch(() => undefined);
  });

  test("starts, and passes its checks from outside", async () => {
    configure();
    const output = await up();
    expect(output).toContain("✓ proxy is ready, database connected");
    expect(output).toContain("✓ chat with hello, streamed");
    const { virtualKeys, ...outputs } = await pulumi.readOutputs();
    const {
      proxyUrl = "",
      connectAddress = "",
      certificateAuthority = "",
    } = outputs as Record<string, string>;
    const { before: key = "" } = virtualKeys as Record<string, string>;
    client = { url: proxyUrl, connectAddress, certificateAuthority, key };
    await expectNothingElse();
  });

  test("does not change when nothing has changed", async () => {
    const before = await listContainerIds();
    await pulumi.succeed("preview", "--expect-no-changes");
    await pulumi.refresh("--expect-no-changes");
    expect(await up()).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    expect(await listContainerIds()).toEqual(before);
  });

  test("confines its containers, and publishes Traefik alone", async () => {
    const names = await listObjects("container", gateway.namePrefix);
    const inspected = await Promise.all(names.map(inspectContainer));
    const publishing = inspected.filter(
      ({ HostConfig }) => Object.keys(HostConfig["PortBindings"] ?? {}).length > 0,
    );
    expect(publishing.map(({ Name }) => Name)).toEqual([`/${container("traefik")}`]);
    expect(publishing[0]?.HostConfig["PortBindings"]).toEqual({
      "80/tcp": [{ HostIp: "127.0.0.1", HostPort: String(gateway.httpPort) }],
      "443/tcp": [{ HostIp: "127.0.0.1", HostPort: String(gateway.proxyPort) }],
    });
    const sources = inspected.flatMap(({ Mounts }) => Mounts.map(({ Source }) => Source));
    expect(sources.filter((source) => source.endsWith(".sock"))).toEqual([]);
    const networks = Object.fromEntries(
      inspected.map(({ Name, NetworkSettings }) => [
        Name.slice(container("").length + 1),
        Object.keys(NetworkSettings.Networks)
          .map((name) => name.replace(container(""), ""))
          .sort(),
      ]),
    );
    expect(networks).toMatchObject({
      [`proxy-${await generation()}-1`]: ["internal", "web"],
      postgresql: ["internal"],
      redis: ["internal"],
      traefik: ["web"],
    });
    const isInternal = ["network", "inspect", "--format", "{{.Internal}}", container("internal")];
    expect(await docker(isInternal)).toBe("true\n");
    const [proxy] = await Promise.all((await proxies()).map(inspectContainer));
    expect(proxy?.HostConfig).toMatchObject({
      CapAdd: null,
      CapDrop: ["ALL"],
      Init: true,
      ReadonlyRootfs: true,
      RestartPolicy: { Name: "unless-stopped" },
      SecurityOpt: ["no-new-privileges"],
    });
    expect(proxy?.Mounts.map(({ RW }) => RW)).toEqual([false]);
    expect(proxy?.State.Health?.Status).toBe("healthy");
    expect(proxy?.Config.StopTimeout).toBeGreaterThan(600);
  });

  test("(a) takes a model in without a failed request", async () => {
    const before = await generation();
    await setSecret("secrets.addedApiKey", PROVIDER_KEY);
    configure({ models: added() });
    const steps = await pulumi.preview();
    const name = (step: (typeof steps)[number]) =>
      `${step.op} ${nameOf(step)
        .replace(before, "<old>")
        .replace(/-[0-9a-f]{8}/, "-<new>")}`;
    expect(steps.map(name).sort()).toEqual([
      "create gateway-proxy-<new>",
      "create gateway-proxy-<new>-1",
      "create gateway-proxy-<new>-configuration",
      "create gateway-proxy-<new>-configuration-volume",
      "delete gateway-proxy-<old>",
      "delete gateway-proxy-<old>-1",
      "delete gateway-proxy-<old>-configuration",
      "delete gateway-proxy-<old>-configuration-volume",
      "update gateway-rollout",
    ]);
    printed.push(await pulumi.previewText());
    const report = await loaded("a model is added", async () => {
      await up();
    });
    expect(report).toMatchObject(UNHARMED);
    expect(await gateway.chat("added")).toBe("echo: Hi");
    expect(await generation()).not.toBe(before);
    await expectNothingElse();
  });

  test("(b) changes its image without a failed request", async () => {
    await docker(["tag", IMAGE, otherImage]);
    configure({ models: added(), deployment: { image: otherImage } });
    const report = await loaded("the image changes", async () => {
      await up();
    });
    expect(report).toMatchObject(UNHARMED);
    const [proxy = ""] = await proxies();
    expect((await inspectContainer(proxy)).Config.Image).toBe(otherImage);
    await expectNothingElse();
  });

  test("(c) changes its workers without a failed request, and PostgreSQL stays as it is", async () => {
    const { Id, State } = await inspect("postgresql");
    configure({ models: added(), deployment: { workers: 2 } });
    const report = await loaded("workers change", async () => {
      await up();
    });
    expect(report).toMatchObject(UNHARMED);
    const after = await inspect("postgresql");
    expect([after.Id, after.State.StartedAt]).toEqual([Id, State.StartedAt]);
    await expectNothingElse();
  });

  test("(d) refuses proxies that do not start, without a failed request", async () => {
    const before = await listContainerIds();
    const serving = await generation();
    configure({
      models: added(),
      deployment: { workers: 2 },
      generalSettings: { custom_auth: "no_such_module.authenticate" },
    });
    const report = await loaded("a configuration is broken", async () => {
      const { exitCode, output } = await run();
      expect(exitCode).not.toBe(0);
      const [, refused = ""] =
        /The new proxies, generation ([0-9a-f-]+), were removed/.exec(output) ?? [];
      expect(output).toContain(`${container(`proxy-${refused}-1`)} has ended`);
      expect(output).toContain("ImportError: Could not import authenticate from no_such_module");
      expect(output).toContain(
        `Those of generation ${serving} keep serving. Mend the cause, then run: pulumi up`,
      );
    });
    expect(report).toMatchObject(UNHARMED);
    expect(await proxies()).toEqual([container(`proxy-${serving}-1`)]);

    configure({ models: added(), deployment: { workers: 2 } });
    await up();
    expect(await listContainerIds()).toEqual(before);
    await pulumi.succeed("preview", "--expect-no-changes");
    await expectNothingElse();
  });

  test("(e) takes another database password without a failed request", async () => {
    const roles = () =>
      sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'litellm%' ORDER BY 1");
    const [owner, before] = (await roles()).split("\n");
    expect(owner).toBe("litellm");
    await pulumi.setConfig("litellm-gateway:databasePassword", ROTATED_PASSWORD, { secret: true });
    // Two of them from here on, so that one can be lost.
    configure({ models: added(), deployment: { replicas: 2 } });
    const report = await loaded("the database password changes", async () => {
      await up();
    });
    expect(report).toMatchObject(UNHARMED);
    const after = (await roles()).split("\n");
    expect(after).toHaveLength(2);
    expect(after).not.toContain(before);
    expect(await sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")).toBe(
      "litellm",
    );
    expect(
      await sql("SELECT count(*) FROM \"LiteLLM_VerificationToken\" WHERE key_alias = 'before'"),
    ).toBe("1");
    await expectNothingElse(2);
  });

  test("loses one of two proxies, and nobody notices for longer than Traefik does", async () => {
    const [victim = ""] = await proxies();
    let killed = 0;
    const begun = performance.now();
    const report = await loaded("one of two proxies is killed", async () => {
      killed = (performance.now() - begun) / 1000;
      await docker(["kill", victim]);
      await sleep(20_000);
    });
    const MARGIN_SECONDS = 10;
    for (const { when } of [...report.failed, ...report.cutStreams]) {
      expect(when).toBeGreaterThan(killed - 2);
      expect(when).toBeLessThan(killed + HEALTH_INTERVAL_SECONDS + MARGIN_SECONDS);
    }
    expect(report.longestGapMilliseconds).toBeLessThan(
      (HEALTH_INTERVAL_SECONDS + MARGIN_SECONDS) * 1000,
    );

    expect(
      await loaded("the killed one is replaced", async () => {
        await up();
      }),
    ).toMatchObject(UNHARMED);
    expect(await proxies()).not.toContain(victim);
    await expectNothingElse(2);
  });

  test("shows its secrets nowhere", async () => {
    const outputs = await pulumi.readOutputs();
    const names = await listObjects("container", gateway.namePrefix);
    const inspected = await Promise.all(names.map(inspectContainer));
    const environment = inspected.flatMap(({ Config }) => Config.Env).join("\n");
    const readVariable = (name: string) =>
      new RegExp(`^${name}=(.*)$`, "m").exec(environment)?.[1] ?? "";
    const clear = (await pulumi.succeed("stack", "export", "--show-secrets")).stdout;
    const privateKeys = [...clear.matchAll(/BEGIN PRIVATE KEY-----(?:\\+n)([\w+/]+)/g)].map(
      ([, line = ""]) => line,
    );
    const secrets: Record<string, string> = {
      masterKey: String(outputs["masterKey"]),
      uiPassword: String(outputs["uiPassword"]),
      ...(outputs["recovery"] as Record<string, string>),
      redisPassword: readVariable("REDIS_PASSWORD"),
      providerKey: PROVIDER_KEY,
      virtualKey: client.key,
      ...Object.fromEntries([...new Set(privateKeys)].entries()),
    };
    // Of the authority, and of the certificate.
    expect(new Set(privateKeys).size).toBe(2);
    const [proxy = ""] = await proxies();
    printed.push(await pulumi.previewText("--refresh"));
    const places = {
      state: (await pulumi.succeed("stack", "export")).stdout,
      printed: printed.join("\n"),
      processes: [...commandLines].join("\n"),
      files: await docker(["exec", proxy, "sh", "-c", "cat /etc/litellm/*"]),
      routes: await docker([
        "exec",
        container("traefik"),
        "cat",
        "/etc/traefik/dynamic/routes.yaml",
      ]),
      logs: names.map(readLog).join("\n"),
      containers: JSON.stringify(
        inspected.map((found) => ({ ...found, Config: { ...found.Config, Env: [] } })),
      ),
    };
    expect(places.processes).toContain("--config=/etc/litellm/litellm-config.yaml");
    expect(places.processes).toContain("admit-proxy.py");
    expect(places.files).toContain("os.environ/ADDED_API_KEY");
    expect(places.routes).toContain(proxy);
    expect(places.logs).toContain("DownstreamStatus");
    expect(places.containers).toContain("litellm-gateway.generation");
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(20);
      const holders = Object.entries(places)
        .filter(([, text]) => text.includes(secret))
        .map(([place]) => place);
      expect(holders, name).toEqual([]);
    }
    // The test itself could not see a secret otherwise.
    expect(environment).toContain(PROVIDER_KEY);
    const credentials = [
      "exec",
      container("traefik"),
      "cat",
      "/etc/traefik/dynamic/credentials.yaml",
    ];
    expect(await docker(credentials)).toMatch(/PRIVATE KEY/);
  });

  test("leaves nothing on the host when it is destroyed", async () => {
    await pulumi.destroy();
    for (const kind of ["container", "volume", "network"] as const) {
      expect(await listObjects(kind, gateway.namePrefix)).toEqual([]);
    }
  });
});

/** Both of its streams. */
function readLog(name: string): string {
  const { environment: env } = engine;
  const options = { encoding: "utf8", env, maxBuffer: 2 ** 28 } as const;
  const { stdout, stderr } = spawnSync("docker", ["logs", name], options);
  return `${stdout}${stderr}`;
}

/** By name. */
async function listContainerIds(): Promise<Record<string, string>> {
  const names = await listObjects("container", gateway.namePrefix);
  const inspected = await Promise.all(names.map(inspectContainer));
  return Object.fromEntries(inspected.map(({ Name, Id }) => [Name, Id]));
}
