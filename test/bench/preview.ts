import { PulumiProject } from "../support/pulumi-project.ts";
import {
  type Benchmark,
  type BenchmarkContext,
  type Comparison,
  measurePairs,
  pick,
  time,
} from "./benchmark.ts";
import { DeployedGateway } from "./deployed-gateway.ts";

const EMPTY_PROGRAM = "test/bench/programs/empty";

/** A preview without changes, beside that of an empty program of the same runtime. */
export const preview: Benchmark = {
  pairs: 9,
  run: async (context) => measurePreview(context, await DeployedGateway.create()),
};

/** Deploys the gateway, and removes it afterwards. */
export async function measurePreview(
  context: BenchmarkContext,
  gateway: DeployedGateway,
): Promise<Comparison[]> {
  try {
    await gateway.launch();
    const empty = await PulumiProject.create({
      links: Object.fromEntries(
        ["Pulumi.yaml", "index.ts", "package.json"].map((name) => [
          name,
          `${EMPTY_PROGRAM}/${name}`,
        ]),
      ),
    });
    try {
      await empty.up();
      const measure = (project: PulumiProject) => () =>
        time(() => project.succeed("preview", "--expect-no-changes"));
      const [measureGateway, measureEmpty] = [measure(gateway.pulumi), measure(empty)];
      // The first fill the caches of compiled modules.
      await measureGateway();
      await measureEmpty();
      const figures = await measurePairs(context, measureGateway, measureEmpty);
      return [
        {
          name: "no-change preview",
          baselineName: "empty program",
          unit: "s",
          ...pick(figures, "seconds"),
          goal: { atMost: 1.5 },
        },
      ];
    } finally {
      empty.remove();
    }
  } finally {
    await gateway.remove();
  }
}
