import {
  type Outcome,
  OUTCOMES,
  type PropertyChange,
  type ResourceChange,
  type StackReport,
} from "./stack-report.ts";

/** By this the comment of an earlier run is found again. */
const MARKER = "<!-- litellm-gateway preview -->";

/** GitHub takes comments of at most 65536 characters. */
const MOST_CHARACTERS = 60_000;
const MOST_CHARACTERS_OF_A_VALUE = 120;
/** So that one large file, or error, does not crowd out everything else. */
const MOST_CHARACTERS_OF_A_TEXT = 12_000;

const SIGNS: Readonly<Record<Outcome, string>> = {
  unchanged: "✅ no change",
  changed: "🔵 changes",
  destructive: "⚠️ destructive changes",
  failed: "❌ failed",
};

/** The reports as a comment for a pull request: what is worst comes first, what is too much is left out. */
export function renderMarkdown(reports: readonly StackReport[]): string {
  const rank = ({ outcome }: StackReport): number => OUTCOMES.indexOf(outcome);
  const sorted = reports.toSorted((a, b) => rank(b) - rank(a));
  const [worst] = sorted;
  const blocks = [
    `${MARKER}\n`,
    `## Preview: ${worst === undefined ? "no stack" : SIGNS[worst.outcome]}\n`,
    ...(worst === undefined ? [] : [renderTable(sorted)]),
    ...sorted.flatMap(renderAlarms),
    ...sorted.flatMap(renderChanges),
  ];
  const footer =
    "Compared with the recorded state alone: what runs was not looked at, so changes made by hand do not show. `[unknown]` is known after `up` only, `[secret]` is never shown.\n";
  return [...fit(blocks, MOST_CHARACTERS - footer.length), footer].join("\n");
}

function renderTable(reports: readonly StackReport[]): string {
  const rows = reports.map(({ stack, outcome, isDeployed, counts }) => [
    code(stack),
    SIGNS[outcome] + (isDeployed ? "" : " (not deployed yet)"),
    ...[counts.create, counts.update, counts.replace, counts.delete, counts.unchanged].map(String),
  ]);
  const head = ["stack", "result", "create", "update", "replace", "delete", "unchanged"];
  const lines = [head, ["---", "---", "--:", "--:", "--:", "--:", "--:"], ...rows];
  return `${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}

/** What must not be missed: errors, and what would be lost. */
function renderAlarms({ stack, errors, changes }: StackReport): string[] {
  const losses = changes.flatMap(({ operation, name, type, loss }) =>
    loss === undefined ? [] : [`- **${operation}** ${code(name)} (${code(type)}): ${loss}`],
  );
  return [
    ...(losses.length === 0 ? [] : [`### ⚠️ ${code(stack)} would lose\n\n${losses.join("\n")}\n`]),
    ...(errors.length === 0
      ? []
      : [`### ❌ ${code(stack)}\n\n${errors.map((error) => fence("text", error)).join("\n\n")}\n`]),
  ];
}

function renderChanges({ stack, changes }: StackReport): string[] {
  return changes.length === 0 ? [] : [`### ${code(stack)}\n`, ...changes.map(renderChange), ""];
}

function renderChange({ operation, name, type, properties }: ResourceChange): string {
  return [
    `- **${operation}** ${code(name)} (${code(type)})`,
    ...properties.map((property) => indent(renderProperty(property))),
  ].join("\n");
}

function renderProperty({
  path,
  kind,
  replaces,
  before,
  after,
  difference,
}: PropertyChange): string {
  const title = `- ${code(path)}${replaces ? " (replaces it)" : ""}`;
  if (difference !== undefined) {
    return `${title}\n\n${indent(fence("diff", difference))}`;
  }
  const values = { add: [after], delete: [before], update: [before, after] }[kind];
  const shown = values.map((text) => code(cut(text, MOST_CHARACTERS_OF_A_VALUE)));
  return `${title}: ${kind === "update" ? "" : `${kind} `}${shown.join(" → ")}`;
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** As many blocks as there is room for. */
function fit(blocks: readonly string[], limit: number): string[] {
  const note = (left: number): string =>
    `\n… and ${left} more that do not fit in here: see the files in \`.preview/stacks/\`.\n`;
  let room = limit - note(blocks.length).length;
  const index = blocks.findIndex((block) => (room -= block.length + 1) < 0);
  return index === -1 ? [...blocks] : [...blocks.slice(0, index), note(blocks.length - index)];
}

/** A text from outside, in a code span that it cannot leave: it names nobody and links nothing. */
function code(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  const ticks = "`".repeat(longestRun(line) + 1);
  const space = /^`|`$|^$/.test(line) ? " " : "";
  return `${ticks}${space}${line}${space}${ticks}`;
}

function fence(language: string, whole: string): string {
  const text = cut(whole, MOST_CHARACTERS_OF_A_TEXT);
  const ticks = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}${language}\n${text}\n${ticks}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
