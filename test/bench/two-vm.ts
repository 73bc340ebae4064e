import { parse, stringify } from "yaml";

import { runCommand } from "../../components/provider/host/command.ts";
import { findUv } from "../../components/provider/host/uv.ts";
import { hardenService } from "../../templates/service-hardening.ts";
import type { Machine } from "../lab/machine.ts";
import { type Benchmark, type BenchmarkContext, measurePairs, pick, time } from "./benchmark.ts";
import { compareLoads } from "./load.ts";
import { computeRatio } from "./report.ts";
import { TwoVmByHand } from "./two-vm-by-hand.ts";
import { TwoVmGateway } from "./two-vm-gateway.ts";
import { withSecondService } from "./two-vm-second-service.ts";
import { measure } from "./up.ts";

const REFRESH_SECONDS = 8;

/** From bare machines to the first answered chat, beside a shell script that does the same over SSH. */
export const twoVmUp: Benchmark = {
  pairs: 2,
  async run(context) {
    // As the Pulumi engine, it is on this machine once and for all.
    await findUv();
    const figures = await measurePairs(
      context,
      async () => measure(context, await TwoVmGateway.create()),
      async () => measure(context, await TwoVmByHand.create()),
    );
    return [
      {
        name: "two machines: first `up` until a chat is answered",
        baselineName: "the runbook as a shell script",
        unit: "s",
        ...pick(figures, "seconds"),
        goal: { atMost: 1.1 },
      },
    ];
  },
};

/** An `up` that reads everything anew and finds nothing to do, beside one command over SSH. */
export const twoVmRefresh: Benchmark = {
  pairs: 5,
  run: (context) =>
    withGateway(context, async ({ pulumi, machines }) => {
      const resources = await pulumi.exportState();
      const count = resources.filter(({ type }) => type.startsWith("litellm:ssh:")).length;
      const update = () => time(() => pulumi.up("--refresh", "--expect-no-changes"));
      // The first fills the caches of compiled modules.
      await update();
      const figures = await measurePairs(context, update, () =>
        time(() => callOverSsh(machines.gateway)),
      );
      const { gateway, baseline } = pick(figures, "seconds");
      const longest = gateway.map(() => REFRESH_SECONDS);
      return [
        {
          name: `two machines: no-change \`up --refresh\` of ${count} resources on them, at most ${REFRESH_SECONDS} s`,
          baselineName: "one command by `ssh`",
          unit: "s",
          gateway,
          baseline,
          goal: { atMost: Math.round(computeRatio(longest, baseline) * 100) / 100 },
        },
      ];
    }),
};

/** Chats that the request log tells of, beside the same service without it. */
export const twoVmRequestLog: Benchmark = {
  pairs: 3,
  run: (context) =>
    withGateway(context, async (gateway) =>
      withSecondService(gateway, { configuration: withoutCallbacks }, (second) =>
        compareLoads(context, gateway.endpoint, second, {
          baselineName: "without the request log",
          requestsPerSecond: { atLeast: 0.95 },
        }),
      ),
    ),
};

/** Chats with the service that is deployed, beside the same without what confines it. */
export const twoVmHardening: Benchmark = {
  pairs: 3,
  run: (context) =>
    withGateway(context, async (gateway) =>
      withSecondService(gateway, { unit: withoutHardening }, (second) =>
        compareLoads(context, gateway.endpoint, second, {
          baselineName: "the unit without hardening",
          requestsPerSecond: { atLeast: 0.97 },
        }),
      ),
    ),
};

async function callOverSsh(machine: Machine): Promise<void> {
  const { user, host, options } = machine.connection();
  await runCommand("ssh", [...options, `${user}@${host}`, "true"], { environment: process.env });
}

function withoutCallbacks(text: string): string {
  const configuration = parse(text) as { litellm_settings?: { callbacks?: unknown } };
  delete configuration.litellm_settings?.callbacks;
  return stringify(configuration);
}

function withoutHardening(text: string): string {
  const names = new Set(Object.keys(hardenService({ readWritePaths: [], usesNode: false })));
  const lines = text.split("\n").filter((line) => !names.has(line.split("=", 1)[0] ?? ""));
  return lines.join("\n");
}

async function withGateway<Result>(
  { signal }: BenchmarkContext,
  use: (gateway: TwoVmGateway) => Promise<Result>,
): Promise<Result> {
  const gateway = await TwoVmGateway.create();
  try {
    await gateway.launch();
    signal.throwIfAborted();
    return await use(gateway);
  } finally {
    await gateway.remove();
  }
}
