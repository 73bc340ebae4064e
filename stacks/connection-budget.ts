import type { ConnectionBudget } from "./plan.ts";

/** Migrations, checks, the deployment itself, and three that PostgreSQL keeps for superusers. */
const RESERVED = 15;

/** The most connections that are open at once. */
export function planConnections(workers: number, perWorker: number): ConnectionBudget {
  const replicas = 1;
  return {
    workers,
    perWorker,
    replicas,
    reserved: RESERVED,
    total: workers * perWorker * replicas + RESERVED,
  };
}

/** `2 workers × 10 × 1 proxy + 15 reserved = 35`. */
export function formatConnections(budget: ConnectionBudget): string {
  const { workers, perWorker, replicas, reserved, total } = budget;
  return `${workers} ${workers === 1 ? "worker" : "workers"} × ${perWorker} × ${replicas} ${replicas === 1 ? "proxy" : "proxies"} + ${reserved} reserved = ${total}`;
}
