/** What a stack's own PostgreSQL tells of itself. */
import type { MachineCheck } from "../../stacks/plan/machine-checks.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import { queryMachine, quoteLiteral } from "./machine-sql.ts";
import type { MachineTarget } from "./machine-target.ts";

type DatabaseCheck = Extract<
  MachineCheck,
  {
    readonly kind:
      | "database-server"
      | "database-role"
      | "database-link"
      | "prisma-schema"
      | "request-log-schema"
      | "database-activity";
  }
>;
type Server = NonNullable<OperationsPlan["database"]>;

/** What was seen, or an error that says what came instead. */
export async function observeDatabase(
  { kind }: DatabaseCheck,
  target: MachineTarget,
): Promise<string> {
  const { database: server } = target.operations;
  if (server === undefined) throw new Error("this stack has no PostgreSQL of its own");
  const ask = <T>(sql: string): Promise<T> =>
    queryMachine(target.session("database"), target.operations, sql);
  switch (kind) {
    case "database-server":
      return judgeServer(await ask<ServerFacts>(SERVER_FACTS), server);
    case "database-role":
      return judgeRole(await ask<RoleFacts>(askRole(server)), server);
    case "database-link":
      return observeLink(target, server, ask);
    case "prisma-schema": {
      const { count, unfinished } = await ask<{ count: number; unfinished: string | null }>(`
        SELECT json_build_object('count', count(*), 'unfinished', string_agg(migration_name, ', ')
          FILTER (WHERE finished_at IS NULL AND rolled_back_at IS NULL)) FROM _prisma_migrations`);
      if (unfinished !== null) {
        throw new Error(`migrations that did not finish: ${unfinished}; run \`pulumi up\` again`);
      }
      return `${count} migrations`;
    }
    case "request-log-schema":
      return observeRequestLogTables(ask);
    case "database-activity":
      return observeActivity(server, ask);
    default:
      return kind satisfies never;
  }
}

type Ask = <T>(sql: string) => Promise<T>;

interface ServerFacts {
  readonly version: string;
  readonly encryption: string;
  readonly addresses: string;
  readonly tls: string;
  readonly maxConnections: string;
  readonly sharedBuffers: string;
  /** Lines of the settings' files that are not in force, and why. */
  readonly faults: readonly string[] | null;
  readonly rules: readonly {
    readonly line: number;
    readonly type: string | null;
    readonly address: string | null;
    readonly method: string | null;
    readonly error: string | null;
  }[];
}

const SERVER_FACTS = `
SELECT json_build_object(
  'version', current_setting('server_version'),
  'encryption', current_setting('password_encryption'),
  'addresses', current_setting('listen_addresses'),
  'tls', current_setting('ssl'),
  'maxConnections', current_setting('max_connections'),
  'sharedBuffers', current_setting('shared_buffers'),
  'faults', (SELECT json_agg(format('%s:%s %s: %s', sourcefile, sourceline, name, error))
             FROM pg_file_settings WHERE error IS NOT NULL),
  'rules', (SELECT coalesce(json_agg(json_build_object('line', line_number, 'type', type,
              'address', address, 'method', auth_method, 'error', error) ORDER BY line_number), '[]')
            FROM pg_hba_file_rules))`;

const LOOPBACK = ["127.0.0.1", "::1", "localhost", "samehost"];
const MEND = "run `pulumi refresh` and `pulumi up`";

function judgeServer(seen: ServerFacts, { version, hbaFile }: Server): string {
  const remote = seen.rules.filter(
    ({ type, address, method }) =>
      type !== "local" && method !== "reject" && !LOOPBACK.includes(address ?? ""),
  );
  const faults = [
    ...(seen.version.split(".")[0] === String(version)
      ? []
      : [`PostgreSQL ${seen.version} runs, ${version} is planned`]),
    ...(seen.encryption === "scram-sha-256" ? [] : [`password_encryption is ${seen.encryption}`]),
    ...(seen.tls === "on" ? [] : ["ssl is off"]),
    ...(seen.faults ?? []),
    ...seen.rules.flatMap(({ line, error }) =>
      error === null ? [] : [`${hbaFile}:${line}: ${error}`],
    ),
    ...remote.flatMap(({ line, type, address, method }) =>
      type === "hostssl" && ["scram-sha-256", "cert"].includes(method ?? "")
        ? []
        : [`${hbaFile}:${line} lets in ${address ?? "others"} by ${type ?? "?"} ${method ?? ""}`],
    ),
  ];
  if (faults.length > 0) throw new Error(`${faults.join("; ")} — ${MEND}`);
  const clients = [...new Set(remote.flatMap(({ address }) => address ?? []))];
  return [
    `${seen.version}, ${seen.encryption}, TLS`,
    `listens on ${seen.addresses}`,
    `lets in ${clients.join(", ") || "nobody"} from elsewhere`,
    `max_connections ${seen.maxConnections}, shared_buffers ${seen.sharedBuffers}`,
  ].join("; ");
}

interface RoleFacts {
  readonly owner: string;
  readonly encoding: string;
  readonly collation: string;
  readonly role: null | {
    readonly isSuperuser: boolean;
    readonly mayConnect: boolean;
    readonly mayCreate: boolean;
  };
}

