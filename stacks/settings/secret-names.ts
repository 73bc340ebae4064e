/**
 * Which secrets there are, and the environment variable that carries each one to the proxy.
 * Only names live here: a secret's value never reaches a function of this module.
 */

/** Secrets that have a setting of their own: `pulumi config set --secret <name>`. */
export const topLevelSecrets = {
  openaiApiKey: {
    environmentVariable: "OPENAI_API_KEY",
    description: "API key of OpenAI, used by every model with `provider: openai`.",
  },
  anthropicApiKey: {
    environmentVariable: "ANTHROPIC_API_KEY",
    description: "API key of Anthropic, used by every model with `provider: anthropic`.",
  },
  masterKey: {
    environmentVariable: "LITELLM_MASTER_KEY",
    description:
      "Master key of the gateway, `sk-` and at least 16 further characters. Generated when not set; required, and whatever it is there, with `deployment.topology: existing`.",
  },
  saltKey: {
    environmentVariable: "LITELLM_SALT_KEY",
    description:
      "Key that encrypts credentials in the database. Generated when not set. Changing it makes stored credentials unreadable.",
  },
  uiPassword: {
    environmentVariable: "UI_PASSWORD",
    description: "Password of the admin user interface. Generated when not set.",
  },
  databasePassword: {
    // It reaches the proxy inside DATABASE_URL, so it has no variable of its own.
    environmentVariable: undefined,
    description: "Password of the proxy's database role. Generated when not set.",
  },
  superuserPassword: {
    environmentVariable: undefined,
    description:
      "Password of the superuser of the stack's own PostgreSQL. Generated when not set; not used by the proxy.",
  },
  databaseAdminPassword: {
    environmentVariable: undefined,
    description: "Password of `database.adminUser` on an external PostgreSQL server.",
  },
  databaseUrl: {
    environmentVariable: undefined,
    description:
      "URL of the proxy's database with `database.kind: url`: postgresql://user:password@host:port/database.",
  },
  gatewaySudoPassword: {
    environmentVariable: undefined,
    description:
      "Password that sudo asks for on `deployment.machine`. Not needed for root, nor with NOPASSWD.",
  },
  databaseSudoPassword: {
    environmentVariable: undefined,
    description:
      "Password that sudo asks for on `database.machine`. Not needed for root, nor with NOPASSWD.",
  },
  redisPassword: {
    environmentVariable: "REDIS_PASSWORD",
    description:
      "Password of Redis. Generated when not set, for a Redis of the stack's own; none for an external one.",
  },
  slackWebhookUrl: {
    environmentVariable: "SLACK_WEBHOOK_URL",
    description: "Webhook of Slack that alerts are posted to, with `alerting.slack`.",
  },
  alertWebhookUrl: {
    environmentVariable: "WEBHOOK_URL",
    description: "URL that spent budgets are posted to as JSON, with `alerting.webhook`.",
  },
  adminUsers: {
    environmentVariable: undefined,
    description:
      "Who may use the admin paths with `deployment.admin.basicAuth`: lines of htpasswd, `name:hash`.",
  },
  tlsPrivateKey: {
    environmentVariable: undefined,
    description: "Private key of `deployment.certificates.certificateFile`, PEM.",
  },
} as const satisfies Record<
  string,
  { environmentVariable: string | undefined; description: string }
>;

/** Name of a secret that has a setting of its own. */
export type TopLevelSecret = keyof typeof topLevelSecrets;

/** Secrets of the gateway itself: a model cannot use them as its API key. */
export const gatewaySecrets: ReadonlySet<string> = new Set<TopLevelSecret>([
  "masterKey",
  "saltKey",
  "uiPassword",
  "databasePassword",
  "superuserPassword",
  "databaseAdminPassword",
  "databaseUrl",
  "gatewaySudoPassword",
  "databaseSudoPassword",
  "redisPassword",
  "slackWebhookUrl",
  "alertWebhookUrl",
  "adminUsers",
  "tlsPrivateKey",
]);

/** What a name that the user chooses for a secret or an endpoint looks like: `groqApiKey`. */
export const namePattern = /^[a-z][a-zA-Z0-9]*$/;

/** True for a secret that is set by `pulumi config set --secret <name>`, without `--path`. */
export function isTopLevelSecret(name: string): name is TopLevelSecret {
  return Object.hasOwn(topLevelSecrets, name);
}

/** `groqApiKey` → `GROQ_API_KEY`. */
export function toConstantCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toUpperCase();
}

/** `GROQ_API_KEY` → `groqApiKey`: the name to suggest for a variable that should be a secret. */
export function toCamelCase(environmentVariable: string): string {
  const camel = environmentVariable
    .toLowerCase()
    .replace(/^[^a-z]+/, "")
    .replace(/[^a-z0-9]+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    .replace(/[^a-zA-Z0-9]/g, "");
  return camel === "" ? "mySecret" : camel;
}

/** Environment variable of a secret, or `undefined` for one that reaches no process by itself. */
export function environmentVariableOf(secretName: string): string | undefined {
  return isTopLevelSecret(secretName)
    ? topLevelSecrets[secretName].environmentVariable
    : toConstantCase(secretName);
}

/** How LiteLLM's config names a value that it takes from its environment. */
export function environmentReference(environmentVariable: string): string {
  return `os.environ/${environmentVariable}`;
}

/** The command that sets a secret; the CLI then asks for the value, so it is in no shell history. */
export function setSecretCommand(secretName: string): string {
  return isTopLevelSecret(secretName)
    ? `pulumi config set --secret ${secretName}`
    : `pulumi config set --secret --path 'secrets.${secretName}'`;
}

/**
 * Environment variables that the deployment sets itself, each with the setting to use instead
 * (`undefined`: there is none, the value follows from the others).
 */
export const managedEnvironmentVariables: Readonly<Record<string, string | undefined>> = {
  CONFIG_FILE_PATH: undefined,
  DATABASE_HOST: "database",
  DATABASE_NAME: "database.name",
  DATABASE_PASSWORD: "databasePassword",
  DATABASE_SCHEMA: "database",
  DATABASE_URL: "database",
  DATABASE_USERNAME: "database.role",
  DIRECT_URL: "database",
  DISABLE_SCHEMA_UPDATE: undefined,
  HOST: undefined,
  LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: "masterKey",
  LITELLM_LOG: "logLevel",
  LITELLM_MASTER_KEY: "masterKey",
  LITELLM_MODE: undefined,
  LITELLM_SALT_KEY: "saltKey",
  NUM_WORKERS: "deployment.workers",
  PATH: undefined,
  PORT: "deployment.proxyPort",
  PRISMA_BINARY_CACHE_DIR: undefined,
  PRISMA_CLI_PATH: undefined,
  PRISMA_OFFLINE_MODE: undefined,
  PRISMA_QUERY_ENGINE_BINARY: undefined,
  PRISMA_SCHEMA_ENGINE_BINARY: undefined,
  REQUEST_LOG_BUFFER_ROWS: "requestLog.bufferRows",
  REQUEST_LOG_DATABASE_URL: "database",
  REQUEST_LOG_RETENTION_DAYS: "requestLog.retentionDays",
  REQUEST_LOG_SPILL_BYTES: "requestLog.spillMegabytes",
  REQUEST_LOG_SPILL_FILE: undefined,
  STATIC_KEYS_AND_DATABASE: "database.engine",
  STATIC_KEYS_FILE: "staticKeys",
  STORE_MODEL_IN_DB: "generalSettings.store_model_in_db",
  UI_PASSWORD: "uiPassword",
  UI_USERNAME: "ui.username",
};
