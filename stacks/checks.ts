/**
 * What is verified after every `up`. Planned beside the deployment, so that what
 * is checked follows from what was planned; run by components/verification.
 *
 * None of them costs money: chat and embedding go to models of provider `mock` and
 * are left out where there is none, because LiteLLM ignores a `mock_response` that
 * comes with the request.
 */
export type Check =
  | { readonly kind: "live" }
  | { readonly kind: "ready"; readonly database: "connected" | "Not connected" }
  | { readonly kind: "database" }
  | { readonly kind: "schema" }
  /** The server allows as many connections as the proxy may open. */
  | { readonly kind: "connections"; readonly needed: number }
  /** `exact`: and no others. */
  | { readonly kind: "models"; readonly names: readonly string[]; readonly exact: boolean }
  | { readonly kind: "chat"; readonly model: string; readonly stream: boolean }
  | { readonly kind: "embedding"; readonly model: string }
  | { readonly kind: "wrong-key"; readonly status: 400 | 401 }
  | { readonly kind: "unknown-model" }
  | { readonly kind: "admin" }
  | { readonly kind: "spend-log"; readonly model: string; readonly deadlineSeconds: number };

/** Checks that take longer are left to `npm run verify`: `up` is not to wait for them. */
const QUICK_SECONDS = 60;

/** The checks that `up` runs. */
export function selectQuick(checks: readonly Check[]): Check[] {
  return checks.filter(
    (check) => check.kind !== "spend-log" || check.deadlineSeconds <= QUICK_SECONDS,
  );
}

/** What the checks follow from. */
export interface CheckedDeployment {
  /** Whether there is a database, and whether this machine reaches it. */
  readonly database: "none" | "reachable" | "unreachable";
  /** Connections that a server which others use as well must allow. */
  readonly connections: number | undefined;
  /** Every model name the proxy must offer. */
  readonly models: readonly string[];
  /** Whether it offers others too. */
  readonly offersUnregistered: boolean;
  /** A chat model of provider `mock`. */
  readonly chatModel: string | undefined;
  /** An embedding model of provider `mock`. */
  readonly embeddingModel: string | undefined;
  /** How often LiteLLM writes its spend log, in seconds. Default: LiteLLM's own 10. */
  readonly spendLogSeconds: number | undefined;
}

export function planChecks(deployment: CheckedDeployment): Check[] {
  const { connections, models, chatModel, embeddingModel, spendLogSeconds = 10 } = deployment;
  const hasDatabase = deployment.database !== "none";
  return [
    { kind: "live" },
    { kind: "ready", database: hasDatabase ? "connected" : "Not connected" },
    ...(deployment.database === "reachable"
      ? ([{ kind: "database" }, { kind: "schema" }] as const)
      : []),
    ...(connections === undefined ? [] : ([{ kind: "connections", needed: connections }] as const)),
    {
      kind: "models",
      names: [...new Set(models)].sort(),
      exact: !deployment.offersUnregistered,
    },
    ...(chatModel === undefined
      ? []
      : ([
          { kind: "chat", model: chatModel, stream: false },
          { kind: "chat", model: chatModel, stream: true },
        ] as const)),
    ...(embeddingModel === undefined
      ? []
      : ([{ kind: "embedding", model: embeddingModel }] as const)),
    // Without a database LiteLLM cannot look a key up and says "No connected db." with status 400.
    { kind: "wrong-key", status: hasDatabase ? 401 : 400 },
    { kind: "unknown-model" },
    ...(hasDatabase ? ([{ kind: "admin" }] as const) : []),
    ...(hasDatabase && chatModel !== undefined
      ? ([
          // Batches are written some seconds later than they should be.
          { kind: "spend-log", model: chatModel, deadlineSeconds: spendLogSeconds + 50 },
        ] as const)
      : []),
  ];
}
