/** Well-known answers of LiteLLM, what causes them, and what to do. */
const DIAGNOSES: readonly { readonly pattern: RegExp; readonly advice: string }[] = [
  {
    pattern: /No connected db/i,
    advice:
      "LiteLLM has no database to look the key up in: it was given another key than the master key in a deployment with `database: {kind: none}`, or it started without DATABASE_URL; use the master key, or set a database and run `pulumi up`",
  },
  {
    pattern: /LLM Provider NOT provided/i,
    advice:
      "the model has no provider that LiteLLM knows; an OpenAI-compatible server, another LiteLLM included, is provider `openai-compatible` with its baseUrl. If the model is stored in the database, its salt key has changed",
  },
  {
    pattern: /Only proxy admin/i,
    advice:
      "this key may not manage keys; use the master key: `pulumi stack output masterKey --show-secrets`",
  },
  {
    pattern: /token_not_found_in_db|Invalid proxy server token/i,
    advice:
      "the key is not one of this gateway; take the master key from `pulumi stack output masterKey --show-secrets`",
  },
  {
    pattern: /Invalid model name/i,
    advice: "no model of that name is configured; `/v1/models` lists those that are",
  },
  {
    pattern: /Missing credentials|Incorrect API key|invalid_api_key|AuthenticationError/i,
    advice:
      "the provider refused its key; set it again with `pulumi config set --secret <provider>ApiKey` and run `pulumi up`",
  },
  {
    pattern:
      /Connection error|Cannot connect|Connection refused|APIConnectionError|Name or service/i,
    advice:
      "the upstream of this model cannot be reached: check that it runs, its baseUrl, and network, VPN and firewall from where the proxy runs",
  },
  {
    pattern: /deployments for selected model are in cooldown/i,
    advice:
      "the last requests to this model failed, and LiteLLM lets it rest for some seconds; ask again after them: that answer names the cause",
  },
  {
    pattern: /does not exist in the current database|relation .* does not exist/i,
    advice: "the database schema is not complete; run `pulumi up`, which applies what is missing",
  },
];

/** One line on an answer that should have been a success. */
export function explainAnswer(path: string, status: number, body: string): string {
  const route = path.split("?")[0] ?? path;
  const advice = DIAGNOSES.find(({ pattern }) => pattern.test(body))?.advice;
  return `${route} answered ${status}: ${firstLine(body)}${advice === undefined ? "" : ` — ${advice}`}`;
}

/** One line on a proxy that did not answer at all. */
export function explainUnreachable(url: string, error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return `no answer from ${url} (${reason}) — the proxy is not running there, or the URL is wrong; see its log and run \`pulumi up\``;
}

function firstLine(body: string): string {
  let message: unknown;
  try {
    message = (JSON.parse(body) as { error?: { message?: unknown } }).error?.message;
  } catch {
    message = undefined; // not JSON: a proxy in between answered
  }
  const text = typeof message === "string" ? message : body;
  const [line = ""] = text.trim().split("\n");
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
