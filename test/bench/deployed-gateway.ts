import { randomBytes } from "node:crypto";

import { GatewayProject } from "../support/gateway-project.ts";
import type { PulumiProject } from "../support/pulumi-project.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { MODELS } from "./chat.ts";

/** The product, deployed by `pulumi up` in a folder of its own. */
export class DeployedGateway implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly pulumi: PulumiProject;
  #launched: Promise<void> | undefined;

  private constructor(pulumi: PulumiProject, endpoint: Endpoint) {
    this.pulumi = pulumi;
    this.endpoint = endpoint;
  }

  /** Makes project, stack and settings; deploys nothing yet. */
  static async create(): Promise<DeployedGateway> {
    const { pulumi, ...project } = await createProject();
    try {
      // Given, so that a chat can be tried while `up` is still running.
      const masterKey = `sk-${randomBytes(20).toString("hex")}`;
      await pulumi.setConfig("masterKey", masterKey, { secret: true });
      return new DeployedGateway(pulumi, { ...project, masterKey });
    } catch (error) {
      pulumi.remove();
      throw error;
    }
  }

  launch(): Promise<void> {
    this.#launched = this.pulumi.succeed("up", "--yes").then(() => undefined);
    return this.#launched;
  }

  async remove(): Promise<void> {
    // An interrupted `up` winds up its work; until then the stack is locked.
    await this.#launched?.catch(() => undefined);
    const { exitCode, output } = await this.pulumi.run("destroy", "--yes", "--skip-preview");
    if (exitCode !== 0) {
      throw new Error(
        `the benchmarked gateway in ${this.pulumi.folder} could not be removed; its processes may still run:\n${output}`,
      );
    }
    this.pulumi.remove();
  }
}

async function createProject() {
  const project = await GatewayProject.create();
  project.configure({ models: MODELS });
  return { pulumi: project.pulumi, url: `http://127.0.0.1:${project.proxyPort}` };
}
