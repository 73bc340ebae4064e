import { isText } from "./systemd-text.ts";

/**
 * Text of a file for `EnvironmentFile=`, every value byte for byte, line ends included: always in double
 * quotes, where systemd undoes \\ \" \$ and \` and nothing else. No variable is replaced in it.
 * Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=
 *
 * @param variables texts by name
 * @param comment lines that stand before them
 * @throws Error for a name that no environment can have, and for a value with a NUL or with what
 *   systemd takes for no character, because of which it would start nothing; never shows a value
 */
export function renderSystemdEnvironmentFile(
  variables: Readonly<Record<string, string>>,
  comment: readonly string[] = [],
): string {
  return [
    ...comment.map((line) => `# ${line}`),
    ...Object.entries(variables).map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw new Error(
          `${JSON.stringify(name)} cannot be the name of an environment variable: use letters, digits and _`,
        );
      }
      if (value.includes("\0") || !isText(value)) {
        throw new Error(
          `the value of ${name} (not shown) has a character that no environment can hold; set another one`,
        );
      }
      return `${name}="${value.replaceAll(/[\\"$`]/g, "\\$&")}"`;
    }),
  ]
    .map((line) => `${line}\n`)
    .join("");
}
