import { setTimeout as sleep } from "node:timers/promises";

import { ProxyClient } from "../../components/proxy-client.ts";
import { GENERATION_LABEL } from "../../stacks/plan/generation.ts";
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { startUpstream } from "../lab/upstream/server.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import {
  type Benchmark,
  type BenchmarkContext,
  type Endpoint,
  measurePairs,
  pick,
  time,
} from "./benchmark.ts";
import { MODELS } from "./chat.ts";
import { DeployedGateway } from "./deployed-gateway.ts";
import { compareLoads } from "./load.ts";

/** Chats through Traefik, beside chats with the proxy itself. */
export const traefikThroughput: Benchmark = {
  pairs: 3,
  run: (context) =>
    withGateway(context, {}, async (gateway) =>
      compareLoads(context, gateway.endpoint, await gateway.findProxy(), {
        baselineName: "the proxy without Traefik",
        requestsPerSecond: { atLeast: 0.9 },
        p50: { atMost: 1.1 },
      }),
    ),
};

/** Chats with two replicas, beside chats with one of them, on the same cores. */
export const traefikReplicas: Benchmark = {
  pairs: 3,
  run: (context) =>
    withGateway(context, { deployment: { replicas: 2 } }, async (gateway) =>
      compareLoads(context, gateway.endpoint, await gateway.findProxy(), {
        baselineName: "one of the two replicas without Traefik",
        requestsPerSecond: { atLeast: 1.2 },
      }),
    ),
};

/** Equal chats that the cache answers, beside the same with an upstream. */
export const traefikCache: Benchmark = {
  pairs: 3,
  async run(context) {
    const upstream = await startUpstream({ host: "0.0.0.0" });
    const baseUrl = `http://host.docker.internal:${new URL(upstream.url).port}/v1`;
    const changes = {
      models: [{ name: "hello", provider: "openai-compatible", model: "gpt-5", baseUrl }],
      redis: { kind: "managed" },
      cache: { enabled: true },
    };
    try {
      return await withGateway(context, changes, async ({ endpoint }) =>
        compareLoads(
          context,
          endpoint,
          { ...endpoint, chat: { cache: { "no-cache": true } } },
          { baselineName: "without the cache", requestsPerSecond: { atLeast: 1 } },
        ),
      );
    } finally {
      await upstream.close();
    }
  },
};

/** From a model in the settings to its first answer, beside a restart, which fails requests. */
export const traefikChange: Benchmark = {
  pairs: 2,
  run: (context) =>
    withGateway(context, {}, async (gateway) => {
      const figures = await measurePairs(
        context,
        () => time(() => gateway.addModel()),
        () => time(() => gateway.restartProxy(context.signal)),
      );
      return [
        {
          name: "Traefik: a model added while it serves",
          baselineName: "`docker restart`, which fails requests",
          unit: "s",
          ...pick(figures, "seconds"),
          goal: { atMost: 2.5 },
        },
      ];
    }),
};

/** A gateway behind Traefik. */
class TraefikGateway {
  /** By the address, for this machine's DNS does not know the name. */
  readonly endpoint: Endpoint;
  readonly #project: GatewayProject;
  readonly #client: ProxyClient;
  #models: readonly object[] = MODELS;

  constructor(project: GatewayProject, outputs: Readonly<Record<string, string>>) {
    const { proxyUrl = "", masterKey = "", certificateAuthority = "" } = outputs;
    const { host, hostname, port } = new URL(proxyUrl);
    this.#project = project;
    this.#client = new ProxyClient({
      url: proxyUrl,
      connectAddress: "127.0.0.1",
      certificateAuthority,
    });
    this.endpoint = {
      url: `https://127.0.0.1:${port}`,
      host: port === "" ? hostname : host,
      masterKey,
      certificateAuthority,
    };
  }

  /** The proxy itself, by its address on the network. */
  async findProxy(): Promise<Endpoint> {
    const address = `{{with index .NetworkSettings.Networks "${this.#project.namePrefix}-web"}}{{.IPAddress}}{{end}}`;
    const found = await docker(["inspect", `--format=${address}`, await this.#nameProxy()]);
    return { url: `http://${found.trim()}:4000`, masterKey: this.endpoint.masterKey };
  }

  async addModel(): Promise<void> {
    const name = `added-${this.#models.length}`;
    this.#models = [...this.#models, { name, provider: "mock" }];
    this.#project.configureTraefik({ models: this.#models });
    await this.#project.pulumi.up();
    await this.#chat(name);
  }

  async restartProxy(signal: AbortSignal): Promise<void> {
    await docker(["restart", await this.#nameProxy()]);
    for (;;) {
      try {
        await this.#chat("hello");
        return;
      } catch {
        await sleep(POLL_MILLISECONDS, undefined, { signal });
      }
    }
  }

  async #nameProxy(): Promise<string> {
    const labels = [`litellm-gateway.prefix=${this.#project.namePrefix}`, GENERATION_LABEL];
    const filters = labels.map((label) => `--filter=label=${label}`);
    const names = (await docker(["ps", ...filters, "--format={{.Names}}"])).trim().split("\n");
    const name = names.sort()[0] ?? "";
    if (name === "") throw new Error("there is no proxy");
    return name;
  }

  async #chat(model: string): Promise<void> {
    const { status, text } = await this.#client.request("/v1/chat/completions", {
      key: this.endpoint.masterKey,
      body: { model, messages: [{ role: "user", content: "Hi" }] },
    });
    if (status !== 200) throw new Error(`${model} answered ${status}: ${text}`);
  }
}

const POLL_MILLISECONDS = 50;

async function withGateway<Result>(
  { signal }: BenchmarkContext,
  changes: Readonly<Record<string, unknown>>,
  use: (gateway: TraefikGateway) => Promise<Result>,
): Promise<Result> {
  const { available, reason } = dockerEngine();
  if (!available) throw new Error(`this benchmark ${reason}`);
  const projects: GatewayProject[] = [];
  const deployed = await DeployedGateway.create((project) => {
    projects.push(project);
    project.configureTraefik({ models: MODELS, ...changes });
  });
  try {
    await deployed.launch();
    signal.throwIfAborted();
    const [project] = projects;
    if (project === undefined) throw new Error("nothing was deployed");
    const outputs = (await deployed.pulumi.readOutputs()) as Record<string, string>;
    return await use(new TraefikGateway(project, outputs));
  } finally {
    await deployed.remove();
  }
}
