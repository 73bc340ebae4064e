import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

import type { Comparison } from "./benchmark.ts";

/** Markdown table of measured medians, ratios and goals. */
export function formatTable(comparisons: readonly Comparison[]): string {
  const rows = [
    ["benchmark", "gateway", "baseline", "ratio", "goal", "met"],
    ["---", "---", "---", "---", "---", "---"],
    ...comparisons.map(({ name, baselineName, unit, gateway, baseline, goal }) => {
      const ratio = computeRatio(gateway, baseline);
      return [
        `${name}, ${gateway.length} times`,
        formatSample(gateway, unit),
        `${baselineName}: ${formatSample(baseline, unit)}`,
        ratio.toFixed(2),
        "atMost" in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`,
        ("atMost" in goal ? ratio <= goal.atMost : ratio >= goal.atLeast) ? "yes" : "no",
      ];
    }),
  ];
  return rows.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** What the figures depend on, for a line below the table. */
export function describeMachine(loadBefore: readonly number[]): string {
  const load = (averages: readonly number[]): string => (averages[0] ?? 0).toFixed(1);
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return (
    `${process.platform}-${process.arch}, ${availableParallelism()} cores (${model}), ` +
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node.js ${process.versions.node}, ` +
    `load ${load(loadBefore)} before and ${load(loadavg())} after. ` +
    "Medians with the least and the greatest figure; the ratio is the median of the pairs' ratios."
  );
}

function formatSample(figures: readonly number[], unit: Comparison["unit"]): string {
  const digits = unit === "s" ? 2 : 1;
  const [middle, least, greatest] = [median(figures), Math.min(...figures), Math.max(...figures)];
  return `${middle.toFixed(digits)} ${unit} (${least.toFixed(digits)}–${greatest.toFixed(digits)})`;
}

/** The median of the pairs' ratios. */
export function computeRatio(gateway: readonly number[], baseline: readonly number[]): number {
  return median(gateway.map((figure, index) => figure / (baseline[index] ?? Number.NaN)));
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [upper = Number.NaN, lower = upper] = [
    sorted[middle],
    sorted.length % 2 === 0 ? sorted[middle - 1] : undefined,
  ];
  return (lower + upper) / 2;
}
