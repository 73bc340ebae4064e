import type { Connection } from "../../components/provider/ssh/connection.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { Pulumi } from "../stack.ts";

/** A deployed stack of two machines, with what the operations' commands need of it. */
export interface MachinesStack {
  readonly name: string;
  readonly operations: OperationsPlan;
  readonly machines: { readonly gateway: Connection; readonly database?: Connection };
  readonly versions: Readonly<Record<string, string>>;
  readonly secrets: {
    readonly masterKey: string;
    readonly uiPassword: string;
    /** Salt key and the database's passwords, by setting. */
    readonly recovery: Readonly<Record<string, string>>;
    /** By alias. */
    readonly staticKeys: Readonly<Record<string, string>>;
  };
}

/** What to use in topologies without machines of their own. */
const ELSEWHERE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  status: { local: "npm run verify", docker: "npm run verify, or docker ps" },
  logs: {
    local: "npm run pulumi -- stack output logs",
    docker: "npm run pulumi -- stack output logs",
  },
  maintain: {
    local: "psql with the output databaseUrl",
    docker: "docker exec into PostgreSQL's container and vacuumdb --analyze",
  },
  backup: {
    local: "pg_dump with the output databaseUrl",
    docker: "docker exec into PostgreSQL's container and pg_dump; secrets are the output recovery",
  },
  restore: {
    local: "pg_restore with the output databaseUrl",
    docker: "docker exec into PostgreSQL's container and pg_restore",
  },
};

/**
 * Reads what the last `up` told.
 *
 * @param command that wants to know, such as `status`
 * @throws Error when the stack is not deployed, or not on two machines
 */
export async function readMachinesStack(
  pulumi: Pulumi,
  name: string,
  command: string,
): Promise<MachinesStack> {
  const text = await pulumi.read("stack", "output", "--json", "--show-secrets", "--stack", name);
  return parseOutputs(name, command, JSON.parse(text) as StackOutputs);
}

type StackOutputs = Partial<Pick<MachinesStack, "operations" | "machines" | "versions">> &
  Partial<MachinesStack["secrets"]> & { readonly topology?: string };

export function parseOutputs(name: string, command: string, outputs: StackOutputs): MachinesStack {
  const { topology, operations, machines, versions = {} } = outputs;
  if (topology === undefined) {
    throw new Error(`stack ${name} is not deployed; deploy it: npm start ${name}`);
  }
  if (operations === undefined || machines === undefined) {
    if (topology === "existing") {
      throw new Error(
        `stack ${name} has topology "existing": its gateway is run elsewhere, and npm run ${command} is for those who run it; what this stack sees of it: npm run verify ${name}`,
      );
    }
    const instead = ELSEWHERE[command]?.[topology === "local" ? "local" : "docker"];
    throw new Error(
      `stack ${name} has topology "${topology}", and npm run ${command} is for "two-vm"; use instead: ${instead ?? "npm run verify"}`,
    );
  }
  const { masterKey = "", uiPassword = "", recovery = {}, staticKeys = {} } = outputs;
  return {
    name,
    operations,
    machines,
    versions,
    secrets: { masterKey, uiPassword, recovery, staticKeys },
  };
}

/** PostgreSQL of the stack and the way to its machine. @throws Error when it has none */
export function requireDatabase({ name, operations, machines }: MachinesStack): {
  readonly database: NonNullable<OperationsPlan["database"]>;
  readonly connection: Connection;
} {
  if (operations.database === undefined || machines.database === undefined) {
    throw new Error(
      `stack ${name} has no PostgreSQL of its own; set one: npm run pulumi -- config set --path database.kind machine --stack ${name}`,
    );
  }
  return { database: operations.database, connection: machines.database };
}

/** A signal that Ctrl-C aborts, so that what runs on the machines is ended. */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      controller.abort(new Error("interrupted"));
    });
  }
  return controller.signal;
}
