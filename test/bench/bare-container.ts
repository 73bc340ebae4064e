import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { docker } from "../lab/docker.ts";
import { findFreePort } from "../support/ports.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";

interface Container {
  readonly Config: {
    readonly Cmd: readonly string[];
    readonly Env: readonly string[];
    readonly Image: string;
  };
}

/** The image of a deployed gateway by a plain `docker run`: same arguments, files and database, no more. */
export class BareContainer implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly #namePrefix: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "bare "));

  private constructor(namePrefix: string, endpoint: Endpoint) {
    this.#namePrefix = namePrefix;
    this.endpoint = endpoint;
  }

  /** Beside the gateway whose containers' names begin with `namePrefix`. */
  static async create(namePrefix: string, masterKey: string): Promise<BareContainer> {
    const url = `http://127.0.0.1:${await findFreePort()}`;
    return new BareContainer(namePrefix, { url, masterKey });
  }

  async launch(): Promise<void> {
    const prefix = this.#namePrefix;
    const [deployed] = JSON.parse(await docker(["inspect", `${prefix}-proxy`])) as Container[];
    if (deployed === undefined) throw new Error(`${prefix}-proxy is not there`);
    const { Cmd, Env, Image } = deployed.Config;
    const environment = join(this.#folder, "environment");
    writeFileSync(environment, Env.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    await docker([
      ...["run", "--detach", "--name", `${prefix}-bare`, "--network", prefix],
      ...["--publish", `127.0.0.1:${new URL(this.endpoint.url).port}:4000`],
      ...["--volume", `${prefix}-configuration:/etc/litellm:ro`],
      ...["--env-file", environment, Image, ...Cmd],
    ]);
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", `${this.#namePrefix}-bare`]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * LiteLLM and PostgreSQL as the quickstart Compose file of LiteLLM's repository has them
 * (docker/docker-compose.quickstart.yml): every setting at its default, one worker.
 */
export class QuickstartGateway implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly #image: string;
  readonly #name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "quickstart "));

  private constructor(image: string, endpoint: Endpoint) {
    this.#image = image;
    this.endpoint = endpoint;
    this.#name = `litellm-quickstart-${new URL(endpoint.url).port}`;
  }

  /** With the image of the gateway whose containers' names begin with `namePrefix`. */
  static async create(namePrefix: string): Promise<QuickstartGateway> {
    const url = `http://127.0.0.1:${await findFreePort()}`;
    const image = await docker(["inspect", "--format", "{{.Config.Image}}", `${namePrefix}-proxy`]);
    const masterKey = `sk-${randomBytes(20).toString("hex")}`;
    return new QuickstartGateway(image.trim(), { url, masterKey });
  }

  async launch(): Promise<void> {
    const { masterKey, url } = this.endpoint;
    const database = "postgresql://litellm:litellm@db:5432/litellm";
    const file = (name: string, lines: readonly string[], mode: number): string => {
      const path = join(this.#folder, name);
      writeFileSync(path, lines.map((line) => `${line}\n`).join(""), { mode });
      return path;
    };
    const postgres = file(
      "postgres",
      ["POSTGRES_USER=litellm", "POSTGRES_PASSWORD=litellm", "POSTGRES_DB=litellm"],
      0o600,
    );
    const litellm = file(
      "litellm",
      [
        `LITELLM_MASTER_KEY=${masterKey}`,
        `LITELLM_SALT_KEY=${randomBytes(20).toString("hex")}`,
        `DATABASE_URL=${database}`,
        "STORE_MODEL_IN_DB=True",
        // Of the package: the machine may have no way to the newest.
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
      ],
      0o600,
    );
    const config = file(
      "config.yaml",
      [
        "model_list:",
        "  - model_name: hello",
        "    litellm_params:",
        "      model: openai/mock",
        "      api_key: none",
        "      mock_response: Hello.",
      ],
      0o644,
    );
    await docker(["network", "create", this.#name]);
    await docker([
      ...["run", "--detach", "--name", `${this.#name}-db`, "--network", this.#name],
      ...["--network-alias", "db", "--env-file", postgres, "postgres:16"],
    ]);
    await docker([
      ...["run", "--detach", "--name", this.#name, "--network", this.#name],
      // Until PostgreSQL answers.
      ...["--restart", "on-failure", "--publish", `127.0.0.1:${new URL(url).port}:4000`],
      ...["--volume", `${config}:/app/config.yaml:ro`, "--env-file", litellm],
      ...[this.#image, "--config", "/app/config.yaml", "--port", "4000"],
    ]);
  }

  async remove(): Promise<void> {
    await docker(["rm", "--force", "--volumes", this.#name, `${this.#name}-db`]);
    await docker(["network", "rm", "--force", this.#name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
