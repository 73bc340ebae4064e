import type { CheckResult } from "./run-check.ts";

/** The results as a table for the terminal: one line each, and further ones of a detail below it. */
export function formatResults(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ title }) => title.length));
  return results
    .map(({ title, passed, warning = false, detail, milliseconds }) => {
      const time = `${(milliseconds / 1000).toFixed(1)} s`.padStart(7);
      return `${passed ? (warning ? "⚠" : "✓") : "✗"} ${title.padEnd(width)} ${time}  ${indent(detail)}`;
    })
    .join("\n");
}

function indent(detail: string): string {
  return detail.trimEnd().replaceAll("\n", "\n    ");
}
