const HEADER =
  "# Written by the deployment: edits are undone. Edit the stack's settings instead.\n";
const LARGEST_MAINTENANCE_MEGABYTES = 1024;

/** Settings that follow from the memory that PostgreSQL may plan with. */
export function deriveMemorySettings(memoryMegabytes: number): Record<string, string> {
  const share = (part: number) => Math.floor(memoryMegabytes * part);
  return {
    shared_buffers: `${share(1 / 4)}MB`,
    effective_cache_size: `${share(3 / 4)}MB`,
    maintenance_work_mem: `${Math.min(share(1 / 16), LARGEST_MAINTENANCE_MEGABYTES)}MB`,
  };
}

/** A file of PostgreSQL's settings, in the order of their names. */
export function renderPostgresSettings(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(
      ([name, value]) => `${name} = '${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'\n`,
    );
  return HEADER + lines.join("");
}

const LINE = /^\s*([A-Za-z_][\w.]*)\s*(?:=\s*|\s)('(?:[^'\\]|''|\\.)*'|[^\s#']+)/;

/** What such a file sets, also after somebody has edited it; the last of a name wins. */
export function parsePostgresSettings(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const [, name, value] = LINE.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, unquote(value)]];
    }),
  );
}

function unquote(value: string): string {
  return value.startsWith("'")
    ? value.slice(1, -1).replaceAll("''", "'").replaceAll(/\\(.)/g, "$1")
    : value;
}
