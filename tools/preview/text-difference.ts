import { diff } from "node:util";

const CONTEXT_LINES = 3;
/** Beyond it the comparison would take seconds, and nobody would read it. */
const MOST_LINES = 2000;

/** The lines in which two texts differ, in the notation of `diff -u`. */
export function describeTextDifference(before: string, after: string): string {
  const oldLines = splitLines(before);
  const newLines = splitLines(after);
  if (Math.max(oldLines.length, newLines.length) > MOST_LINES) {
    return `@@ ${oldLines.length} lines become ${newLines.length} @@`;
  }
  const lines = diff(oldLines, newLines).map(([side, text]) => ({
    mark: side === 0 ? " " : side === 1 ? "-" : "+",
    text,
  }));
  const isShown = lines.map((_, index) =>
    lines
      .slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1)
      .some(({ mark }) => mark !== " "),
  );
  const shown: string[] = [];
  let oldNumber = 1;
  let newNumber = 1;
  for (const [index, { mark, text }] of lines.entries()) {
    if (isShown[index] === true) {
      if (isShown[index - 1] !== true) {
        shown.push(`@@ -${oldNumber} +${newNumber} @@`);
      }
      shown.push(mark + text);
    }
    oldNumber += mark === "+" ? 0 : 1;
    newNumber += mark === "-" ? 0 : 1;
  }
  return shown.join("\n");
}

function splitLines(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
