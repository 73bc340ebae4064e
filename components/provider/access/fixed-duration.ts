import { z } from "zod";

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** A time that is as long at any date: `30s`, `15m`, `24h`, `7d`, `2w`. */
export const fixedDuration = z
  .string()
  .regex(/^\d+[smhdw]$/, "must be a duration such as 30s, 15m, 24h, 7d or 2w");

/** @param duration - as `fixedDuration` has it */
export function readMilliseconds(duration: string): number {
  const unit = duration.slice(-1) as keyof typeof UNITS;
  return Number(duration.slice(0, -1)) * UNITS[unit] * 1000;
}
