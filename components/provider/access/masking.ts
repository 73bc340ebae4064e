type Values = Readonly<Record<string, unknown>>;

/** Shows so many characters at either end, and of what is no longer than both nothing. */
const SHOWN_OF_PARAMS = 4;
const SHOWN_OF_CREDENTIALS = 2;

/** Not returned at all. Source: litellm, remove_sensitive_info_from_deployment. */
const HIDDEN_PARAMS = new Set([
  "api_key",
  "client_secret",
  "vertex_credentials",
  "vertex_ai_credentials",
  "aws_access_key_id",
  "aws_secret_access_key",
]);
const NEVER_MASKED_PARAMS = new Set([
  "litellm_credential_name",
  "default_api_key_tpm_limit",
  "default_api_key_rpm_limit",
]);
/** A part of a name, between underscores and hyphens. Source: litellm, SensitiveDataMasker. */
const SENSITIVE_PARTS = new Set([
  "password",
  "secret",
  "key",
  "token",
  "auth",
  "authorization",
  "cookie",
  "credential",
  "credentials",
  "access",
  "private",
  "certificate",
  "fingerprint",
  "tenancy",
]);
const HARMLESS_PARTS = new Set(["cost"]);
/** Anywhere in a name. Source: litellm, get_masked_values. */
const SENSITIVE_WORDS = /authorization|token|key|secret|credentials|password|passwd/;

/** Whether LiteLLM never returns this parameter of a model. */
export function isHiddenParam(name: string): boolean {
  return HIDDEN_PARAMS.has(name);
}

/** Parameters of a model as LiteLLM returns them: what may be secret masked, such as `abcd****wxyz`. */
export function maskParams(params: Values): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, maskParam(value, isSensitive(name))]),
  );
}

function maskParam(value: unknown, isSecret: boolean): unknown {
  if (Array.isArray(value)) return value.map((entry) => maskEntry(entry, isSecret));
  if (typeof value === "object" && value !== null) return maskParams(value as Values);
  if (isSecret) return maskText(value === null ? "" : toPython(value));
  return value === null ? "None" : value;
}

function maskEntry(entry: unknown, isSecret: boolean): unknown {
  if (typeof entry === "string") return isSecret ? maskText(entry) : entry;
  return maskParam(entry, isSecret && Array.isArray(entry));
}

function isSensitive(name: string): boolean {
  if (NEVER_MASKED_PARAMS.has(name)) return false;
  const parts = name.toLowerCase().split(/[_-]/);
  return (
    !parts.some((part) => HARMLESS_PARTS.has(part)) &&
    parts.some((part) => SENSITIVE_PARTS.has(part))
  );
}

/** Lists, maps and texts are masked as texts; a boolean as Python writes it. */
function toPython(value: unknown): string {
  const text = String(value);
  return typeof value === "boolean" ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

function maskText(text: string): string {
  const characters = Array.from(text);
  const shown = 2 * SHOWN_OF_PARAMS;
  if (characters.length <= shown) return "*".repeat(characters.length);
  return (
    characters.slice(0, SHOWN_OF_PARAMS).join("") +
    "*".repeat(characters.length - shown) +
    characters.slice(-SHOWN_OF_PARAMS).join("")
  );
}

/** A value of a credential as LiteLLM returns it: `sk****23` where its name sounds like a secret. */
export function maskCredentialValue(name: string, value: string): string {
  if (!SENSITIVE_WORDS.test(name.toLowerCase())) return value;
  const characters = Array.from(value);
  if (characters.length <= 2 * SHOWN_OF_CREDENTIALS) return "*****";
  return [
    ...characters.slice(0, SHOWN_OF_CREDENTIALS),
    "****",
    ...characters.slice(-SHOWN_OF_CREDENTIALS),
  ].join("");
}
