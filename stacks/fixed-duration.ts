const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** How many seconds a time is that is as long at any date: `30s`, `15m`, `24h`, `7d`, `2w`. */
export function durationSeconds(duration: string): number {
  return Number(duration.slice(0, -1)) * SECONDS[duration.slice(-1) as keyof typeof SECONDS];
}
