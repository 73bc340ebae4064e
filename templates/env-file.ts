/** Texts by name. */
type Variables = Readonly<Record<string, string>>;

/**
 * Text of an .env file as `docker compose` reads it, every value byte for byte: always in double quotes,
 * where it undoes \\ \" \$ \n \r and nothing else of what stands here.
 * Source: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
 */
export function renderEnvFile(variables: Variables, comment: readonly string[] = []): string {
  return [
    ...comment.map((line) => `# ${line}`),
    ...Object.entries(variables).map(([name, value]) => `${name}="${escape(value)}"`),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function escape(value: string): string {
  return value
    .replaceAll(/[\\"$]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
}

/**
 * Reads what {@link renderEnvFile} wrote, and no more of the format than that: a value that is
 * misread could be a key that data is encrypted with.
 *
 * @throws Error for a line in another form; never shows it
 */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, value] =
      /^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\$]|\\[\\"$nr])*)"\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new Error(
        `line ${index + 1} is not NAME="value", with a \\ before each \\ " and $ of the value (not shown)`,
      );
    }
    variables[name] = value.replaceAll(/\\(.)/g, (_, character: string) => unescape(character));
  }
  return variables;
}

function unescape(character: string): string {
  return character === "n" ? "\n" : character === "r" ? "\r" : character;
}
