import { z } from "zod";

import { durationSeconds } from "../../../stacks/fixed-duration.ts";

/** A time that is as long at any date: `30s`, `15m`, `24h`, `7d`, `2w`. */
export const fixedDuration = z
  .string()
  .regex(/^\d+[smhdw]$/, "must be a duration such as 30s, 15m, 24h, 7d or 2w");

/** @param duration - as `fixedDuration` has it */
export function readMilliseconds(duration: string): number {
  return durationSeconds(duration) * 1000;
}
