export interface HbaRule {
  readonly type: "host" | "hostssl";
  readonly database: string;
  readonly user: string;
  /** The members of a role of that name, rather than the role alone. Default: false. */
  readonly ofMembers?: boolean;
  /** Address with its prefix length, such as `127.0.0.1/32`. */
  readonly address: string;
}

/** pg_hba.conf: the named connections with SCRAM-SHA-256, and nothing else; no `trust`, no `peer`. */
export function renderPgHba(rules: readonly HbaRule[]): string {
  const rows = [
    ["# TYPE", "DATABASE", "USER", "ADDRESS", "METHOD"],
    ...rules.map((rule) => [
      rule.type,
      quote(rule.database),
      // Within quotes the sign would be part of the name: https://www.postgresql.org/docs/current/auth-pg-hba-conf.html
      rule.ofMembers === true ? `+${rule.user}` : quote(rule.user),
      rule.address,
      "scram-sha-256",
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** `all` is a keyword only without quotes; any other name is safe within them. */
const quote = (name: string): string => (name === "all" ? name : `"${name.replaceAll('"', '""')}"`);
