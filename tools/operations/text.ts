/** Width of the pages that the operations' commands print. */
export const PAGE_WIDTH = 100;

/** `1.2 GB`: in powers of 1000, three digits. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const text = unit === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1);
  return `${text} ${units[unit] ?? ""}`;
}

/** The two largest parts of a time: `3 d 4 h`, `12 min 5 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** `2026-11-22 06:55 UTC` */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** `1 row`, `2 rows` */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Cut to a width, with `…` where something is missing. */
export function cutText(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width
    ? text
    : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

/** Lines of at most `width` characters, broken between words; a longer word stays whole. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

/**
 * Rows under headings, as wide as their content; numbers stand at the right. The last
 * column is cut where a row would be wider than the page.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell)),
  );
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const isRight = headings.map((_, column) =>
    rows.every((row) => /^(-|[\d.,]+( \S+)?)$/.test(String(row[column] ?? ""))),
  );
  const format = (cells: readonly string[]): string =>
    cutText(
      `  ${cells
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return isRight[column] === true ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")}`.trimEnd(),
      PAGE_WIDTH,
    );
  return [format(headings), ...texts.map(format)];
}
