/** Questions to a stack's own PostgreSQL: by `psql` on its machine, as its superuser, without a password. */
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { Session } from "../provider/ssh/session.ts";

const STATEMENT_SECONDS = 20;

const PSQL = `
PGCONNECT_TIMEOUT=5 PGOPTIONS="-c statement_timeout=$3s -c default_transaction_read_only=on"
export PGCONNECT_TIMEOUT PGOPTIONS
exec psql -XAtq -v ON_ERROR_STOP=1 -p "$1" -d "$2"
`.trim();

/**
 * Runs a statement that returns one value of type json, and returns it. It can change nothing.
 *
 * @param database that is asked; default: the proxy's
 * @throws Error with PostgreSQL's own message
 */
export async function queryMachine<T>(
  session: Session,
  { database: server }: Pick<OperationsPlan, "database">,
  sql: string,
  database?: string,
): Promise<T> {
  if (server === undefined) {
    throw new Error("this stack has no PostgreSQL of its own; run `pulumi up`");
  }
  const { code, stdout, stderr } = await session.try(PSQL, {
    arguments: [String(server.port), database ?? server.name, String(STATEMENT_SECONDS)],
    input: sql,
    user: "postgres",
    deadlineSeconds: 2 * STATEMENT_SECONDS,
  });
  if (code !== 0) throw new Error(explain(stderr.trim(), server));
  return JSON.parse(stdout) as T;
}

function explain(message: string, { unit, name }: NonNullable<OperationsPlan["database"]>): string {
  const [line = ""] = message.split("\n");
  if (/psql: (command )?not found/.test(message)) {
    return "the database's machine has no psql; run `pulumi up`, which installs it";
  }
  if (/Connection refused|No such file or directory/.test(message)) {
    return `PostgreSQL does not run there (${line}); see why: \`journalctl --unit=${unit}\` on the machine, then run \`pulumi up\``;
  }
  if (message.includes(`database "${name}" does not exist`)) {
    return `there is no database ${name}; run \`pulumi refresh\` and \`pulumi up\`, which make it anew`;
  }
  return line;
}

/** A text as a literal of SQL. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