function askRole({ role }: Server): string {
  const name = quoteLiteral(role);
  return `
SELECT json_build_object(
  'owner', pg_get_userbyid(datdba),
  'encoding', pg_encoding_to_char(encoding),
  'collation', datcollate,
  'role', (SELECT json_build_object(
      'isSuperuser', rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls,
      'mayConnect', has_database_privilege(r.oid, d.oid, 'CONNECT'),
      'mayCreate', has_schema_privilege(r.oid, 'public', 'CREATE'))
    FROM pg_roles r WHERE rolname = ${name}))
FROM pg_database d WHERE datname = current_database()`;
}

function judgeRole({ role, encoding, collation, owner }: RoleFacts, server: Server): string {
  const faults =
    role === null
      ? [`there is no role ${server.role}`]
      : [
          ...(role.isSuperuser ? [`${server.role} has rights over the whole server`] : []),
          ...(role.mayConnect ? [] : [`${server.role} may not connect to ${server.name}`]),
          ...(role.mayCreate ? [] : [`${server.role} may not make tables in ${server.name}`]),
        ];
  if (encoding !== "UTF8") faults.push(`${server.name} has encoding ${encoding}, not UTF8`);
  if (faults.length > 0) throw new Error(`${faults.join("; ")} — ${MEND}`);
  return `${server.name} (${encoding}, ${collation}) of ${owner}; ${server.role} may connect and make tables, and has no rights over the server`;
}

interface LinkFacts {
  readonly connections: number;
  readonly open: number;
  readonly protocols: string | null;
}

const KNOCK = `
set -eu
if ! timeout 5 bash -c ': < "/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; then
  echo "no answer from $1:$2" >&2
  exit 1
fi
`.trim();

async function observeLink(
  target: MachineTarget,
  { address, port, role }: Server,
  ask: Ask,
): Promise<string> {
  const knock = await target.session("gateway").try(KNOCK, {
    arguments: [address, String(port)],
  });
  if (knock.code !== 0) {
    throw new Error(
      `the gateway's machine gets no answer from ${address}:${port} — see that PostgreSQL runs, and the network and firewalls between the machines; then run \`pulumi up\``,
    );
  }
  const seen = await ask<LinkFacts>(`
    SELECT json_build_object('connections', count(*), 'open', count(*) FILTER (WHERE NOT ssl),
      'protocols', string_agg(DISTINCT version, ', '))
    FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
    WHERE datname = current_database() AND client_addr IS NOT NULL
      AND NOT client_addr <<= '127.0.0.0/8' AND client_addr <> '::1'`);
  if (seen.open > 0) {
    throw new Error(`${seen.open} connections of ${role} are without TLS — ${MEND}`);
  }
  const now =
    seen.connections === 0
      ? "no connection is open now"
      : `${seen.connections} connections, ${seen.protocols ?? ""}`;
  return `${address}:${port} answers; ${now}`;
}

interface TableFacts {
  readonly requests: string | null;
  readonly responses: string | null;
}

async function observeRequestLogTables(ask: Ask): Promise<string> {
  const { requests, responses } = await ask<TableFacts>(
    `SELECT json_build_object('requests', to_regclass('requests'), 'responses', to_regclass('responses'))`,
  );
  if (requests === null || responses === null) {
    const missing = [requests === null ? "requests" : "", responses === null ? "responses" : ""];
    throw new Error(
      `tables are missing: ${missing.filter((name) => name !== "").join(", ")}; run \`pulumi up\`, which migrates`,
    );
  }
  const seen = await ask<Record<"requests" | "responses", number> & { version: string }>(`
    SELECT json_build_object('requests', (SELECT count(*) FROM requests),
      'responses', (SELECT count(*) FROM responses),
      'version', (SELECT string_agg(version_num, ', ') FROM request_log_version))`);
  return `requests (${seen.requests} rows), responses (${seen.responses} rows), version ${seen.version}`;
}

async function observeActivity({ name }: Server, ask: Ask): Promise<string> {
  const seen = await ask<Readonly<Record<string, number | null>>>(`
    SELECT json_build_object('backends', numbackends, 'commits', xact_commit,
      'rollbacks', xact_rollback, 'inserted', tup_inserted, 'updated', tup_updated,
      'fetched', tup_fetched, 'deadlocks', deadlocks,
      'hits', round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1),
      'active', (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.datid AND state = 'active'
                   AND pid <> pg_backend_pid()),
      'idle', (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.datid AND state = 'idle'),
      'waiting', (SELECT count(*) FROM pg_stat_activity a
                  WHERE a.datid = d.datid AND state LIKE 'idle in transaction%'),
      'all', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
      'limit', current_setting('max_connections')::int)
    FROM pg_stat_database d WHERE datname = ${quoteLiteral(name)}`);
  const tell = (fact: string) => String(seen[fact] ?? 0);
  return [
    `connections: ${tell("active")} active, ${tell("idle")} idle, ${tell("waiting")} idle in a transaction (${tell("all")} of ${tell("limit")} on the server)`,
    `transactions: ${tell("commits")} committed, ${tell("rollbacks")} rolled back, ${tell("deadlocks")} deadlocks`,
    `rows: ${tell("inserted")} inserted, ${tell("updated")} updated, ${tell("fetched")} fetched`,
    `cache hits ${tell("hits")} %`,
  ].join("; ");
}
