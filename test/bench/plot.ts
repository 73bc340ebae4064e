import type { Comparison } from "./benchmark.ts";
import { computeRatio } from "./report.ts";

const WIDTH = 860;
const ROW = 34;
const LABELS = 430;
const PLOT = WIDTH - LABELS - 60;

/** An SVG with a bar for each ratio, and a mark where its goal is: green is met, red is missed. */
export function drawRatios(comparisons: readonly Comparison[]): string {
  const ratios = comparisons.map(({ gateway, baseline }) => computeRatio(gateway, baseline));
  const goals = comparisons.map(({ goal }) => ("atMost" in goal ? goal.atMost : goal.atLeast));
  const most = Math.max(1.2, ...ratios, ...goals) * 1.08;
  const place = (ratio: number): string => (LABELS + (ratio / most) * PLOT).toFixed(1);
  const height = comparisons.length * ROW + 46;
  const rows = comparisons.flatMap(({ name, baselineName, goal }, index) => {
    const ratio = ratios[index] ?? Number.NaN;
    const bound = goals[index] ?? Number.NaN;
    const isMet = "atMost" in goal ? ratio <= bound : ratio >= bound;
    const top = 26 + index * ROW;
    const label = `${name} / ${baselineName}`.replaceAll("`", "");
    return [
      `<text x="${LABELS - 8}" y="${top + 15}" text-anchor="end">${escape(label)}</text>`,
      `<rect x="${LABELS}" y="${top + 2}" width="${((ratio / most) * PLOT).toFixed(1)}" height="18" fill="${isMet ? "#2da44e" : "#cf222e"}"/>`,
      `<text x="${(Number(place(Math.max(ratio, bound))) + 6).toFixed(1)}" y="${top + 15}">${ratio.toFixed(2)}</text>`,
      `<path d="M${place(bound)} ${top - 2}v26" stroke="#57606a" stroke-width="2"/>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${LABELS}" y="14" fill="#57606a">ratio of the medians of pairs; the dark mark is the goal</text>`,
    ...rows,
    `<path d="M${place(1)} 20V${height - 16}" stroke="#8c959f" stroke-dasharray="3 3"/>`,
    `<text x="${place(1)}" y="${height - 4}" text-anchor="middle" fill="#57606a">1 = the baseline</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
