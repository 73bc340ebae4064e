import type { ConnectionBudget } from "./plan.ts";

/** Migrations, checks, the deployment itself, and three that PostgreSQL keeps for superusers. */
const RESERVED = 15;

/** The most connections that are open at once. */
export function planConnections(workers: number, perWorker: number): ConnectionBudget {
  const used = workers * perWorker + RESERVED;
  return { workers, perWorker, replicas: 1, generations: 1, reserved: RESERVED, used, total: used };
}

/**
 * The same for proxies that are replaced while they serve: for a while there are the old ones and the
 * new ones. Rounded up to hundreds, so that one worker more does not restart PostgreSQL.
 */
export function planOverlappingConnections(
  workers: number,
  perWorker: number,
  replicas: number,
): ConnectionBudget {
  const generations = 2;
  const used = workers * perWorker * replicas * generations + RESERVED;
  const total = Math.ceil(used / 100) * 100;
  return { workers, perWorker, replicas, generations, reserved: RESERVED, used, total };
}

/** `2 workers × 10 × 2 proxies × 2 generations + 15 reserved = 95, with room 100`. */
export function formatConnections(budget: ConnectionBudget): string {
  const { workers, perWorker, replicas, generations, reserved, used, total } = budget;
  return (
    `${count(workers, "worker", "workers")} × ${perWorker} × ${count(replicas, "proxy", "proxies")}` +
    (generations === 1 ? "" : ` × ${generations} generations`) +
    ` + ${reserved} reserved = ${used}` +
    (total === used ? "" : `, with room ${total}`)
  );
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
