import { type Connection, formatMachine } from "../../components/provider/ssh/connection.ts";
import { openSession } from "../../components/provider/ssh/session.ts";
import { formatHost } from "../../stacks/hosts.ts";
import { type Facts, parseFacts, readFact } from "./host-facts.ts";
import type { MachinesStack } from "./machines-stack.ts";
import { toReachable } from "./restore-backup.ts";
import {
  describeDatabase,
  describeFailure,
  describeGateway,
  type StatusLine,
  type StatusSection,
} from "./status-page.ts";
import { DATABASE_FACTS, GATEWAY_FACTS } from "./status-scripts.ts";

const DEADLINE_SECONDS = 90;
/** There with `database.firewall` only. */
const FIREWALL = "litellm-firewall.service";

/** Asks both machines at once. One that cannot be reached says so in its section. */
export function readStatus(
  { operations, machines }: MachinesStack,
  signal: AbortSignal,
): Promise<StatusSection[]> {
  const { gateway, database, engine, hasRequestLog } = operations;
  const endpoint = `${formatHost(gateway.address)}:${gateway.port}`;
  const url = `http://${formatHost(toReachable(gateway.address))}:${gateway.port}/health/readiness`;
  const expected = {
    service: gateway.unit,
    socket: gateway.socket,
    timers: gateway.timers,
    endpoint,
    usesDatabase: engine === "prisma" || engine === "both",
    hasBackups: database !== undefined,
    hasRequestLog,
  };
  const sections = [
    describe(
      "gateway",
      machines.gateway,
      {
        script: GATEWAY_FACTS,
        arguments: [
          [gateway.unit, gateway.socket, ...gateway.timers.flatMap(withService)].join(" "),
          ...[url, gateway.configuration, gateway.state, gateway.unit],
        ],
      },
      (facts) => describeGateway(facts, expected, new Date()),
      signal,
    ),
  ];
  if (database !== undefined && machines.database !== undefined) {
    sections.push(
      describe(
        "database",
        machines.database,
        {
          script: DATABASE_FACTS,
          arguments: [
            [database.unit, FIREWALL].join(" "),
            `${database.version}/${database.cluster}`,
            database.name,
          ],
        },
        (facts) =>
          describeDatabase(
            facts,
            { units: [database.unit], optionalUnits: [FIREWALL], hasRequestLog },
            new Date(),
          ),
        signal,
      ),
    );
  }
  return Promise.all(sections);
}

async function describe(
  role: string,
  connection: Connection,
  question: { readonly script: string; readonly arguments: readonly string[] },
  read: (facts: Facts) => StatusLine[],
  signal: AbortSignal,
): Promise<StatusSection> {
  const title = `${role}  ${formatMachine(connection)}`;
  try {
    const text = await openSession(connection, signal).run(question.script, {
      arguments: question.arguments,
      deadlineSeconds: DEADLINE_SECONDS,
    });
    const facts = parseFacts(text);
    return { title: `${title} (${readFact(facts, "host") ?? "?"})`, lines: read(facts) };
  } catch (error) {
    signal.throwIfAborted();
    return { title, lines: describeFailure(error) };
  }
}

function withService(timer: string): string[] {
  return [timer, timer.replace(/\.timer$/, ".service")];
}
