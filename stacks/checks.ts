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
  | { readonly kind: "models"; readonly names: readonly string[] }
  | { readonly kind: "chat"; readonly model: string; readonly stream: boolean }
  | { readonly kind: "embedding"; readonly model: string }
  | { readonly kind: "wrong-key"; readonly status: 400 | 401 }
  | { readonly kind: "unknown-model" }
  | { readonly kind: "admin" }
  | { readonly kind: "spend-log"; readonly model: string };

/** What the checks follow from. */
export interface CheckedDeployment {
  readonly hasDatabase: boolean;
  /** Every model name the proxy must offer. */
  readonly models: readonly string[];
  /** A chat model of provider `mock`. */
  readonly chatModel: string | undefined;
  /** An embedding model of provider `mock`. */
  readonly embeddingModel: string | undefined;
}

export function planChecks(deployment: CheckedDeployment): Check[] {
  const { hasDatabase, models, chatModel, embeddingModel } = deployment;
  return [
    { kind: "live" },
    { kind: "ready", database: hasDatabase ? "connected" : "Not connected" },
    ...(hasDatabase ? ([{ kind: "database" }, { kind: "schema" }] as const) : []),
    { kind: "models", names: [...new Set(models)].sort() },
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
      ? ([{ kind: "spend-log", model: chatModel }] as const)
      : []),
  ];
}
