import type { Check } from "../../stacks/plan/checks.ts";
import type { MachineCheck } from "../../stacks/plan/machine-checks.ts";

type Titles = {
  readonly [Kind in MachineCheck["kind"]]: (check: Extract<MachineCheck, { kind: Kind }>) => string;
};

const TITLES: Titles = {
  unit: ({ unit }) => `${unit} is active and enabled`,
  listening: ({ machine, port }) =>
    `${machine === "gateway" ? "gateway" : "PostgreSQL"} listens on port ${port}`,
  hardening: () => "service is hardened",
  "file-modes": ({ machine }) =>
    machine === "gateway" ? "gateway's files are secured" : "database's files are secured",
  "database-server": () => "PostgreSQL is set up as planned",
  "database-role": () => "database and role are there",
  "database-link": () => "gateway's machine reaches the database",
  "prisma-schema": () => "database schema is complete",
  "request-log-schema": () => "request log has its tables",
  metrics: () => "metrics are given for the key",
  "static-key": ({ alias }) => `static key ${alias} is accepted`,
  "static-key-restricted": ({ alias, model }) => `static key ${alias} is refused ${model}`,
  "request-log": () => "every request is in the log",
  load: ({ requests, concurrency }) => `load: ${requests} requests, ${concurrency} at a time`,
  "database-activity": () => "database activity and connections",
};

/** Whether a check is one of a gateway that is a service of a machine. */
export function isMachineCheck(check: Check): check is MachineCheck {
  return Object.hasOwn(TITLES, check.kind);
}

export function describeMachineCheck(check: MachineCheck): string {
  return (TITLES[check.kind] as (check: MachineCheck) => string)(check);
}
