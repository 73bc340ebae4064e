/**
 * `npm run bench [-- NAME ...] [--pairs N] [--plot FILE]`: measures the product beside a baseline, all
 * benchmarks by default, and prints a Markdown table; draws the ratios as SVG where asked to. A goal that
 * is missed is no error. Those with Docker need an engine: `npm run lab`.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";

import { access } from "../test/bench/access.ts";
import type { Benchmark, Comparison } from "../test/bench/benchmark.ts";
import { dockerPreview, dockerProfile, dockerThroughput, dockerUp } from "../test/bench/docker.ts";
import { drawRatios } from "../test/bench/plot.ts";
import { preview } from "../test/bench/preview.ts";
import { describeMachine, formatTable } from "../test/bench/report.ts";
import { throughput } from "../test/bench/throughput.ts";
import {
  traefikCache,
  traefikChange,
  traefikReplicas,
  traefikThroughput,
} from "../test/bench/traefik.ts";
import { twoVmHardening, twoVmRefresh, twoVmRequestLog, twoVmUp } from "../test/bench/two-vm.ts";
import { up } from "../test/bench/up.ts";

const BENCHMARKS = new Map<string, Benchmark>(
  Object.entries({
    preview,
    up,
    throughput,
    access,
    "docker-preview": dockerPreview,
    "docker-up": dockerUp,
    "docker-throughput": dockerThroughput,
    "docker-profile": dockerProfile,
    "traefik-throughput": traefikThroughput,
    "traefik-replicas": traefikReplicas,
    "traefik-cache": traefikCache,
    "traefik-change": traefikChange,
    "two-vm-up": twoVmUp,
    "two-vm-refresh": twoVmRefresh,
    "two-vm-request-log": twoVmRequestLog,
    "two-vm-hardening": twoVmHardening,
  }),
);

const { names, pairs, plot } = readArguments();
const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    console.error("stopping what was started …");
    interruption.abort(new Error(`interrupted by ${signal}`));
  });
}
const loadBefore = loadavg();
const comparisons: Comparison[] = [];
try {
  for (const name of names) {
    comparisons.push(...(await run(name)));
  }
} catch (error) {
  // What was interrupted has an error of its own, which is of no use.
  interruption.signal.throwIfAborted();
  throw error;
}
console.log(`${formatTable(comparisons)}\n${describeMachine(loadBefore)}`);
if (plot !== undefined) {
  writeFileSync(plot, drawRatios(comparisons));
}

function readArguments() {
  const { values, positionals } = parse();
  const unknown = positionals.find((name) => !BENCHMARKS.has(name));
  if (unknown !== undefined) {
    throw new Error(`there is no benchmark "${unknown}"; ${describeUsage()}`);
  }
  if (values.pairs !== undefined && !/^[1-9]\d*$/.test(values.pairs)) {
    throw new Error(`--pairs is "${values.pairs}", not a number from 1 on; ${describeUsage()}`);
  }
  return {
    names: positionals.length > 0 ? positionals : [...BENCHMARKS.keys()],
    pairs: values.pairs === undefined ? undefined : Number(values.pairs),
    plot: values.plot,
  };
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { pairs: { type: "string" }, plot: { type: "string" } },
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${describeUsage()}`);
  }
}

function describeUsage(): string {
  return `use it like this: npm run bench -- ${[...BENCHMARKS.keys()].join(" ")} --pairs 3`;
}

async function run(name: string): Promise<Comparison[]> {
  const benchmark = BENCHMARKS.get(name);
  if (benchmark === undefined) {
    return [];
  }
  const log = (line: string): void => {
    console.error(`${name}: ${line}`);
  };
  log("starting what is measured");
  const { signal } = interruption;
  return benchmark.run({ pairs: pairs ?? benchmark.pairs, signal, log });
}
