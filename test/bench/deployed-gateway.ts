import { randomBytes } from "node:crypto";

import { GatewayProject } from "../support/gateway-project.ts";
import type { PulumiProject } from "../support/pulumi-project.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { MODELS } from "./chat.ts";

/** The product, deployed by `pulumi up` in a folder of its own. */
export class DeployedGateway implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly pulumi: PulumiProject;
  /** What the names of its containers begin with, where it has any. */
  readonly namePrefix: string;
  #launched: Promise<void> | undefined;

  private constructor(pulumi: PulumiProject, endpoint: Endpoint, namePrefix: string) {
    this.pulumi = pulumi;
    this.namePrefix = namePrefix;
    this.endpoint = endpoint;
  }

  /** Makes project, stack and settings; deploys nothing yet. Default: a local gateway. */
  static async create(
    configure = (project: GatewayProject): void => {
      project.configure({ models: MODELS });
    },
  ): Promise<DeployedGateway> {
    const project = await GatewayProject.create();
    const { pulumi, namePrefix } = project;
    configure(project);
    const url = `http://127.0.0.1:${project.proxyPort}`;
    try {
      // Given, so that a chat can be tried while `up` is still running.
      const masterKey = `sk-${randomBytes(20).toString("hex")}`;
      await pulumi.setConfig("masterKey", masterKey, { secret: true });
      return new DeployedGateway(pulumi, { url, masterKey }, namePrefix);
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
