import leven from "leven";

/** Where a setting is: `["models", 0, "name"]`. */
export type Path = readonly (string | number)[];

/** One thing that is wrong with the settings. Holds no secret. */
export interface Issue {
  readonly path: Path;
  /** What is wrong, in the user's words, after the path: "must be …, not …". */
  readonly message: string;
  /** The command that mends it. */
  readonly command: string;
}

/** `["models", 0, "name"]` → `models[0].name`, in the syntax of `pulumi config --path`. */
export function formatPath(path: Path): string {
  return path
    .map((segment, index) => {
      if (index === 0) return String(segment);
      if (typeof segment === "number") return `[${segment}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(segment)) return `[${JSON.stringify(segment)}]`;
      return `.${segment}`;
    })
    .join("");
}

function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A key of its own needs no `--path`; everything inside a key does. */
function formatTarget(path: Path): string {
  const target = formatPath(path);
  return /^[A-Za-z][A-Za-z0-9]*$/.test(target) ? target : `--path ${quoteForShell(target)}`;
}

function formatArgument(text: string): string {
  return /^[A-Za-z0-9_./:@%+][A-Za-z0-9_./:@%+-]*$/.test(text) ? text : quoteForShell(text);
}

/** Inside a key the CLI takes whole numbers and booleans for what they look like, and no decimals. */
function formatType(path: Path, value: unknown): string {
  if (path.length < 2) return "";
  if (typeof value === "number" && !Number.isInteger(value)) return "--type float ";
  return typeof value === "string" && /^(?:true|false|-?\d+)$/.test(value) ? "--type string " : "";
}

/** The command that sets a plain value; without one it leaves a gap for the user to fill. */
export function setCommand(path: Path, value?: unknown): string {
  if (Array.isArray(value) && path.length > 1) {
    const commands = value.map((entry: unknown, index) => setCommand([...path, index], entry));
    return commands.length === 0 ? removeCommand(path) : commands.join(" && ");
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const argument = value === undefined || text.length > 80 ? "<value>" : formatArgument(text);
  return `pulumi config set ${formatTarget(path)} ${formatType(path, value)}${argument}`;
}

/** The command that removes a value. */
export function removeCommand(path: Path): string {
  return `pulumi config rm ${formatTarget(path)}`;
}

/**
 * The name most like `name`, if any is like enough to be what was meant.
 * @param maxDistance how many letters may differ; by default a third of them
 */
export function findSimilar(
  name: string,
  known: Iterable<string>,
  maxDistance = Math.ceil(name.length / 3),
): string | undefined {
  let best: string | undefined;
  let bestDistance = maxDistance + 1;
  for (const candidate of known) {
    const distance = leven(normalise(name), normalise(candidate), { maxDistance: bestDistance });
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Spellings that differ in case or in the separator of words are the same mistake. */
function normalise(name: string): string {
  return name.replace(/[^a-zA-Z0-9]/g, "").toLowerCase();
}

/** `, did you mean "…"?`, or nothing. */
export function suggest(name: string, known: Iterable<string>): string {
  const similar = findSimilar(name, known);
  return similar === undefined ? "" : `, did you mean ${JSON.stringify(similar)}?`;
}

const secretName =
  /(?:^|[_-])(?:(?:api|access|private|master|salt|signing|encryption|secret)[_-]?key|secret|password|passwd|token|authorization)$/i;
/** Marks in a prompt template: tokens, but no secrets. */
const textToken = /^(?:bos|eos|pad|unk|sep|cls|mask|begin|end|start|stop)_token$/i;

/** True for a key whose value is a secret by its name: `api_key`, `redis_password`, `apiKey`. */
export function isSecretName(key: string): boolean {
  const snakeCase = key.replace(/([a-z0-9])([A-Z])/g, "$1_$2");
  return secretName.test(snakeCase) && !textToken.test(snakeCase);
}

/** True for a text that is a credential beyond doubt, wherever it stands. */
export function isCredential(text: string): boolean {
  return (
    /^(?:sk-|gsk_|xai-|ghp_|Bearer )[A-Za-z0-9_.-]{8,}/.test(text) ||
    /:\/\/[^/?#\s]*:[^/?#\s]*@/.test(text) ||
    /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
  );
}

/** True for a text that may be a credential: too long and too random to be a name. */
function mayBeCredential(text: string): boolean {
  return (
    /^(?:sk-|AKIA|AIza|eyJ|hf_)/.test(text) ||
    (/^[A-Za-z0-9_\-+/=]{32,}$/.test(text) && /\d/.test(text) && /[A-Za-z]/.test(text))
  );
}

/** True when the value at this path must not be shown. */
export function isHidden(path: Path, value: unknown): boolean {
  return (
    path.some((segment) => typeof segment === "string" && isSecretName(segment)) ||
    (typeof value === "string" && (isCredential(value) || mayBeCredential(value)))
  );
}

/** A value for an error message: short, and never a secret. */
export function describe(path: Path, value: unknown): string {
  if (isHidden(path, value)) return "the value given (not shown)";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string" && /^\s*[[{]/.test(value)) return "a text that is no valid JSON";
  const text = JSON.stringify(value);
  return text.length > 80 ? `a text of ${text.length - 2} characters` : text;
}

/** `a`, `a or b`, `a, b or c`. */
export function listAlternatives(names: readonly string[]): string {
  return names.length < 2
    ? names.join("")
    : `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`;
}

/** The command that moves a value to the key that was meant, or removes it. */
export function renameCommand(
  path: Path,
  key: string,
  similar: string | undefined,
  value: unknown,
): string {
  const remove = removeCommand([...path, key]);
  if (similar === undefined) return remove;
  const scalar = typeof value !== "object" && !isHidden([...path, key], value) ? value : undefined;
  return `${remove} && ${setCommand([...path, similar], scalar)}`;
}

/** Sorts issues by path, in the order of `topLevelKeys`: what belongs together stands together. */
export function sortIssues(issues: readonly Issue[], topLevelKeys: readonly string[]): Issue[] {
  const rank = ({ path: [key] }: Issue): number => {
    const index = topLevelKeys.indexOf(String(key));
    return index < 0 ? topLevelKeys.length : index;
  };
  const entry = ({ path: [, index] }: Issue): number => (typeof index === "number" ? index : -1);
  return issues.toSorted((a, b) => rank(a) - rank(b) || entry(a) - entry(b));
}

/** True when `path` is at `parent` or inside it. */
export function isWithin(path: Path, parent: Path): boolean {
  return parent.every((segment, index) => path[index] === segment);
}
