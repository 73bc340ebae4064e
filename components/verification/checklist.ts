import type { Check } from "../../stacks/plan/checks.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { CheckResult } from "./run-check.ts";

/** One line of the checklist that a deployment on two machines has succeeded by. */
interface Criterion {
  readonly title: string;
  /** Whether a check tells of it. */
  readonly isShownBy: (check: Check) => boolean;
  /** Why no check does, where none does. */
  readonly otherwise: string;
}

const NO_SERVER = "not this stack's: it uses a server of somebody else's, or none";
const NO_MODEL = "not tried: there is no chat model of provider mock, and others cost money";

function listCriteria({ database, engine, hasRequestLog }: OperationsPlan): Criterion[] {
  const version = database === undefined ? "" : ` ${database.version}`;
  const name = database === undefined ? "" : ` ${database.name}`;
  const isOf = (check: Check, machine: "gateway" | "database") =>
    "machine" in check && check.machine === machine;
  return [
    {
      title: `PostgreSQL${version} installed and configured`,
      isShownBy: (check) =>
        check.kind === "database-server" || (check.kind === "unit" && isOf(check, "database")),
      otherwise: NO_SERVER,
    },
    {
      title: `Database${name} created with proper user permissions`,
      isShownBy: ({ kind }) => kind === "database-role",
      otherwise: NO_SERVER,
    },
    {
      title: "Network connectivity established between servers",
      isShownBy: ({ kind }) => kind === "database-link",
      otherwise: NO_SERVER,
    },
    {
      title: "LiteLLM Gateway service starts successfully",
      isShownBy: ({ kind }) => kind === "live" || kind === "ready",
      otherwise: "no check tells of it",
    },
    {
      title: "Database schema initialized with requests and responses tables",
      isShownBy: ({ kind }) => kind === "request-log-schema",
      otherwise: `not planned: database.engine is ${engine}`,
    },
    {
      title: "API requests return HTTP 200 with valid responses",
      isShownBy: ({ kind }) => kind === "chat" || kind === "embedding" || kind === "static-key",
      otherwise: NO_MODEL,
    },
    {
      title: "Request/response data logged to PostgreSQL database",
      isShownBy: ({ kind }) =>
        kind === "request-log" || kind === "load" || (!hasRequestLog && kind === "spend-log"),
      otherwise: hasRequestLog ? NO_MODEL : `not planned: database.engine is ${engine}`,
    },
    {
      title: "Error handling works correctly",
      isShownBy: ({ kind }) =>
        ["wrong-key", "unknown-model", "static-key-restricted"].includes(kind),
      otherwise: "no check tells of it",
    },
    {
      title: "Service runs as systemd unit",
      isShownBy: (check) =>
        check.kind === "hardening" || (check.kind === "unit" && isOf(check, "gateway")),
      otherwise: "no check tells of it",
    },
    {
      title: "All configuration files properly secured",
      isShownBy: ({ kind }) => kind === "file-modes",
      otherwise: "no check tells of it",
    },
    {
      title: "Documentation complete and accurate",
      isShownBy: () => false,
      otherwise: "for people to judge: README.md says what was deployed, and how to run it",
    },
  ];
}

/**
 * The success checklist of a deployment on machines, with what was seen for each line: `[x]` where
 * all that tells of it passed, `[ ]` where something did not, `[-]` where nothing tells of it.
 *
 * @param results - of the checks, in their order
 */
export function formatChecklist(
  checks: readonly Check[],
  results: readonly CheckResult[],
  operations: OperationsPlan,
): string {
  const lines = listCriteria(operations).flatMap(({ title, isShownBy, otherwise }) => {
    const evidence = results.filter((_, index) => {
      const check = checks[index];
      return check !== undefined && isShownBy(check);
    });
    const isMet = evidence.every(({ passed }) => passed);
    const mark = evidence.length === 0 ? "-" : isMet ? "x" : " ";
    return [
      `[${mark}] ${title}`,
      ...(evidence.length === 0 ? [`      ${otherwise}`] : []),
      ...evidence.map(
        (result) =>
          `    ${result.passed ? "✓" : "✗"} ${result.title}: ${result.detail.trimEnd().replaceAll("\n", "\n      ")}`,
      ),
    ];
  });
  return ["success checklist:", ...lines].join("\n");
}
