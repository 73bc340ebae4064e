/** Where a value is in a resource's properties: `["environment", "FOO"]`, `["command", 0]`. */
export type PropertyPath = readonly (string | number)[];

/** Pulumi's notation: `environment.FOO`, `command[0]`, `labels["traefik.enable"]`. */
export function formatPath(path: PropertyPath): string {
  return path
    .map((segment, index) => {
      if (typeof segment === "number") {
        return `[${segment}]`;
      }
      if (/^[A-Za-z_$][\w$-]*$/.test(segment)) {
        return index === 0 ? segment : `.${segment}`;
      }
      return `["${segment.replaceAll('"', '\\"')}"]`;
    })
    .join("");
}

/** The inverse of {@link formatPath}; `*` and `[*]` stand for any key or index. */
export function parsePath(text: string): PropertyPath {
  const SEGMENT = /\["((?:\\"|[^"])*)"\]|\[(\d+)\]|\[(\*)\]|([^.[\]]+)/g;
  return [...text.matchAll(SEGMENT)].map(([, quoted, index, wildcard, name]) => {
    if (index !== undefined) {
      return Number(index);
    }
    return quoted?.replaceAll('\\"', '"') ?? wildcard ?? name ?? "";
  });
}

/** Whether `path` is the place `pattern` names, or lies within it. */
export function isWithin(path: PropertyPath, pattern: PropertyPath): boolean {
  return (
    path.length >= pattern.length &&
    pattern.every((segment, index) => segment === "*" || segment === path[index])
  );
}
