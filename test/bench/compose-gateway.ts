import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { observeCircumstances } from "../../components/circumstances.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { planSingleHost } from "../../stacks/plan/single-host-plan.ts";
import { renderComposeProject } from "../../templates/docker-compose.ts";
import { writeProject } from "../../tools/compose/project-folder.ts";
import { chooseSecrets } from "../../tools/compose/secret-values.ts";
import { docker } from "../lab/docker.ts";
import { findFreePort } from "../support/ports.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { MODELS } from "./chat.ts";

/** The same containers by `docker compose up --wait`, of the file that `npm run compose` writes. */
export class ComposeGateway implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly #folder: string;

  private constructor(folder: string, endpoint: Endpoint) {
    this.#folder = folder;
    this.endpoint = endpoint;
  }

  static async create(deployment: object): Promise<ComposeGateway> {
    const proxyPort = await findFreePort();
    const masterKey = `sk-${randomBytes(20).toString("hex")}`;
    const settings = parseSettings({
      plain: {
        deployment: {
          topology: "single-host",
          namePrefix: `litellm-compose-${proxyPort}`,
          proxyPort,
          ...deployment,
        },
        database: { kind: "managed", port: await findFreePort() },
        models: MODELS,
      },
      secret: { masterKey },
    });
    if (settings.deployment.topology !== "single-host") throw new Error("Compose runs containers");
    const plan = planSingleHost(
      settings,
      settings.deployment,
      observeCircumstances("compose", settings),
    );
    const project = renderComposeProject(plan);
    const folder = mkdtempSync(join(tmpdir(), "compose "));
    const values = chooseSecrets(project.secrets, plan, {
      given: { masterKey },
      deployed: {},
      previous: {},
    });
    writeProject(folder, project.files, { values, comment: [] });
    return new ComposeGateway(folder, { url: plan.proxyUrl, masterKey });
  }

  async launch(): Promise<void> {
    await this.#compose("up", "--detach", "--wait");
  }

  async remove(): Promise<void> {
    await this.#compose("down", "--volumes", "--timeout", "5");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #compose(...command: string[]): Promise<void> {
    await docker(["compose", "--project-directory", this.#folder, ...command]);
  }
}
