import type { Manifest } from "./backup-content.ts";
import { formatBytes, formatCount, formatTime, wrapText, PAGE_WIDTH } from "./text.ts";

/** What a backup holds, without any secret. */
export function describeManifest(file: string, manifest: Manifest, size: number): string {
  const { created, stack, versions, engine, database, files } = manifest;
  const tables = Object.entries(database.tables);
  const rows = tables.reduce((sum, [, count]) => sum + count, 0);
  const filled = tables
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one)
    .map(([table, count]) => `${table.replace(/^public\./, "")} ${count.toLocaleString("en-US")}`);
  const lines = [
    ["made", `${formatTime(new Date(created))} of stack ${stack}`],
    ["size", `${formatBytes(size)}, dump ${formatBytes(files["database.dump"]?.bytes ?? 0)}`],
    [
      "database",
      `${database.name}, PostgreSQL ${database.server}, engine ${engine}: ${formatCount(tables.length, "table")}, ${formatCount(rows, "row")}`,
    ],
    ["rows", filled.join(", ") || "none"],
    [
      "versions",
      Object.entries(versions)
        .map(([program, version]) => `${program} ${version}`)
        .join(", "),
    ],
    ["checksums", `${formatCount(Object.keys(files).length, "file")}, all as the manifest says`],
  ];
  return [
    file,
    ...lines.flatMap(([label = "", text = ""]) => {
      const [first = "", ...rest] = wrapText(text, PAGE_WIDTH - 13);
      return [`  ${label.padEnd(10)} ${first}`, ...rest.map((line) => `${" ".repeat(13)}${line}`)];
    }),
  ].join("\n");
}
