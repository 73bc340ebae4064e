/** Settings of one section, in the order in which they are to stand; a list gives one line for each. */
export type UnitSection = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

/**
 * Text of a unit file. Values are written as they are: whoever makes one quotes it for its setting.
 * An undefined value or an empty list leaves the setting out.
 * Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html
 *
 * @throws Error for a value with a line end, which would begin another setting
 */
export function renderUnit(sections: Readonly<Record<string, UnitSection>>): string {
  const blocks = Object.entries(sections).map(([name, settings]) => {
    const lines = Object.entries(settings).flatMap(([setting, value]) => {
      if (value === undefined) return [];
      const values = typeof value === "object" ? value : [formatValue(value)];
      return values.map((text) => `${setting}=${requireOneLine(setting, text)}\n`);
    });
    return `[${name}]\n${lines.join("")}`;
  });
  return ["# Rendered from the stack's settings: change those, not this file.\n", ...blocks].join(
    "\n",
  );
}

/** A command line for `ExecStart=` and the like: every argument arrives as it is given, byte for byte. */
export function formatCommand([program, ...rest]: readonly [string, ...string[]]): string {
  if (!/^\/[\w./+-]+$/.test(program)) {
    throw new Error(
      `${JSON.stringify(program)} cannot be a service's program: name it by a plain, absolute path`,
    );
  }
  // Only arguments are searched for variables: a `$` in them is doubled.
  return [program, ...rest.map((argument) => quote(argument.replaceAll("$", "$$$$")))].join(" ");
}

/** One or several values for settings that are split at spaces, such as `Environment=` and `ReadWritePaths=`. */
export function formatWords(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

/** A value that is one text to its end, such as `Description=`. */
export function formatText(text: string): string {
  return text.replaceAll("%", "%%");
}

/** Whether all of a text is what systemd takes for UTF-8: not even Unicode's noncharacters are. */
export function isText(text: string): boolean {
  return text.isWellFormed() && !/\p{Noncharacter_Code_Point}/u.test(text);
}

/** `true` and `false` as systemd writes them in its manual. */
function formatValue(value: string | number | boolean): string {
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

function requireOneLine(setting: string, text: string): string {
  if (/[\r\n\0]|\\$/.test(text) || !isText(text)) {
    throw new Error(`${setting}= of a unit must be one line, and is ${JSON.stringify(text)}`);
  }
  return text;
}

/** Quoted where it is needed, with the escapes and the specifiers of unit files undone. */
function quote(word: string): string {
  const text = word.replaceAll("%", "%%");
  if (/^[\w./:=@,+%$-]+$/.test(text)) return text;
  const escaped = text
    .replaceAll(/[\\"]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}
