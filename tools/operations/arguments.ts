import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** The arguments of a command. @throws Error with how it goes */
export function parseCommand<const O extends Options>(
  usage: string,
  options: O,
  most: number,
  arguments_: readonly string[] = process.argv.slice(2),
): ReturnType<typeof parseArgs<{ args: string[]; options: O; allowPositionals: true }>> {
  try {
    const parsed = parseArgs({ args: [...arguments_], options, allowPositionals: true });
    if (parsed.positionals.length > most) {
      throw new Error(`there is no use for "${parsed.positionals[most] ?? ""}"`);
    }
    return parsed;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; it goes: ${usage}`, { cause: error });
  }
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90s`, `15m`, `1h` or `2d`. @throws Error for anything else */
export function parseAge(text: string): number {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = UNITS[unit];
  if (count === undefined || seconds === undefined) {
    throw new Error(`"${text}" is no time; it goes: --since 90s, 15m, 1h or 2d`);
  }
  return Number(count) * seconds;
}
